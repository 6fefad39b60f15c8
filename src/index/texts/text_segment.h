// Document texts in one file: a stream of bytes cut into frames of 32 KiB, each compressed
// (Zstandard) and checksummed on its own, so that a passage of a long document costs one or two
// frames. Which bytes belong to which document is in the catalogue. Format page:
// docs/formats/text-segment.md. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "index/segment/segment_file.h"

namespace weir::index {

inline constexpr size_t kFrameBytes = 32768;

class TextSegment {
 public:
  static absl::StatusOr<std::shared_ptr<const TextSegment>> Open(const std::string& path);
  static absl::StatusOr<std::shared_ptr<const TextSegment>> FromFile(
      std::shared_ptr<const SegmentFile> file);

  const SegmentFile& file() const { return *file_; }
  uint64_t size() const { return size_; }  // of the stream
  // kDataLoss when the range or a frame is bad.
  absl::StatusOr<std::string> Read(uint64_t start, uint64_t size) const;
  absl::Status Check() const;  // every frame

 private:
  absl::Status Frame(uint64_t number, std::string& out) const;
  absl::StatusOr<std::shared_ptr<const std::string>> CachedFrame(uint64_t number) const;

  std::shared_ptr<const SegmentFile> file_;
  uint64_t size_ = 0, frames_ = 0;
  // Frames lately read, slot = number mod kCachedFrames: hits of one query lie close together.
  static constexpr size_t kCachedFrames = 256;
  struct Slot {
    uint64_t number = ~uint64_t{0};
    std::shared_ptr<const std::string> bytes;
  };
  mutable std::mutex mutex_;
  mutable std::vector<Slot> cache_;  // under mutex_
};

class TextSegmentWriter {
 public:
  static absl::StatusOr<std::unique_ptr<TextSegmentWriter>> Create(const std::string& folder,
                                                                   std::string name);
  ~TextSegmentWriter();
  // Where the text begins in the stream.
  absl::StatusOr<uint64_t> Add(std::string_view text);
  void set_rows(uint64_t documents) { writer_->set_rows(documents); }
  absl::StatusOr<SegmentInfo> Commit();

 private:
  struct Compressor;
  TextSegmentWriter() = default;
  absl::Status FlushFrame();

  std::unique_ptr<SegmentWriter> writer_;
  std::unique_ptr<Compressor> compressor_;
  std::string frame_, packed_;
  std::vector<uint64_t> index_;  // end offset and checksum of each frame
  uint64_t size_ = 0, packed_size_ = 0;
};

}  // namespace weir::index
