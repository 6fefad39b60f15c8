// Writes a file piece by piece, so that afterwards it is there whole or not at all: the pieces go
// to path.tmp.<thread>, which Finish fsyncs and renames over `path` (then the folder is fsynced).
// Not thread-safe.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace weir {

class FileWriter {
 public:
  // Takes over the permissions of a file that is already there.
  static absl::StatusOr<std::unique_ptr<FileWriter>> Make(const std::string& path);
  // Without Finish nothing is left behind.
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  absl::Status Append(std::span<const std::byte> bytes);
  // Overwrites what was appended (a header that is known last). REQUIRES: offset + size <= size().
  absl::Status Patch(uint64_t offset, std::span<const std::byte> bytes);
  uint64_t size() const { return size_; }
  absl::Status Finish();

 private:
  explicit FileWriter(std::string path);

  std::string path_, temporary_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

}  // namespace weir
