#include "index/texts/text_segment.h"

#include <xxhash.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace weir::index {
namespace {

enum { kFramesSection, kFrameIndexSection, kTextSections };
constexpr int kStreamBytesParam = 0;
constexpr int kLevel = 3;
constexpr size_t kIndexEntryBytes = 16;

}  // namespace

absl::StatusOr<std::shared_ptr<const TextSegment>> TextSegment::Open(const std::string& path) {
  WEIR_ASSIGN_OR_RETURN(auto file, SegmentFile::Open(path, SegmentKind::kText, kTextSections));
  return FromFile(std::move(file));
}

absl::StatusOr<std::shared_ptr<const TextSegment>> TextSegment::FromFile(
    std::shared_ptr<const SegmentFile> file) {
  auto segment = std::make_shared<TextSegment>();
  segment->size_ = file->param(kStreamBytesParam);
  segment->frames_ = segment->size_ / kFrameBytes + (segment->size_ % kFrameBytes != 0);
  if (file->section(kFrameIndexSection).size() % kIndexEntryBytes != 0 ||
      file->section(kFrameIndexSection).size() / kIndexEntryBytes != segment->frames_) {
    return file->Damaged(kFrameIndexSection, file->section_offset(kFrameIndexSection),
                         "size does not match the stream");
  }
  segment->file_ = std::move(file);
  return segment;
}

// Replaces `out` by the frame's bytes.
absl::Status TextSegment::Frame(uint64_t number, std::string& out) const {
  const uint8_t* index = file_->section(kFrameIndexSection).data();
  uint64_t begin = 0, entry[2];
  if (number > 0) std::memcpy(&begin, index + (number - 1) * kIndexEntryBytes, sizeof(begin));
  std::memcpy(entry, index + number * kIndexEntryBytes, sizeof(entry));
  const std::span<const uint8_t> frames = file_->section(kFramesSection);
  if (begin > entry[0] || entry[0] > frames.size()) {
    return file_->Damaged(kFrameIndexSection, number * kIndexEntryBytes,
                          "frame passes the section");
  }
  const uint8_t* packed = frames.data() + begin;
  const size_t packed_size = entry[0] - begin;
  if (XXH3_64bits(packed, packed_size) != entry[1]) {
    return file_->Damaged(kFramesSection, begin,
                          absl::StrCat("checksum of frame ", number, " does not match"));
  }
  const size_t expected = std::min<uint64_t>(kFrameBytes, size_ - number * kFrameBytes);
  out.resize(expected);
  const size_t got = ZSTD_decompress(out.data(), expected, packed, packed_size);
  if (ZSTD_isError(got) || got != expected) {
    return file_->Damaged(kFramesSection, begin,
                          absl::StrCat("frame ", number, " does not decompress"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const std::string>> TextSegment::CachedFrame(uint64_t number) const {
  {
    std::lock_guard lock(mutex_);
    if (!cache_.empty() && cache_[number % cache_.size()].number == number)
      return cache_[number % cache_.size()].bytes;
  }
  auto frame = std::make_shared<std::string>();
  WEIR_RETURN_IF_ERROR(Frame(number, *frame));
  std::shared_ptr<const std::string> bytes = std::move(frame);
  std::lock_guard lock(mutex_);
  if (cache_.empty()) cache_.resize(std::min<uint64_t>(kCachedFrames, frames_));
  cache_[number % cache_.size()] = {number, bytes};
  return bytes;
}

absl::StatusOr<std::string> TextSegment::Read(uint64_t start, uint64_t size) const {
  if (start > size_ || size > size_ - start) {
    return file_->Damaged(kFramesSection, start,
                          absl::StrCat("range of ", size, " bytes passes the stream"));
  }
  std::string text;
  while (size > 0) {
    const uint64_t number = start / kFrameBytes, offset = start % kFrameBytes;
    // `text` grows only by bytes that are there
    WEIR_ASSIGN_OR_RETURN(const auto frame, CachedFrame(number));
    const size_t n = std::min<uint64_t>(size, frame->size() - offset);
    text.append(*frame, offset, n);
    start += n;
    size -= n;
  }
  return text;
}

absl::Status TextSegment::Check() const {
  std::string frame;
  for (uint64_t i = 0; i < frames_; ++i) WEIR_RETURN_IF_ERROR(Frame(i, frame));
  return absl::OkStatus();
}

struct TextSegmentWriter::Compressor {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ~Compressor() { ZSTD_freeCCtx(context); }
};

TextSegmentWriter::~TextSegmentWriter() = default;

absl::StatusOr<std::unique_ptr<TextSegmentWriter>> TextSegmentWriter::Create(
    const std::string& folder, std::string name) {
  auto writer = std::unique_ptr<TextSegmentWriter>(new TextSegmentWriter());
  WEIR_ASSIGN_OR_RETURN(writer->writer_,
                        SegmentWriter::Create(folder, std::move(name), SegmentKind::kText));
  WEIR_RETURN_IF_ERROR(writer->writer_->BeginSection());
  writer->compressor_ = std::make_unique<Compressor>();
  if (writer->compressor_->context == nullptr)
    return absl::ResourceExhaustedError("no memory for a compressor");
  writer->packed_.resize(ZSTD_compressBound(kFrameBytes));
  return writer;
}

absl::Status TextSegmentWriter::FlushFrame() {
  const size_t n = ZSTD_compressCCtx(compressor_->context, packed_.data(), packed_.size(),
                                     frame_.data(), frame_.size(), kLevel);
  if (ZSTD_isError(n))
    return absl::InternalError(absl::StrCat("compressing a text: ", ZSTD_getErrorName(n)));
  WEIR_RETURN_IF_ERROR(writer_->Append(std::string_view(packed_.data(), n)));
  packed_size_ += n;
  index_.push_back(packed_size_);
  index_.push_back(XXH3_64bits(packed_.data(), n));
  frame_.clear();
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> TextSegmentWriter::Add(std::string_view text) {
  const uint64_t start = size_;
  size_ += text.size();
  while (!text.empty()) {
    const size_t n = std::min(text.size(), kFrameBytes - frame_.size());
    frame_.append(text.substr(0, n));
    text.remove_prefix(n);
    if (frame_.size() == kFrameBytes) WEIR_RETURN_IF_ERROR(FlushFrame());
  }
  return start;
}

absl::StatusOr<SegmentInfo> TextSegmentWriter::Commit() {
  if (!frame_.empty()) WEIR_RETURN_IF_ERROR(FlushFrame());
  WEIR_RETURN_IF_ERROR(writer_->BeginSection());
  WEIR_RETURN_IF_ERROR(writer_->AppendArray<uint64_t>(index_));
  writer_->set_param(kStreamBytesParam, size_);
  return writer_->Commit();
}

}  // namespace weir::index
