#include "generate/prompt_cache/codec_frame.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "generate/prompt_cache/cachegen.h"
#include "generate/prompt_cache/channel_models.h"

namespace weir::generate {
namespace {

constexpr int kMaxLayers = 1024, kMaxWidth = 16384;
constexpr char kTablesMagic[] = "WEIRKVT\n";
constexpr uint32_t kTablesVersion = 1;
constexpr uint8_t kChunkVersion = 1;

// The frame of a chunk: version, level, tokens, sizes of the parts.
struct ChunkFrame {
  int level = 0;
  std::vector<std::string_view> parts;
};

absl::StatusOr<ChunkFrame> OpenChunk(std::string_view bytes, const KvCodecShape& shape,
                                     int tokens) {
  PackedReader reader(bytes);
  uint8_t version = 0, level = 0;
  uint16_t count = 0;
  std::vector<uint32_t> sizes;
  if (!reader.Number(version) || !reader.Number(level) || !reader.Number(count) ||
      !reader.Numbers(2 * static_cast<size_t>(shape.layers), sizes)) {
    return absl::DataLossError("codec chunk: cut before its parts");
  }
  if (version != kChunkVersion) {
    return absl::UnimplementedError(
        absl::StrCat("codec chunk: version ", version, "; this build reads ", kChunkVersion));
  }
  if (level < 1 || level > kCodecLevels || count != tokens) {
    return absl::DataLossError(absl::StrCat("codec chunk: level ", level, " of ", count,
                                            " tokens; expected ", tokens, " tokens"));
  }
  ChunkFrame frame;
  frame.level = level;
  for (size_t part = 0; part < sizes.size(); ++part) {
    if (!reader.Bytes(sizes[part], frame.parts.emplace_back())) {
      return absl::DataLossError(
          absl::StrCat("codec chunk: layer ", part / 2, " reaches beyond the end"));
    }
  }
  if (!reader.rest().empty()) {
    return absl::DataLossError(
        absl::StrCat("codec chunk: ", reader.rest().size(), " bytes after the last layer"));
  }
  return frame;
}

absl::Status OfLayer(const absl::Status& status, size_t part) {
  if (status.ok()) return status;
  return Annotate(status, absl::StrCat("layer ", part / 2, part % 2 == 0 ? " keys" : " values"));
}

}  // namespace

absl::Status CheckShape(const KvCodecShape& s) {
  if (s.layers > 0 && s.layers <= kMaxLayers && s.kv_heads > 0 && s.head_dim > 0 &&
      s.head_dim <= kMaxWidth && s.kv_heads <= kMaxWidth / s.head_dim) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("KV codec: ", s.layers, " layers of ", s.kv_heads,
                                                 " x ", s.head_dim, " channels"));
}

absl::Status CheckRows(const KvCodecShape& shape, int tokens, const float* k, const float* v) {
  if (tokens < 1 || tokens > kCodecTokens) {
    return absl::InvalidArgumentError(
        absl::StrCat("KV codec: ", tokens, " tokens; expected 1 to ", kCodecTokens));
  }
  const size_t count = static_cast<size_t>(shape.layers) * tokens * shape.width();
  const auto finite = [count](const float* x) {
    float zero = 0;
    for (size_t i = 0; i < count; ++i) zero += x[i] * 0.0f;
    return zero == 0.0f;
  };
  if (finite(k) && finite(v)) return absl::OkStatus();
  return absl::InvalidArgumentError("KV codec: a key or value is not finite");
}

absl::StatusOr<std::string> CodecFrame::Encode(int level, int tokens, const float* k,
                                               const float* v, Threads* threads) const {
  if (level < 1 || level > kCodecLevels || !HasLevel(level)) {
    return absl::InvalidArgumentError(
        absl::StrCat("KV codec: level ", level, "; expected 1 to ", kCodecLevels,
                     ", and one that its tables have"));
  }
  WEIR_RETURN_IF_ERROR(CheckRows(shape_, tokens, k, v));
  std::vector<std::string> parts(2 * static_cast<size_t>(shape_.layers));
  const size_t size = static_cast<size_t>(tokens) * shape_.width();
  ParallelFor(threads, parts.size(), 1, [&](size_t begin, size_t end, int) {
    for (size_t part = begin; part < end; ++part) {
      const float* x = (part % 2 == 0 ? k : v) + part / 2 * size;
      parts[part] = EncodePart(level, part, tokens, x);
    }
  });
  std::string out;
  AppendNumber(out, kChunkVersion);
  AppendNumber(out, static_cast<uint8_t>(level));
  AppendNumber(out, static_cast<uint16_t>(tokens));
  for (const std::string& part : parts) AppendNumber(out, static_cast<uint32_t>(part.size()));
  for (const std::string& part : parts) out += part;
  return out;
}

absl::Status CodecFrame::Decode(std::string_view bytes, int tokens, float* k, float* v,
                                Threads* threads) const {
  WEIR_ASSIGN_OR_RETURN(const ChunkFrame frame, OpenChunk(bytes, shape_, tokens));
  if (!HasLevel(frame.level)) {
    return absl::DataLossError(absl::StrCat("codec chunk: no tables of level ", frame.level));
  }
  const size_t size = static_cast<size_t>(tokens) * shape_.width();
  std::vector<absl::Status> status(frame.parts.size());
  ParallelFor(threads, frame.parts.size(), 1, [&](size_t begin, size_t end, int) {
    for (size_t part = begin; part < end; ++part) {
      float* x = (part % 2 == 0 ? k : v) + part / 2 * size;
      status[part] = DecodePart(frame.level, part, tokens, frame.parts[part], x);
    }
  });
  for (size_t part = 0; part < status.size(); ++part) {
    WEIR_RETURN_IF_ERROR(OfLayer(status[part], part));
  }
  return absl::OkStatus();
}

absl::Status CodecFrame::DecodeLayer(std::string_view bytes, int layer, int tokens, float* k,
                                     float* v) const {
  WEIR_ASSIGN_OR_RETURN(const ChunkFrame frame, OpenChunk(bytes, shape_, tokens));
  if (!HasLevel(frame.level)) {
    return absl::DataLossError(absl::StrCat("codec chunk: no tables of level ", frame.level));
  }
  const size_t part = 2 * static_cast<size_t>(layer);
  WEIR_RETURN_IF_ERROR(
      OfLayer(DecodePart(frame.level, part, tokens, frame.parts[part], k), part));
  return OfLayer(DecodePart(frame.level, part + 1, tokens, frame.parts[part + 1], v), part + 1);
}

std::string CodecFrame::Save(int level) const {
  std::string out(kTablesMagic, 8);
  AppendNumber(out, kTablesVersion);
  AppendNumber(out, static_cast<uint32_t>(form_));
  for (int size : {shape_.layers, shape_.kv_heads, shape_.head_dim}) {
    AppendNumber(out, static_cast<uint32_t>(size));
  }
  uint32_t levels = 0;
  for (int l = 1; l <= kCodecLevels; ++l) {
    if (HasLevel(l) && (level == 0 || level == l)) levels |= 1u << l;
  }
  AppendNumber(out, levels);
  SaveTables(level, out);
  return out;
}

absl::StatusOr<std::shared_ptr<const KvCodec>> LoadKvCodec(std::string_view bytes) {
  PackedReader reader(bytes);
  std::string_view magic;
  uint32_t version = 0, form = 0, sizes[3] = {}, levels = 0;
  if (!reader.Bytes(8, magic) || magic != std::string_view(kTablesMagic, 8)) {
    return absl::DataLossError("codec tables: no tables of Weir's");
  }
  if (!reader.Number(version) || !reader.Number(form) || !reader.Number(sizes[0]) ||
      !reader.Number(sizes[1]) || !reader.Number(sizes[2]) || !reader.Number(levels)) {
    return absl::DataLossError("codec tables: cut before the distributions");
  }
  if (version != kTablesVersion) {
    return absl::UnimplementedError(absl::StrCat("codec tables: version ", version,
                                                 "; this build reads ", kTablesVersion));
  }
  for (uint32_t size : sizes) {
    if (size > kMaxWidth) return absl::DataLossError("codec tables: a size beyond the limits");
  }
  const KvCodecShape shape{static_cast<int>(sizes[0]), static_cast<int>(sizes[1]),
                           static_cast<int>(sizes[2])};
  if (!CheckShape(shape).ok() || levels == 0 || (levels & ~0xeu) != 0) {
    return absl::DataLossError("codec tables: sizes or levels beyond the limits");
  }
  absl::StatusOr<std::shared_ptr<const KvCodec>> codec =
      form == static_cast<uint32_t>(CodecForm::kDelta) ? LoadDeltaCodec(shape, levels, reader)
      : form == static_cast<uint32_t>(CodecForm::kRepository)
          ? LoadRepositoryCodec(shape, levels, reader)
          : absl::UnimplementedError(absl::StrCat("codec tables: form ", form));
  WEIR_RETURN_IF_ERROR(codec.status());
  if (!reader.rest().empty()) return absl::DataLossError("codec tables: bytes after the end");
  return codec;
}

void GroupWriter::Add(const ChannelModels& models, size_t first_channel, int centre,
                      std::span<const int32_t> numbers) {
  const int escape = (1 << models.tables().symbol_bits()) - 1;
  for (size_t i = 0; i < numbers.size(); i += kLanes) {
    uint8_t symbols[kLanes];
    for (int lane = 0; lane < kLanes; ++lane) {
      const int symbol = numbers[i + lane] + centre;
      const bool fits = symbol >= 0 && symbol < escape &&
                        models.CanCode(first_channel + lane, static_cast<uint8_t>(symbol));
      symbols[lane] = static_cast<uint8_t>(fits ? symbol : escape);
      if (!fits) escaped_.push_back(static_cast<int16_t>(numbers[i + lane]));
    }
    encoder_.Add(models.tables(), models.Lanes(first_channel), symbols);
  }
}

void GroupWriter::AppendTo(std::string& out) {
  AppendNumber(out, static_cast<uint32_t>(escaped_.size()));
  AppendNumbers(out, std::span<const int16_t>(escaped_));
  out += encoder_.Finish();
  escaped_.clear();
}

absl::StatusOr<GroupReader> GroupReader::Open(std::string_view bytes) {
  PackedReader reader(bytes);
  uint32_t count = 0;
  std::vector<int16_t> escaped;
  if (!reader.Number(count) || !reader.Numbers(count, escaped)) {
    return absl::DataLossError("codec chunk: its escaped numbers are cut");
  }
  WEIR_ASSIGN_OR_RETURN(const auto decoder, tensor::RansDecoder::Open(reader.rest()));
  GroupReader group(decoder);
  group.escaped_ = std::move(escaped);
  return group;
}

absl::Status GroupReader::Read(const ChannelModels& models, size_t first_channel, int centre,
                               size_t rows, float* numbers) {
  const size_t count = rows * kLanes;
  symbols_.resize(std::max(symbols_.size(), count));
  uint8_t* const symbols = symbols_.data();
  WEIR_RETURN_IF_ERROR(
      decoder_.Decode(models.tables(), models.Lanes(first_channel), rows, symbols));
  for (size_t i = 0; i < count; ++i) numbers[i] = static_cast<float>(int{symbols[i]} - centre);
  const int escape = (1 << models.tables().symbol_bits()) - 1;
  const uint8_t* at = symbols;
  while ((at = static_cast<const uint8_t*>(
              std::memchr(at, escape, static_cast<size_t>(symbols + count - at)))) != nullptr) {
    if (next_ == escaped_.size()) {
      return absl::DataLossError("codec chunk: more escapes than escaped numbers");
    }
    numbers[at - symbols] = escaped_[next_++];
    ++at;
  }
  return absl::OkStatus();
}

absl::Status GroupReader::Finish() const {
  if (next_ != escaped_.size()) {
    return absl::DataLossError("codec chunk: escaped numbers are left");
  }
  return decoder_.Finish();
}

}  // namespace weir::generate
