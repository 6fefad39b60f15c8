#include "evaluate/lines.h"

#include <zstd.h>

#include <filesystem>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/status.h"

namespace weir::evaluate {
namespace {

constexpr uint32_t kZstdMagic = 0xFD2FB528;  // RFC 8878, section 3.1.1, little endian
constexpr int kWindowLog = 27;               // 128 MiB, the format's recommended limit

// Hands out the decompressed bytes piece by piece.
class Pieces {
 public:
  explicit Pieces(std::span<const std::byte> bytes) : bytes_(bytes) {
    compressed_ = bytes.size() >= 4 && std::to_integer<uint32_t>(bytes[0]) == (kZstdMagic & 0xFF) &&
                  std::to_integer<uint32_t>(bytes[1]) == ((kZstdMagic >> 8) & 0xFF) &&
                  std::to_integer<uint32_t>(bytes[2]) == ((kZstdMagic >> 16) & 0xFF) &&
                  std::to_integer<uint32_t>(bytes[3]) == (kZstdMagic >> 24);
    if (!compressed_) return;
    stream_.reset(ZSTD_createDStream());
    if (stream_) ZSTD_DCtx_setParameter(stream_.get(), ZSTD_d_windowLogMax, kWindowLog);
    buffer_.resize(ZSTD_DStreamOutSize());
  }

  // Empty at the end.
  absl::StatusOr<std::string_view> Next() {
    if (!compressed_) {
      const std::string_view all(reinterpret_cast<const char*>(bytes_.data()), bytes_.size());
      bytes_ = {};
      return all;
    }
    if (!stream_) return absl::ResourceExhaustedError("zstd: no memory for a stream");
    while (true) {
      ZSTD_inBuffer in{bytes_.data(), bytes_.size(), 0};
      ZSTD_outBuffer out{buffer_.data(), buffer_.size(), 0};
      const size_t state = ZSTD_decompressStream(stream_.get(), &out, &in);
      if (ZSTD_isError(state)) {
        return absl::DataLossError(absl::StrCat("zstd: ", ZSTD_getErrorName(state)));
      }
      // 0 says that a frame ended; without input it only asks for the next one.
      if (in.pos > 0 || state == 0) open_frame_ = state != 0;
      bytes_ = bytes_.subspan(in.pos);
      if (out.pos > 0) return std::string_view(buffer_.data(), out.pos);
      if (!bytes_.empty()) continue;
      if (open_frame_) return absl::DataLossError("zstd: the last frame is cut off");
      return std::string_view();
    }
  }

 private:
  struct Free {
    void operator()(ZSTD_DStream* stream) const { ZSTD_freeDStream(stream); }
  };
  std::span<const std::byte> bytes_;
  bool compressed_ = false;
  bool open_frame_ = false;
  std::unique_ptr<ZSTD_DStream, Free> stream_;
  std::vector<char> buffer_;
};

class PieceLineReader : public LineReader {
 public:
  PieceLineReader(std::string name, std::span<const std::byte> bytes, const LineLimits& limits,
                  std::shared_ptr<const MappedFile> file)
      : name_(std::move(name)), limits_(limits), file_(std::move(file)), pieces_(bytes) {}

  absl::StatusOr<bool> Next(std::string& line) override {
    line.clear();
    ++number_;
    bool any = false;
    while (true) {
      if (rest_.empty()) {
        absl::StatusOr<std::string_view> piece = pieces_.Next();
        if (!piece.ok()) return Annotate(piece.status(), Where());
        if (piece->empty()) break;
        rest_ = *piece;
      }
      any = true;
      const size_t end = rest_.find('\n');
      const std::string_view part = rest_.substr(0, end);
      WEIR_RETURN_IF_ERROR(Take(part.size() + 1, line.size() + part.size()));
      line.append(part);
      rest_.remove_prefix(std::min(rest_.size(), part.size() + (end == rest_.npos ? 0 : 1)));
      if (end != std::string_view::npos) break;
    }
    if (any && !line.empty() && line.back() == '\r') line.pop_back();
    return any;
  }

  std::string Where() const override { return absl::StrCat(name_, ":", number_); }

 private:
  absl::Status Take(uint64_t bytes, uint64_t line_bytes) {
    if (line_bytes > limits_.line_bytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat(Where(), ": line longer than ", limits_.line_bytes, " bytes"));
    }
    total_ += bytes;
    if (total_ > limits_.total_bytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat(Where(), ": more than ", limits_.total_bytes, " bytes of text"));
    }
    return absl::OkStatus();
  }

  std::string name_;
  LineLimits limits_;
  std::shared_ptr<const MappedFile> file_;  // owns the bytes, if anyone here does
  Pieces pieces_;
  std::string_view rest_;
  uint64_t number_ = 0, total_ = 0;
};

}  // namespace

std::unique_ptr<LineReader> LineReader::OverBytes(std::string name,
                                                  std::span<const std::byte> bytes,
                                                  const LineLimits& limits) {
  return std::make_unique<PieceLineReader>(std::move(name), bytes, limits, nullptr);
}

absl::StatusOr<std::unique_ptr<LineReader>> LineReader::Open(const std::string& path,
                                                             const LineLimits& limits) {
  for (const std::string& candidate : {path, absl::StrCat(path, ".zst")}) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(candidate, error)) continue;
    WEIR_ASSIGN_OR_RETURN(std::shared_ptr<const MappedFile> file, MappedFile::Open(candidate));
    const std::span<const std::byte> bytes = file->bytes();
    return std::make_unique<PieceLineReader>(candidate, bytes, limits, std::move(file));
  }
  return absl::NotFoundError(absl::StrCat(path, ": there is no such file, nor ", path, ".zst"));
}

}  // namespace weir::evaluate
