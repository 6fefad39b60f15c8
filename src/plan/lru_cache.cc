#include "plan/lru_cache.h"

#include <algorithm>

namespace weir::plan {

LruCache::LruCache(int64_t address_lines, int64_t capacity_lines)
    : lines_(address_lines), capacity_(capacity_lines) {}

void LruCache::Unlink(int32_t at) {
  const Line& line = lines_[at];
  (line.older >= 0 ? lines_[line.older].newer : oldest_) = line.newer;
  (line.newer >= 0 ? lines_[line.newer].older : newest_) = line.older;
}

void LruCache::MakeNewest(int32_t at) {
  lines_[at].older = newest_;
  lines_[at].newer = -1;
  (newest_ >= 0 ? lines_[newest_].newer : oldest_) = at;
  newest_ = at;
}

void LruCache::Access(int64_t line, bool write, bool fetch) {
  const int32_t at = static_cast<int32_t>(line);
  Line& here = lines_[at];
  here.dirty |= write;
  if (at == newest_) return;
  if (here.resident) {
    Unlink(at);
    MakeNewest(at);
    return;
  }
  if (!here.seen) ++touched_;
  if (!write || fetch) ++fetches_;
  here.seen = here.resident = true;
  if (resident_ == capacity_) {
    const int32_t out = oldest_;
    Unlink(out);
    write_backs_ += lines_[out].dirty;
    lines_[out].resident = lines_[out].dirty = false;
  } else {
    ++resident_;
  }
  MakeNewest(at);
}

void LruCache::Flush(int64_t end) {
  for (int64_t i = 0; i < std::min<int64_t>(end, lines_.size()); ++i) {
    write_backs_ += lines_[i].dirty;
    lines_[i].dirty = false;
  }
}

}  // namespace weir::plan
