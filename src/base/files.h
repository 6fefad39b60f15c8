// Files: mapped read-only, read whole under a limit, written atomically and durably.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace weir {

// A read-only private mapping of a whole regular file. Thread-safe once opened. Empty files map to
// {}.
class MappedFile {
 public:
  static absl::StatusOr<std::shared_ptr<const MappedFile>> Open(const std::string& path);
  ~MappedFile();
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }
  // Gives the memory of the whole pages inside `part` back; reading them again reads the file.
  // kInvalidArgument when `part` does not lie in bytes().
  absl::Status Release(std::span<const std::byte> part) const;

 private:
  MappedFile() = default;
  std::string path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// Reads at most `limit` bytes; a longer file is kResourceExhausted, before anything is allocated.
absl::StatusOr<std::string> ReadFile(const std::string& path, uint64_t limit = uint64_t{1} << 30);

// Writes path.tmp.<thread>, fsyncs it, renames it over `path`, fsyncs the folder: after a crash the
// file is the old one or the new one, never a mixture.
absl::Status WriteFileAtomic(const std::string& path, std::string_view bytes);

// Makes a folder and its parents, durably; an existing one is fine. SyncFolder fsyncs its entries.
absl::Status MakeFolders(const std::string& path);
absl::Status SyncFolder(const std::string& path);

// Lower-case hex SHA-256 of a file (streamed) or of bytes.
absl::StatusOr<std::string> Sha256File(const std::string& path);
std::string Sha256(std::string_view bytes);

// $WEIR_HOME, else $XDG_DATA_HOME/weir, else ~/.local/share/weir: models and libraries live below
// it.
std::string WeirHome();

}  // namespace weir
