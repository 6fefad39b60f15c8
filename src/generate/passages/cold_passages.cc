#include "generate/passages/cold_passages.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/status.h"
#include "generate/passages/passage_store.h"
#include "generate/prompt_cache/cachegen.h"
#include "tensor/attention.h"
#include "tensor/ops.h"

namespace weir::generate {
namespace {

constexpr uint64_t kMaxTableBytes = uint64_t{256} << 20;

std::string TablesPath(const std::string& folder) { return absl::StrCat(folder, "/", kTablesFile); }

KvCodecShape CodecShape(const KvShape& s) { return {s.layers, s.kv_heads, s.head_dim}; }

// Moves the keys of one token of a layer.
void Turn(const model::Decoder::KeyMove& move, const KvShape& shape, float* k) {
  for (int h = 0; h < shape.kv_heads; ++h) {
    float* head = k + static_cast<size_t>(h) * shape.head_dim;
    if (move.halves) {
      tensor::RotaryHalves(head, move.cos_sin.data(), shape.head_dim);
    } else {
      tensor::RotaryInterleaved(head, move.cos_sin.data(), shape.head_dim);
    }
  }
  for (size_t i = 0; i < move.shift.size(); ++i) k[i] += move.shift[i];
}

}  // namespace

absl::StatusOr<PlacelessRows> ReadRows(const PassageFile& file, const PassageChunk& chunk,
                                       const KvShape& shape, const KvFormat& format,
                                       const model::Decoder& decoder) {
  const size_t width = size_t(shape.kv_heads) * shape.head_dim;
  const size_t block = format.BlockBytes(shape);
  PlacelessRows rows{chunk.tokens, {}, {}};
  rows.k.resize(shape.layers * chunk.tokens * width);
  rows.v.resize(rows.k.size());
  for (int l = 0; l < shape.layers; ++l) {
    WEIR_RETURN_IF_ERROR(file.Verify(l));
    const PassageLayer& layer = file.layer(l);
    for (int64_t t = std::max(chunk.first, layer.first); t < chunk.first + chunk.tokens; ++t) {
      const int64_t slot = t - layer.first;
      float* k = &rows.k[(l * chunk.tokens + t - chunk.first) * width];
      float* v = &rows.v[(l * chunk.tokens + t - chunk.first) * width];
      WEIR_RETURN_IF_ERROR(format.Read(layer.bytes.data() + slot / kBlockTokens * block,
                                       static_cast<int>(slot % kBlockTokens), k, v, shape));
      Turn(decoder.MoveKeys(l, -(file.header().position + t)), shape, k);
    }
  }
  return rows;
}

absl::StatusOr<ColdTables> ColdTables::Fit(
    std::span<const std::shared_ptr<const PassageFile>> files, const KvShape& shape,
    const KvFormat& format, const model::Decoder& decoder, Threads* threads) {
  std::unique_ptr<KvCodecFit> fit = MakeDeltaFit({});
  WEIR_RETURN_IF_ERROR(fit->Begin(CodecShape(shape)));
  for (const auto& file : files) {
    for (const PassageChunk& chunk : ChunksOf(static_cast<int64_t>(file->tokens().size()))) {
      WEIR_ASSIGN_OR_RETURN(const PlacelessRows rows,
                            ReadRows(*file, chunk, shape, format, decoder));
      WEIR_RETURN_IF_ERROR(
          fit->Add(static_cast<int>(rows.tokens), rows.k.data(), rows.v.data()));
    }
  }
  ColdTables tables;
  WEIR_ASSIGN_OR_RETURN(tables.codec_, fit->Finish(threads));
  tables.bytes_ = tables.codec_->Save(0);
  tables.checksum_ = XXH3_64bits(tables.bytes_.data(), tables.bytes_.size());
  return tables;
}

absl::StatusOr<ColdTables> ColdTables::Load(const std::string& folder, const KvShape& shape) {
  WEIR_ASSIGN_OR_RETURN(std::string bytes, ReadFile(TablesPath(folder), kMaxTableBytes));
  const auto damaged = [&](std::string_view why) {
    return absl::DataLossError(absl::StrCat(TablesPath(folder), ": ", why));
  };
  ColdTables tables;
  if (bytes.size() < sizeof(tables.checksum_)) return damaged("no checksum");
  std::memcpy(&tables.checksum_, bytes.data() + bytes.size() - sizeof(tables.checksum_),
              sizeof(tables.checksum_));
  bytes.resize(bytes.size() - sizeof(tables.checksum_));
  if (XXH3_64bits(bytes.data(), bytes.size()) != tables.checksum_) return damaged("checksum");
  WEIR_ASSIGN_OR_RETURN(tables.codec_, LoadKvCodec(bytes));
  if (!(tables.codec_->shape() == CodecShape(shape))) return damaged("of another model's shape");
  tables.bytes_ = std::move(bytes);
  return tables;
}

absl::Status ColdTables::Save(const std::string& folder) const {
  WEIR_RETURN_IF_ERROR(MakeFolders(folder));
  std::string bytes = bytes_;
  bytes.append(reinterpret_cast<const char*>(&checksum_), sizeof(checksum_));
  return WriteFileAtomic(TablesPath(folder), bytes);
}

absl::StatusOr<std::string> EncodeCold(const PassageFile& file, const ColdTables& tables, int level,
                                       const KvShape& shape, const KvFormat& format,
                                       const model::Decoder& decoder, Threads* threads) {
  std::vector<PassageChunk> chunks = ChunksOf(static_cast<int64_t>(file.tokens().size()));
  std::vector<std::string> bytes;
  bytes.reserve(chunks.size());
  for (PassageChunk& chunk : chunks) {
    WEIR_ASSIGN_OR_RETURN(const PlacelessRows rows, ReadRows(file, chunk, shape, format, decoder));
    WEIR_ASSIGN_OR_RETURN(std::string coded,
                          tables.codec().Encode(level, static_cast<int>(rows.tokens),
                                                rows.k.data(), rows.v.data(), threads));
    bytes.push_back(std::move(coded));
    chunk.bytes = bytes.back();
  }
  PassageHeader header = file.header();
  header.form = PassageForm::kCoded;
  header.tables = tables.checksum();
  return EncodeColdPassage(header, file.tokens(), chunks);
}

absl::Status PlaceCold(const PassageFile& file, const ColdTables& tables, int layer,
                       int64_t position, float gain, const KvShape& shape, const KvFormat& format,
                       const model::Decoder& decoder, std::span<std::byte* const> blocks) {
  const size_t width = size_t(shape.kv_heads) * shape.head_dim;
  std::vector<float> k(kCodecTokens * width), v(k.size());
  const auto n = static_cast<int64_t>(file.tokens().size());
  const int64_t window = shape.window(layer);
  const int64_t kept = window > 0 ? std::max<int64_t>(0, n - window) : 0;
  for (const PassageChunk& chunk : file.chunks()) {
    WEIR_RETURN_IF_ERROR(tables.codec().DecodeLayer(
        chunk.bytes, layer, static_cast<int>(chunk.tokens), k.data(), v.data()));
    for (int64_t t = std::max(kept, chunk.first); t < chunk.first + chunk.tokens; ++t) {
      const size_t row = static_cast<size_t>(t - chunk.first) * width;
      const int64_t at = position + t;
      model::Decoder::KeyMove move = decoder.MoveKeys(layer, at);
      for (float& factor : move.cos_sin) factor *= gain;
      Turn(move, shape, &k[row]);
      format.Write(blocks[at / kBlockTokens], static_cast<int>(at % kBlockTokens), &k[row], &v[row],
                   shape);
    }
  }
  return absl::OkStatus();
}

}  // namespace weir::generate
