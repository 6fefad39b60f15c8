#include "base/files.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <pwd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <functional>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/file_writer.h"
#include "base/status.h"

namespace weir {
namespace {

constexpr size_t kStreamBytes = size_t{1} << 20;

// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

absl::StatusOr<Descriptor> OpenToRead(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(errno, absl::StrCat("open ", path));
  return Descriptor(fd);
}

// Reads up to buffer.size() bytes; less only at the end of the file.
absl::StatusOr<size_t> ReadFully(int fd, std::span<char> buffer, const std::string& path) {
  size_t have = 0;
  while (have < buffer.size()) {
    const ssize_t got = ::read(fd, buffer.data() + have, buffer.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, absl::StrCat("read ", path));
    if (got == 0) break;
    have += static_cast<size_t>(got);
  }
  return have;
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// SHA-256 that is fed in pieces.
class Hasher {
 public:
  Hasher() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    ok_ = context_ != nullptr && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1;
  }
  void Update(std::string_view bytes) {
    ok_ = ok_ && EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1;
  }
  // "" when the library failed.
  std::string Finish() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
    unsigned length = 0;
    ok_ = ok_ && EVP_DigestFinal_ex(context_.get(), digest.data(), &length) == 1;
    if (!ok_) return "";
    return absl::BytesToHexString({reinterpret_cast<const char*>(digest.data()), length});
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
  bool ok_ = false;
};

}  // namespace

absl::StatusOr<std::shared_ptr<const MappedFile>> MappedFile::Open(const std::string& path) {
  WEIR_ASSIGN_OR_RETURN(Descriptor file, OpenToRead(path));
  struct stat info;
  if (::fstat(file.get(), &info) != 0) return ErrnoStatus(errno, absl::StrCat("stat ", path));
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat("map ", path, "; expected a regular file"));
  }
  std::shared_ptr<MappedFile> mapped(new MappedFile);
  mapped->path_ = path;
  if (info.st_size == 0) return mapped;
  void* data = ::mmap(nullptr, info.st_size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (data == MAP_FAILED) return ErrnoStatus(errno, absl::StrCat("map ", path));
  mapped->data_ = static_cast<const std::byte*>(data);
  mapped->size_ = static_cast<size_t>(info.st_size);
  return mapped;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

absl::Status MappedFile::Release(std::span<const std::byte> part) const {
  if (part.empty()) return absl::OkStatus();
  const std::less_equal<const std::byte*> before;  // pointers of other objects may be passed
  if (!before(data_, part.data()) || !before(part.data() + part.size(), data_ + size_)) {
    return absl::InvalidArgumentError(absl::StrCat("release ", path_, ": not a part of it"));
  }
  // Offsets are aligned, not addresses: the mapping itself begins at a page.
  const size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const size_t first = (part.data() - data_ + page - 1) / page * page;
  const size_t last = (part.data() - data_ + part.size()) / page * page;
  if (first >= last) return absl::OkStatus();
  if (::madvise(const_cast<std::byte*>(data_) + first, last - first, MADV_DONTNEED) != 0) {
    return ErrnoStatus(errno, absl::StrCat("release ", path_));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadFile(const std::string& path, uint64_t limit) {
  WEIR_ASSIGN_OR_RETURN(Descriptor file, OpenToRead(path));
  struct stat info;
  if (::fstat(file.get(), &info) != 0) return ErrnoStatus(errno, absl::StrCat("stat ", path));
  if (S_ISDIR(info.st_mode)) return ErrnoStatus(EISDIR, absl::StrCat("read ", path));
  const auto too_long = [&] {
    return absl::ResourceExhaustedError(
        absl::StrCat("read ", path, ": longer than the limit of ", limit, " bytes"));
  };
  if (S_ISREG(info.st_mode) && static_cast<uint64_t>(info.st_size) > limit) return too_long();
  // Pipes and /proc files tell no size, and a file may grow while it is read: so it is read in
  // pieces, and the limit is checked again.
  std::string bytes;
  size_t piece = std::max<size_t>(S_ISREG(info.st_mode) ? info.st_size + 1 : 0, 4096);
  while (true) {
    const size_t have = bytes.size();
    const uint64_t room = limit - have;  // one byte more than the room shows an overrun
    bytes.resize(have + (piece > room ? room + 1 : piece));
    WEIR_ASSIGN_OR_RETURN(
        const size_t got,
        ReadFully(file.get(), std::span<char>(bytes).subspan(have), path));
    const bool at_end = have + got < bytes.size();
    bytes.resize(have + got);
    if (bytes.size() > limit) return too_long();
    if (at_end) return bytes;
    piece = std::min(bytes.size() + 4096, kStreamBytes * 16);
  }
}

absl::Status WriteFileAtomic(const std::string& path, std::string_view bytes) {
  WEIR_ASSIGN_OR_RETURN(const std::unique_ptr<FileWriter> file, FileWriter::Make(path));
  WEIR_RETURN_IF_ERROR(file->Append(std::as_bytes(std::span(bytes))));
  return file->Finish();
}

absl::Status MakeFolders(const std::string& path) {
  if (path.empty()) return absl::InvalidArgumentError("make folder: the name is empty");
  std::vector<std::string> missing;
  std::string folder = path;
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  struct stat info;
  while (::stat(folder.c_str(), &info) != 0) {
    if (errno != ENOENT) return ErrnoStatus(errno, absl::StrCat("make folder ", folder));
    missing.push_back(folder);
    folder = FolderOf(folder);
  }
  if (!S_ISDIR(info.st_mode)) return ErrnoStatus(ENOTDIR, absl::StrCat("make folder ", path));
  for (; !missing.empty(); missing.pop_back()) {
    const std::string& next = missing.back();
    // Another process may have made it in between; that is as good.
    if (::mkdir(next.c_str(), 0777) != 0 && errno != EEXIST) {
      return ErrnoStatus(errno, absl::StrCat("make folder ", next));
    }
    WEIR_RETURN_IF_ERROR(SyncFolder(FolderOf(next)));
  }
  return absl::OkStatus();
}

absl::Status SyncFolder(const std::string& path) {
  Descriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0) return ErrnoStatus(errno, absl::StrCat("open folder ", path));
  // Some file systems cannot sync a folder and say EINVAL; there is nothing better to do there.
  if (::fsync(folder.get()) != 0 && errno != EINVAL) {
    return ErrnoStatus(errno, absl::StrCat("fsync folder ", path));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Sha256File(const std::string& path) {
  WEIR_ASSIGN_OR_RETURN(Descriptor file, OpenToRead(path));
  Hasher hasher;
  std::vector<char> buffer(kStreamBytes);
  while (true) {
    WEIR_ASSIGN_OR_RETURN(const size_t got, ReadFully(file.get(), buffer, path));
    hasher.Update({buffer.data(), got});
    if (got < buffer.size()) break;
  }
  std::string hex = hasher.Finish();
  if (hex.empty()) return absl::InternalError("SHA-256: the cryptographic library failed");
  return hex;
}

std::string Sha256(std::string_view bytes) {
  Hasher hasher;
  hasher.Update(bytes);
  return hasher.Finish();
}

std::string WeirHome() {
  if (const char* home = std::getenv("WEIR_HOME"); home != nullptr && *home != '\0') return home;
  // The XDG rules ignore a relative folder.
  if (const char* data = std::getenv("XDG_DATA_HOME"); data != nullptr && *data == '/') {
    return absl::StrCat(data, "/weir");
  }
  std::string home;
  if (const char* value = std::getenv("HOME"); value != nullptr && *value != '\0') {
    home = value;
  } else {
    struct passwd entry;
    struct passwd* found = nullptr;
    std::array<char, 4096> buffer;
    ::getpwuid_r(::getuid(), &entry, buffer.data(), buffer.size(), &found);
    home = found != nullptr ? found->pw_dir : ".";
  }
  return absl::StrCat(home, "/.local/share/weir");
}

}  // namespace weir
