#include "index/segment/segment_file.h"

#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace weir::index {
namespace {

static_assert(std::endian::native == std::endian::little, "segment files are little-endian images");

constexpr char kMagic[8] = {'W', 'E', 'I', 'R', 'S', 'E', 'G', '\n'};
constexpr size_t kBufferBytes = size_t{1} << 20;

uint64_t HeaderChecksum(const SegmentHeader& header) {
  return XXH3_64bits(&header, offsetof(SegmentHeader, checksum));
}

}  // namespace

std::string_view SegmentKindName(SegmentKind kind) {
  switch (kind) {
    case SegmentKind::kLexical: return "lexical";
    case SegmentKind::kVector:
    case SegmentKind::kVectorBeside: return "vector";
    case SegmentKind::kText: return "text";
    case SegmentKind::kSparse: return "sparse";
    case SegmentKind::kTenants: return "tenants";
    case SegmentKind::kMulti: return "multi";
  }
  return "unknown";
}

absl::Status SegmentFile::CheckHeader(std::span<const std::byte> bytes, SegmentKind kind,
                                      int section_count, int older_count) {
  if (bytes.size() < sizeof(SegmentHeader)) {
    return absl::DataLossError(absl::StrCat(
        path_, ": ", bytes.size(), " bytes; expected a segment header of ", sizeof(SegmentHeader)));
  }
  std::memcpy(&header_, bytes.data(), sizeof(header_));
  if (std::memcmp(header_.magic, kMagic, sizeof(kMagic)) != 0) {
    return absl::DataLossError(
        absl::StrCat(path_, ": no segment file (magic at offset 0 differs)"));
  }
  if (header_.version != kSegmentVersion) {
    return absl::UnimplementedError(absl::StrCat(
        path_, ": segment format version ", header_.version, "; this build reads version ",
        kSegmentVersion, ": use the weir that wrote it, or remove the store and index again"));
  }
  if (HeaderChecksum(header_) != header_.checksum) {
    return absl::DataLossError(absl::StrCat(path_, ": header checksum at offset ",
                                            offsetof(SegmentHeader, checksum), " does not match"));
  }
  if (header_.kind != static_cast<uint32_t>(kind)) {
    return absl::DataLossError(absl::StrCat(path_, ": segment kind ", header_.kind, "; expected ",
                                            SegmentKindName(kind)));
  }
  if (header_.file_size != bytes.size()) {
    return absl::DataLossError(
        absl::StrCat(path_, ": ", bytes.size(), " bytes; expected ", header_.file_size));
  }
  if (older_count != 0 && header_.section_count == static_cast<uint32_t>(older_count))
    section_count = older_count;
  if (header_.section_count != static_cast<uint32_t>(section_count)) {
    return absl::DataLossError(
        absl::StrCat(path_, ": ", header_.section_count, " sections; expected ", section_count,
                     "; written by another version of Weir? Index again into a new store"));
  }
  uint64_t end = sizeof(SegmentHeader);
  for (int i = 0; i < section_count; ++i) {
    const SegmentSection& s = header_.sections[i];
    if (s.offset < end || s.offset % kSegmentAlignment != 0 || s.offset > bytes.size() ||
        s.size > bytes.size() - s.offset) {
      return Damaged(i, s.offset,
                     absl::StrCat("section of ", s.size, " bytes does not fit the file"));
    }
    end = s.offset + s.size;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const SegmentFile>> SegmentFile::FromBytes(
    std::span<const std::byte> bytes, std::string name, SegmentKind kind, int section_count,
    int older_count) {
  auto file = std::make_shared<SegmentFile>();
  file->path_ = std::move(name);
  WEIR_RETURN_IF_ERROR(file->CheckHeader(bytes, kind, section_count, older_count));
  file->data_ = reinterpret_cast<const uint8_t*>(bytes.data());
  return file;
}

absl::StatusOr<std::shared_ptr<const SegmentFile>> SegmentFile::Open(const std::string& path,
                                                                     SegmentKind kind,
                                                                     int section_count,
                                                                     int older_count) {
  WEIR_ASSIGN_OR_RETURN(std::shared_ptr<const MappedFile> map, MappedFile::Open(path));
  auto file = std::make_shared<SegmentFile>();
  file->path_ = path;
  WEIR_RETURN_IF_ERROR(file->CheckHeader(map->bytes(), kind, section_count, older_count));
  file->data_ = reinterpret_cast<const uint8_t*>(map->bytes().data());
  file->map_ = std::move(map);
  return file;
}

absl::Status SegmentFile::Damaged(int section, uint64_t offset, std::string_view what) const {
  return absl::DataLossError(
      absl::StrCat(path_, ": section ", section, " at offset ", offset, ": ", what));
}

absl::Status SegmentFile::Verify() const {
  // No checksum covers what stands between the sections and behind the last.
  const auto zero = [&](uint64_t begin, uint64_t end) {
    return std::all_of(data_ + begin, data_ + end, [](uint8_t byte) { return byte == 0; });
  };
  uint64_t end = sizeof(SegmentHeader);
  for (uint32_t i = 0; i < header_.section_count; ++i) {
    std::span<const uint8_t> bytes = section(i);
    if (!zero(end, header_.sections[i].offset))
      return Damaged(i, end, "bytes before it are not zero");
    end = header_.sections[i].offset + header_.sections[i].size;
    if (XXH3_64bits(bytes.data(), bytes.size()) != header_.sections[i].checksum) {
      return Damaged(i, header_.sections[i].offset, "checksum does not match");
    }
  }
  if (!zero(end, header_.file_size)) {
    return absl::DataLossError(
        absl::StrCat(path_, ": bytes behind the last section, offset ", end, ", are not zero"));
  }
  return absl::OkStatus();
}

struct SegmentWriter::Hasher {
  XXH3_state_t* state = XXH3_createState();
  ~Hasher() { XXH3_freeState(state); }
};

absl::StatusOr<std::unique_ptr<SegmentWriter>> SegmentWriter::Create(const std::string& folder,
                                                                     std::string name,
                                                                     SegmentKind kind) {
  auto writer = std::unique_ptr<SegmentWriter>(new SegmentWriter());
  writer->folder_ = folder;
  writer->tmp_path_ = absl::StrCat(folder, "/", name, ".tmp");
  writer->name_ = std::move(name);
  writer->hasher_ = std::make_unique<Hasher>();
  writer->fd_ = ::open(writer->tmp_path_.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
  if (writer->fd_ < 0) return ErrnoStatus(errno, writer->tmp_path_);
  std::memcpy(writer->header_.magic, kMagic, sizeof(kMagic));
  writer->header_.version = kSegmentVersion;
  writer->header_.kind = static_cast<uint32_t>(kind);
  writer->buffer_.reserve(kBufferBytes + kSegmentAlignment);
  writer->buffer_.assign(sizeof(SegmentHeader), '\0');  // written over by Commit
  writer->offset_ = sizeof(SegmentHeader);
  return writer;
}

SegmentWriter::~SegmentWriter() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(tmp_path_.c_str());
}

absl::Status SegmentWriter::Flush() {
  size_t done = 0;
  while (done < buffer_.size()) {
    ssize_t n = ::write(fd_, buffer_.data() + done, buffer_.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, tmp_path_);
    done += static_cast<size_t>(n);
  }
  buffer_.clear();
  return absl::OkStatus();
}

absl::Status SegmentWriter::EndSection() {
  if (!in_section_) return absl::OkStatus();
  SegmentSection& s = header_.sections[header_.section_count - 1];
  s.size = offset_ - s.offset;
  s.checksum = XXH3_64bits_digest(hasher_->state);
  in_section_ = false;
  size_t padding = (kSegmentAlignment - offset_ % kSegmentAlignment) % kSegmentAlignment;
  buffer_.append(padding, '\0');
  offset_ += padding;
  return absl::OkStatus();
}

absl::Status SegmentWriter::BeginSection() {
  WEIR_RETURN_IF_ERROR(EndSection());
  if (header_.section_count == kMaxSections) return absl::InternalError("too many sections");
  header_.sections[header_.section_count++].offset = offset_;
  XXH3_64bits_reset(hasher_->state);
  in_section_ = true;
  return absl::OkStatus();
}

absl::Status SegmentWriter::Append(std::span<const uint8_t> bytes) {
  if (bytes.empty()) return absl::OkStatus();
  XXH3_64bits_update(hasher_->state, bytes.data(), bytes.size());
  offset_ += bytes.size();
  while (!bytes.empty()) {
    size_t n = std::min(bytes.size(), kBufferBytes);
    buffer_.append(reinterpret_cast<const char*>(bytes.data()), n);
    bytes = bytes.subspan(n);
    if (buffer_.size() >= kBufferBytes) WEIR_RETURN_IF_ERROR(Flush());
  }
  return absl::OkStatus();
}

absl::StatusOr<SegmentInfo> SegmentWriter::Commit() {
  WEIR_RETURN_IF_ERROR(EndSection());
  WEIR_RETURN_IF_ERROR(Flush());
  header_.file_size = offset_;
  header_.checksum = HeaderChecksum(header_);
  const char* image = reinterpret_cast<const char*>(&header_);
  size_t done = 0;
  while (done < sizeof(header_)) {
    ssize_t n = ::pwrite(fd_, image + done, sizeof(header_) - done, static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, tmp_path_);
    done += static_cast<size_t>(n);
  }
  if (::fsync(fd_) != 0) return ErrnoStatus(errno, absl::StrCat("fsync ", tmp_path_));
  std::string path = absl::StrCat(folder_, "/", name_);
  if (::rename(tmp_path_.c_str(), path.c_str()) != 0) return ErrnoStatus(errno, path);
  ::close(fd_);
  fd_ = -1;
  return SegmentInfo{name_, static_cast<SegmentKind>(header_.kind), header_.checksum,
                     header_.file_size, header_.rows};
}

}  // namespace weir::index
