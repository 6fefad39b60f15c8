// Opening, locking, and moving on to a new generation.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <set>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/status.h"
#include "index/store_folder.h"

namespace weir::index {
namespace {

namespace fs = std::filesystem;

constexpr int kLockTries = 50;
constexpr std::chrono::milliseconds kLockPause(20);

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> Store::Open(const std::string& folder, Mode mode,
                                                   const Context&) {
  auto store = std::make_unique<FolderStore>(folder, mode);
  WEIR_RETURN_IF_ERROR(store->Start());
  return store;
}

FolderStore::~FolderStore() {
  catalogue_.reset();  // before the lock: the last connection folds the write-ahead log in
  if (lock_fd_ >= 0) ::close(lock_fd_);
}

absl::Status FolderStore::Lock() {
  const std::string path = folder_ + "/lock";
  lock_fd_ = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644);
  if (lock_fd_ < 0) return ErrnoStatus(errno, path);
  // A reader process of a writer that was killed holds its lock until it dies, too: a moment.
  int tries = 0;
  while (::flock(lock_fd_, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno == EWOULDBLOCK && ++tries < kLockTries) {
      std::this_thread::sleep_for(kLockPause);
      continue;
    }
    if (errno == EWOULDBLOCK) {
      return absl::AbortedError(
          absl::StrCat(folder_, ": another process is writing to this store; try again later"));
    }
    return ErrnoStatus(errno, path);
  }
  return absl::OkStatus();
}

absl::Status FolderStore::Start() {
  segments_folder_ = folder_ + "/segments";
  const std::string path = folder_ + "/catalogue.sqlite";
  std::error_code error;
  if (mode_ == Mode::kWrite) {
    WEIR_RETURN_IF_ERROR(MakeFolders(segments_folder_));
    WEIR_RETURN_IF_ERROR(Lock());
  } else if (!fs::exists(path, error)) {
    return absl::NotFoundError(absl::StrCat(folder_, ": no store is there"));
  }
  std::lock_guard lock(catalogue_mutex_);
  absl::StatusOr<std::unique_ptr<Catalogue>> catalogue =
      Catalogue::Open(path, mode_ == Mode::kWrite);
  if (!catalogue.ok()) return Annotate(catalogue.status(), path);
  catalogue_ = *std::move(catalogue);
  if (mode_ == Mode::kRead) return Reload();
  WEIR_ASSIGN_OR_RETURN(const std::string analyzer, catalogue_->Setting("analyzer"));
  if (analyzer.empty()) {
    WEIR_ASSIGN_OR_RETURN(Transaction transaction, catalogue_->BeginWrite());
    WEIR_RETURN_IF_ERROR(catalogue_->Set("analyzer", kDefaultLanguage));
    WEIR_RETURN_IF_ERROR(transaction.Commit());
    WEIR_RETURN_IF_ERROR(SyncFolder(folder_));
  }
  WEIR_ASSIGN_OR_RETURN(next_segment_, catalogue_->Counter("next_segment"));
  WEIR_RETURN_IF_ERROR(RemoveOrphans());
  return Reload();
}

// Files of a commit that never came, and of merges that were cut short after theirs.
absl::Status FolderStore::RemoveOrphans() {
  WEIR_ASSIGN_OR_RETURN(const std::vector<SegmentRow> rows, catalogue_->Segments());
  std::set<std::string> known;
  for (const SegmentRow& row : rows) known.insert(row.info.name);
  std::error_code error;
  fs::directory_iterator at(segments_folder_, error);
  if (error) return ErrnoStatus(error.value(), segments_folder_);
  for (const fs::directory_entry& entry : at) {
    const std::string name = entry.path().filename().string();
    int64_t number = 0;
    if (absl::SimpleAtoi(name.substr(0, name.find('-')), &number)) {
      next_segment_ = std::max(next_segment_, number + 1);
    }
    const bool ours = name.ends_with(".seg") || name.ends_with(".seg.tmp");
    if (ours && !known.contains(name)) fs::remove(entry.path(), error);
  }
  return absl::OkStatus();
}

std::string FolderStore::SegmentName(std::string_view kind) {
  return absl::StrCat(absl::Dec(next_segment_++, absl::kZeroPad8), "-", kind, ".seg");
}

absl::Status FolderStore::Writable() const {
  if (mode_ == Mode::kWrite) return absl::OkStatus();
  return absl::PermissionDeniedError(absl::StrCat(folder_, ": the store is open for reading only"));
}

absl::Status FolderStore::Reload() {
  constexpr int kAttempts = 10;  // each lost to a merge that committed in between
  const std::shared_ptr<const Snapshot> old = snapshot();
  absl::StatusOr<std::shared_ptr<const Snapshot>> next = absl::UnknownError("not loaded");
  for (int i = 0; i < kAttempts; ++i) {
    if (mode_ == Mode::kRead) WEIR_RETURN_IF_ERROR(catalogue_->BeginRead());
    next = LoadSnapshot(*catalogue_, segments_folder_, old.get(), query_encoder_);
    if (next.ok() || mode_ == Mode::kWrite || !absl::IsNotFound(next.status())) break;
  }
  if (absl::IsNotFound(next.status())) {
    return absl::DataLossError(
        absl::StrCat(folder_, ": ", next.status().message(), "; the catalogue names this file"));
  }
  WEIR_RETURN_IF_ERROR(next.status());
  {
    std::lock_guard lock(scopes_mutex_);
    scopes_.clear();
    filters_.clear();
  }
  std::lock_guard lock(snapshot_mutex_);
  snapshot_ = *std::move(next);
  return absl::OkStatus();
}

absl::Status FolderStore::SetQueryEncoder(std::string_view name) {
  if (mode_ == Mode::kWrite) {
    return absl::FailedPreconditionError(
        absl::StrCat(folder_, ": a store that is open for writing searches its own encoder"));
  }
  std::lock_guard lock(catalogue_mutex_);
  std::string former = std::exchange(query_encoder_, std::string(name));
  const absl::Status status = Reload();
  if (!status.ok()) query_encoder_ = std::move(former);
  return status;
}

absl::Status FolderStore::Refresh() {
  std::lock_guard lock(catalogue_mutex_);
  if (mode_ == Mode::kRead) WEIR_RETURN_IF_ERROR(catalogue_->BeginRead());
  WEIR_ASSIGN_OR_RETURN(const int64_t generation, catalogue_->Counter("generation"));
  const std::shared_ptr<const Snapshot> now = snapshot();
  if (now != nullptr && now->generation == generation) return absl::OkStatus();
  return Reload();
}

std::shared_ptr<const Snapshot> FolderStore::snapshot() const {
  std::lock_guard lock(snapshot_mutex_);
  return snapshot_;
}

Bm25Options FolderStore::bm25() const {
  std::lock_guard lock(snapshot_mutex_);
  return bm25_;
}

void FolderStore::SetBm25(const Bm25Options& options) {
  std::lock_guard lock(snapshot_mutex_);
  bm25_ = options;
}

}  // namespace weir::index
