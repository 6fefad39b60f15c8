// Lines of a text file, plain or Zstandard, read as a stream: memory stays at the longest line,
// whatever the file says of itself. Used for corpora, which may be larger than memory.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace weir::evaluate {

struct LineLimits {
  uint64_t line_bytes = uint64_t{16} << 20;   // of one line
  uint64_t total_bytes = uint64_t{64} << 30;  // after decompression
};

// Thread-compatible.
class LineReader {
 public:
  // Opens `path`, or `path`.zst if only that exists. kNotFound names both.
  static absl::StatusOr<std::unique_ptr<LineReader>> Open(const std::string& path,
                                                          const LineLimits& limits = {});
  // Reads bytes that the caller keeps; `name` is for messages. Compressed bytes are known by their
  // magic number.
  static std::unique_ptr<LineReader> OverBytes(std::string name, std::span<const std::byte> bytes,
                                               const LineLimits& limits = {});
  virtual ~LineReader() = default;

  // The next line without its line end (\n or \r\n); false at the end of the file.
  // kDataLoss for a damaged frame, kResourceExhausted above a limit; both name file and line.
  virtual absl::StatusOr<bool> Next(std::string& line) = 0;
  // "corpus.jsonl.zst:17" of the line last read.
  virtual std::string Where() const = 0;
};

}  // namespace weir::evaluate
