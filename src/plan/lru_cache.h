// A fully associative cache with least-recently-used replacement, simulated line by line.
#pragma once

#include <cstdint>
#include <vector>

namespace weir::plan {

class LruCache {
 public:
  // For addresses of lines in [0, address_lines). REQUIRES: capacity_lines >= 1.
  LruCache(int64_t address_lines, int64_t capacity_lines);

  // `fetch`: a write to a line that is absent reads it first (a line of several words).
  void Access(int64_t line, bool write, bool fetch);
  // Counts the write-back of what is dirty, as at the end of a run. Lines from `end` on are scratch
  // that nobody will read.
  void Flush(int64_t end);

  int64_t fetches() const { return fetches_; }        // lines read from slow memory
  int64_t write_backs() const { return write_backs_; }
  int64_t touched() const { return touched_; }        // distinct lines: the cold misses

 private:
  struct Line {
    int32_t older = -1, newer = -1;
    bool resident = false, dirty = false, seen = false;
  };
  void Unlink(int32_t line);
  void MakeNewest(int32_t line);

  std::vector<Line> lines_;
  int32_t newest_ = -1, oldest_ = -1;
  int64_t capacity_, resident_ = 0;
  int64_t fetches_ = 0, write_backs_ = 0, touched_ = 0;
};

}  // namespace weir::plan
