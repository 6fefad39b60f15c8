// The container that all segment files share: a fixed header, then sections aligned to 64 bytes,
// each with an XXH3 checksum. Immutable once committed. Format page: docs/formats/store.md.
//
// Opening checks the header's checksum, the version and that every section lies inside the file;
// Verify() reads everything. What a section means is the business of its reader, which treats the
// bytes as hostile: a good checksum only shows that the bytes are what somebody wrote.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/files.h"

namespace weir::index {

enum class SegmentKind : uint32_t {
  kLexical = 1, kVector = 2, kText = 3, kSparse = 4, kMulti = 5, kTenants = 6,
  kVectorBeside = 7  // in the catalogue alone: a vector segment of another encoder
};
std::string_view SegmentKindName(SegmentKind kind);

inline constexpr uint32_t kSegmentVersion = 1;
inline constexpr int kMaxSections = 8;
inline constexpr int kMaxParams = 8;
inline constexpr size_t kSegmentAlignment = 64;

struct SegmentSection {
  uint64_t offset = 0, size = 0, checksum = 0;
};

// Little-endian image of the first 512 bytes of a file.
struct SegmentHeader {
  char magic[8];  // "WEIRSEG\n"
  uint32_t version;
  uint32_t kind;
  uint64_t file_size;
  uint64_t rows;
  uint32_t section_count;
  uint32_t reserved;
  uint64_t params[kMaxParams];
  SegmentSection sections[kMaxSections];
  uint8_t padding[512 - 8 - 8 - 16 - 8 - 8 * kMaxParams - 24 * kMaxSections - 8];
  // XXH3 of the bytes before; it covers the sections' checksums, hence the whole file
  uint64_t checksum;
};
static_assert(sizeof(SegmentHeader) == 512);

// Thread-safe.
class SegmentFile {
 public:
  // kDataLoss for damaged bytes, kUnimplemented for another version or kind, kNotFound.
  // `older_count`: of files that an older weir wrote; 0 when there was none.
  static absl::StatusOr<std::shared_ptr<const SegmentFile>> Open(const std::string& path,
                                                                 SegmentKind kind,
                                                                 int section_count,
                                                                 int older_count = 0);
  // The same over bytes the caller keeps alive (fuzzing and tests).
  static absl::StatusOr<std::shared_ptr<const SegmentFile>> FromBytes(
      std::span<const std::byte> bytes, std::string name, SegmentKind kind, int section_count,
      int older_count = 0);
  const std::string& path() const { return path_; }
  uint64_t rows() const { return header_.rows; }
  uint64_t param(int i) const { return header_.params[i]; }
  int section_count() const { return static_cast<int>(header_.section_count); }
  uint64_t bytes() const { return header_.file_size; }
  uint64_t checksum() const { return header_.checksum; }
  uint64_t section_offset(int i) const { return header_.sections[i].offset; }
  std::span<const uint8_t> section(int i) const {
    return {data_ + header_.sections[i].offset, static_cast<size_t>(header_.sections[i].size)};
  }
  // Compares every section with its checksum; the message names file, section and offset.
  absl::Status Verify() const;
  // kDataLoss "path: section at offset N: what".
  absl::Status Damaged(int section, uint64_t offset, std::string_view what) const;

 private:
  absl::Status CheckHeader(std::span<const std::byte> bytes, SegmentKind kind, int section_count,
                           int older_count);

  std::string path_;
  SegmentHeader header_;
  const uint8_t* data_ = nullptr;
  std::shared_ptr<const MappedFile> map_;
};

// What the catalogue notes about a committed file.
struct SegmentInfo {
  std::string name;
  SegmentKind kind = SegmentKind::kLexical;
  uint64_t checksum = 0, bytes = 0, rows = 0;
};

// Writes NAME.tmp, section after section; Commit adds the header, fsyncs and renames to NAME. The
// folder's entry is made durable by the caller (SyncFolder), once for several files. Destroyed
// before Commit: no file is left. Not thread-safe.
class SegmentWriter {
 public:
  static absl::StatusOr<std::unique_ptr<SegmentWriter>> Create(const std::string& folder,
                                                               std::string name, SegmentKind kind);
  ~SegmentWriter();
  absl::Status BeginSection();
  absl::Status Append(std::span<const uint8_t> bytes);
  template <class T>
  absl::Status AppendArray(std::span<const T> values) {
    return Append({reinterpret_cast<const uint8_t*>(values.data()), values.size_bytes()});
  }
  absl::Status Append(std::string_view bytes) {
    return Append({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
  }
  void set_rows(uint64_t rows) { header_.rows = rows; }
  void set_param(int i, uint64_t value) { header_.params[i] = value; }
  absl::StatusOr<SegmentInfo> Commit();

 private:
  SegmentWriter() = default;
  absl::Status Flush();
  absl::Status EndSection();

  struct Hasher;
  std::string folder_, name_, tmp_path_, buffer_;
  SegmentHeader header_{};
  uint64_t offset_ = 0;  // of the next byte in the file, buffered ones included
  int fd_ = -1;
  bool in_section_ = false;
  std::unique_ptr<Hasher> hasher_;
};

}  // namespace weir::index
