// Reads files on up to two threads, a few ahead, and hands the results out in the order of the
// list.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "index/indexer.h"

namespace weir::index {

// What is known of a file before it is read.
struct FileState {
  std::string path;
  int64_t size = -1, mtime_ns = -1;
  int64_t modified_ns = -1;  // as it is
};

// mtime_ns is -1 when the file changed so lately that a further change could leave the same time.
absl::StatusOr<FileState> StatFile(const std::string& path);

class ReadAhead {
 public:
  ReadAhead(std::vector<FileState> files, const IndexerPorts& ports, const Context& context);
  ~ReadAhead();  // waits for reads in flight
  ReadAhead(const ReadAhead&) = delete;

  struct Result {
    FileState file;
    absl::StatusOr<Prepared> prepared;
  };
  // The next result in order. REQUIRES: not called more often than there are files.
  Result Next();

 private:
  Result ReadOne(size_t i) const;
  void Work();

  const std::vector<FileState> files_;
  const IndexerPorts& ports_;
  Context context_;
  std::mutex mutex_;
  std::condition_variable changed_;
  size_t taken_ = 0, given_ = 0;  // by workers, to the caller
  bool stop_ = false;
  std::map<size_t, Result> done_;
  std::vector<std::thread> workers_;
};

}  // namespace weir::index
