#include "base/file_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/status.h"

namespace weir {
namespace {

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

absl::Status WriteAt(int fd, uint64_t offset, std::span<const std::byte> bytes,
                     const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t put =
        ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return ErrnoStatus(errno, absl::StrCat("write ", path));
    bytes = bytes.subspan(static_cast<size_t>(put));
    offset += static_cast<uint64_t>(put);
  }
  return absl::OkStatus();
}

}  // namespace

FileWriter::FileWriter(std::string path)
    : path_(std::move(path)), temporary_(absl::StrCat(path_, ".tmp.", ::gettid())) {}

absl::StatusOr<std::unique_ptr<FileWriter>> FileWriter::Make(const std::string& path) {
  struct stat old;
  const bool replaces = ::stat(path.c_str(), &old) == 0 && S_ISREG(old.st_mode);
  std::unique_ptr<FileWriter> writer(new FileWriter(path));
  writer->fd_ =
      ::open(writer->temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (writer->fd_ < 0) return ErrnoStatus(errno, absl::StrCat("create ", writer->temporary_));
  if (replaces && ::fchmod(writer->fd_, old.st_mode & 07777) != 0) {
    return ErrnoStatus(errno, absl::StrCat("set mode of ", writer->temporary_));
  }
  return writer;
}

FileWriter::~FileWriter() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

absl::Status FileWriter::Append(std::span<const std::byte> bytes) {
  WEIR_RETURN_IF_ERROR(WriteAt(fd_, size_, bytes, temporary_));
  size_ += bytes.size();
  return absl::OkStatus();
}

absl::Status FileWriter::Patch(uint64_t offset, std::span<const std::byte> bytes) {
  return WriteAt(fd_, offset, bytes, temporary_);
}

absl::Status FileWriter::Finish() {
  if (::fsync(fd_) != 0) return ErrnoStatus(errno, absl::StrCat("fsync ", temporary_));
  // A network file system may report a failed write only here.
  if (::close(std::exchange(fd_, -1)) != 0) {
    return ErrnoStatus(errno, absl::StrCat("close ", temporary_));
  }
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    return ErrnoStatus(errno, absl::StrCat("rename ", temporary_, " to ", path_));
  }
  temporary_.clear();
  return SyncFolder(FolderOf(path_));
}

}  // namespace weir
