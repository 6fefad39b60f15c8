#include "index/read_ahead.h"

#include <sys/stat.h>
#include <time.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/status.h"
#include "base/threads.h"

namespace weir::index {
namespace {

constexpr size_t kAhead = 4;                        // documents held in memory at once
// the coarsest clock of a file system in use (FAT)
constexpr int64_t kRacyNs = int64_t{2'000'000'000};

}  // namespace

absl::StatusOr<FileState> StatFile(const std::string& path) {
  struct stat s;
  if (::stat(path.c_str(), &s) != 0) return ErrnoStatus(errno, path);
  if (!S_ISREG(s.st_mode))
    return absl::InvalidArgumentError(absl::StrCat(path, ": not a regular file"));
  struct timespec now;
  ::clock_gettime(CLOCK_REALTIME, &now);
  const int64_t mtime_ns = int64_t{s.st_mtim.tv_sec} * 1'000'000'000 + s.st_mtim.tv_nsec;
  FileState state{path, s.st_size, mtime_ns, mtime_ns};
  const int64_t now_ns = int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
  if (now_ns - state.mtime_ns < kRacyNs) state.mtime_ns = -1;
  return state;
}

ReadAhead::ReadAhead(std::vector<FileState> files, const IndexerPorts& ports,
                     const Context& context)
    : files_(std::move(files)), ports_(ports), context_(context) {
  const int count = context.threads != nullptr && context.threads->count() > 1 ? 2 : 1;
  context_.threads = nullptr;  // the pool is the caller's, for one loop at a time
  for (int i = 0; i < count; ++i) workers_.emplace_back([this] { Work(); });
}

ReadAhead::~ReadAhead() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  for (std::thread& t : workers_) t.join();
}

ReadAhead::Result ReadAhead::ReadOne(size_t i) const {
  Result result{files_[i], absl::UnknownError("not read")};
  absl::StatusOr<text::Document> document = ports_.read(files_[i].path, context_);
  if (!document.ok()) {
    result.prepared = document.status();
    return result;
  }
  Prepared prepared;
  prepared.document = *std::move(document);
  prepared.document.path = files_[i].path;
  prepared.passages = ports_.chunk(prepared.document);
  prepared.file_size = files_[i].size;
  prepared.file_mtime_ns = files_[i].mtime_ns;
  prepared.file_modified_ns = files_[i].modified_ns;
  result.prepared = std::move(prepared);
  return result;
}

void ReadAhead::Work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock,
                  [&] { return stop_ || taken_ == files_.size() || taken_ < given_ + kAhead; });
    if (stop_ || taken_ == files_.size()) return;
    const size_t i = taken_++;
    lock.unlock();
    Result result = ReadOne(i);
    lock.lock();
    done_.emplace(i, std::move(result));
    changed_.notify_all();
  }
}

ReadAhead::Result ReadAhead::Next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return done_.contains(given_); });
  auto node = done_.extract(given_++);
  changed_.notify_all();
  return std::move(node.mapped());
}

}  // namespace weir::index
