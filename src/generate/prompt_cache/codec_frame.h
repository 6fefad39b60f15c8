// What the forms of the codec share: the layout of a chunk's bytes (docs/formats/prompt.md), checks
// of everything that comes from outside, and the split over threads.
//
// A part is the keys or the values of one layer: part 2 * layer is its keys, 2 * layer + 1 its
// values. Channels of a part are padded to whole rows of sixteen lanes.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "generate/prompt_cache/kv_codec.h"
#include "generate/prompt_cache/packed_bytes.h"
#include "tensor/rans.h"

namespace weir::generate {

enum class CodecForm : uint32_t { kDelta = 1, kRepository = 2 };

inline constexpr int kLanes = tensor::kRansLanes;
inline constexpr int kSymbolBits = 6;
inline constexpr int kEscape = (1 << kSymbolBits) - 1;  // a number too large for a symbol
inline constexpr int kCentre = 31;                      // the symbol of 0

inline size_t PaddedWidth(const KvCodecShape& s) {
  return (static_cast<size_t>(s.width()) + kLanes - 1) / kLanes * kLanes;
}

// kInvalidArgument unless the sizes are positive and within the limits that KvCodecFit states.
absl::Status CheckShape(const KvCodecShape& shape);
// kInvalidArgument unless 1 <= tokens <= kCodecTokens and all values are finite.
absl::Status CheckRows(const KvCodecShape& shape, int tokens, const float* k, const float* v);

class CodecFrame : public KvCodec {
 public:
  CodecFrame(CodecForm form, const KvCodecShape& shape) : form_(form), shape_(shape) {}
  const KvCodecShape& shape() const override { return shape_; }
  absl::StatusOr<std::string> Encode(int level, int tokens, const float* k, const float* v,
                                     Threads* threads) const override;
  absl::Status Decode(std::string_view bytes, int tokens, float* k, float* v,
                      Threads* threads) const override;
  absl::Status DecodeLayer(std::string_view bytes, int layer, int tokens, float* k,
                           float* v) const override;
  std::string Save(int level) const override;

 protected:
  virtual bool HasLevel(int level) const = 0;
  // x: [tokens][width]. The frame has checked level, tokens and values.
  virtual std::string EncodePart(int level, size_t part, int tokens, const float* x) const = 0;
  virtual absl::Status DecodePart(int level, size_t part, int tokens, std::string_view bytes,
                                  float* x) const = 0;
  virtual void SaveTables(int level, std::string& out) const = 0;

 private:
  CodecForm form_;
  KvCodecShape shape_;
};

// The numbers of a group of sixteen channels on their way through the entropy coder: those that no
// symbol stands for are written beside it, in the order of decoding.
class GroupWriter {
 public:
  // numbers: [rows][16], symbol = number + centre where the distribution of the lane has it.
  void Add(const class ChannelModels& models, size_t first_channel, int centre,
           std::span<const int32_t> numbers);
  // u32 count, i16 escaped numbers, the entropy coder's stream.
  void AppendTo(std::string& out);

 private:
  tensor::RansEncoder encoder_;
  std::vector<int16_t> escaped_;
};

class GroupReader {
 public:
  // kDataLoss. `bytes` must outlive it and are read to their end.
  static absl::StatusOr<GroupReader> Open(std::string_view bytes);
  // numbers: [rows][16] as f32, which holds them exactly.
  absl::Status Read(const class ChannelModels& models, size_t first_channel, int centre,
                    size_t rows, float* numbers);
  absl::Status Finish() const;

 private:
  explicit GroupReader(tensor::RansDecoder decoder) : decoder_(decoder) {}
  tensor::RansDecoder decoder_;
  std::vector<int16_t> escaped_;
  size_t next_ = 0;
  std::vector<uint8_t> symbols_;
};

}  // namespace weir::generate
