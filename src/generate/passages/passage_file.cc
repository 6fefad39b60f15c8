#include "generate/passages/passage_file.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "generate/prompt_cache/kv_codec.h"
#include "tensor/attention.h"

namespace weir::generate {
namespace {

static_assert(std::endian::native == std::endian::little);  // as the file

constexpr char kMagic[8] = {'W', 'E', 'I', 'R', 'P', 'K', 'V', '\n'};
constexpr uint32_t kVersion = 1;
constexpr size_t kAlignment = 64;
// Far beyond any model and passage; they keep products below 2^63.
constexpr uint32_t kMaxLayers = 512, kMaxHeads = 1024, kMaxHeadDim = 1024, kMaxTokens = 1 << 16;
constexpr int64_t kMaxPosition = 1 << 24;

struct Head {
  char magic[8];
  uint32_t version, form;
  uint8_t fingerprint[32];
  uint32_t layers, kv_heads, head_dim, tokens;
  int64_t position;
  uint64_t file_size, tables;
};
static_assert(sizeof(Head) == 88);

struct TableRow {
  uint64_t first, offset, size, checksum;
};

uint64_t Aligned(uint64_t n) { return (n + kAlignment - 1) / kAlignment * kAlignment; }

// Header, token ids padded to 8 bytes, table, checksum of all that.
uint64_t TableOffset(uint64_t tokens) { return sizeof(Head) + (4 * tokens + 7) / 8 * 8; }

uint64_t BlocksSize(const Head& h, uint64_t first) {
  const uint64_t blocks = (h.tokens - first + tensor::kKvBlockTokens - 1) / tensor::kKvBlockTokens;
  return blocks * tensor::KvBlockBytes(static_cast<int>(h.kv_heads), static_cast<int>(h.head_dim),
                                       tensor::KvStorage::kInt8);
}

bool IsBlocks(const Head& h) { return h.form == static_cast<uint32_t>(PassageForm::kBlocks); }

uint64_t TableRows(const Head& h) {
  return IsBlocks(h) ? h.layers : (h.tokens + kCodecTokens - 1) / kCodecTokens;
}

absl::Status CheckLimits(const Head& h) {
  const bool good = h.layers >= 1 && h.layers <= kMaxLayers && h.kv_heads >= 1 &&
                    h.kv_heads <= kMaxHeads && h.head_dim >= 32 && h.head_dim <= kMaxHeadDim &&
                    h.head_dim % 32 == 0 && h.tokens >= 1 && h.tokens <= kMaxTokens &&
                    h.position >= 0 && h.position <= kMaxPosition;
  if (good) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("header: ", h.layers, " layers, ", h.kv_heads,
                                          " heads of ", h.head_dim, ", ", h.tokens,
                                          " tokens at ", h.position, "; beyond the limits"));
}

}  // namespace

absl::StatusOr<std::shared_ptr<const PassageFile>> PassageFile::Open(const std::string& path) {
  WEIR_ASSIGN_OR_RETURN(auto map, MappedFile::Open(path));
  std::shared_ptr<PassageFile> file(new PassageFile());
  file->name_ = path;
  file->bytes_ = map->bytes();
  file->map_ = std::move(map);
  WEIR_RETURN_IF_ERROR(file->Parse());
  return std::shared_ptr<const PassageFile>(std::move(file));
}

absl::StatusOr<std::shared_ptr<const PassageFile>> PassageFile::FromBytes(
    std::span<const std::byte> bytes, std::string name) {
  std::shared_ptr<PassageFile> file(new PassageFile());
  file->name_ = std::move(name);
  file->bytes_ = bytes;
  WEIR_RETURN_IF_ERROR(file->Parse());
  return std::shared_ptr<const PassageFile>(std::move(file));
}

absl::Status PassageFile::Parse() {
  Head h;
  if (bytes_.size() < sizeof(h)) {
    return absl::DataLossError(absl::StrCat(name_, ": ", bytes_.size(), " bytes; no header"));
  }
  std::memcpy(&h, bytes_.data(), sizeof(h));
  if (std::memcmp(h.magic, kMagic, sizeof(kMagic)) != 0) {
    return absl::DataLossError(absl::StrCat(name_, ": not a passage's keys and values"));
  }
  if (h.version != kVersion || (h.form != 1 && h.form != 2)) {
    return absl::UnimplementedError(absl::StrCat(name_, ": version ", h.version, ", form ", h.form,
                                                 "; this build reads version ", kVersion,
                                                 ", forms 1 and 2"));
  }
  if (absl::Status limits = CheckLimits(h); !limits.ok()) return Annotate(limits, name_);
  const uint64_t rows = TableRows(h);
  const uint64_t table = TableOffset(h.tokens), end = table + sizeof(TableRow) * rows;
  if (h.file_size != bytes_.size() || end + sizeof(uint64_t) > bytes_.size()) {
    return absl::DataLossError(absl::StrCat(name_, ": ", bytes_.size(), " bytes; expected ",
                                            h.file_size, " with a table that ends at ", end));
  }
  uint64_t checksum;
  std::memcpy(&checksum, bytes_.data() + end, sizeof(checksum));
  if (checksum != XXH3_64bits(bytes_.data(), end)) {
    return absl::DataLossError(absl::StrCat(name_, ": header and table at offset 0: checksum"));
  }
  header_ = {static_cast<PassageForm>(h.form), {},         static_cast<int>(h.layers),
             static_cast<int>(h.kv_heads),     static_cast<int>(h.head_dim),
             h.position,                       h.tables};
  std::memcpy(header_.fingerprint.data(), h.fingerprint, sizeof(h.fingerprint));
  tokens_.resize(h.tokens);
  std::memcpy(tokens_.data(), bytes_.data() + sizeof(h), 4 * size_t{h.tokens});
  return ReadTable(table, rows, Aligned(end + sizeof(uint64_t)));
}

absl::Status PassageFile::ReadTable(uint64_t table, uint64_t rows, uint64_t payload) {
  Head h;
  std::memcpy(&h, bytes_.data(), sizeof(h));
  if (!IsBlocks(h)) chunks_ = ChunksOf(h.tokens);
  for (uint64_t r = 0; r < rows; ++r) {
    TableRow row;
    std::memcpy(&row, bytes_.data() + table + r * sizeof(row), sizeof(row));
    const bool inside = row.offset >= payload && row.offset % kAlignment == 0 &&
                        row.offset <= bytes_.size() && row.size <= bytes_.size() - row.offset;
    const bool fits =
        IsBlocks(h) ? row.first < h.tokens && row.size == BlocksSize(h, row.first)
                    : row.first == static_cast<uint64_t>(chunks_[r].first);
    if (!inside || !fits) {
      return absl::DataLossError(absl::StrCat(name_, ": part ", r, ": ", row.size,
                                              " bytes at offset ", row.offset, " from token ",
                                              row.first, " do not fit"));
    }
    parts_.push_back(bytes_.subspan(row.offset, row.size));
    checksums_.push_back(row.checksum);
    if (IsBlocks(h)) {
      layers_.push_back({static_cast<int64_t>(row.first), parts_.back()});
    } else {
      chunks_[r].bytes = {reinterpret_cast<const char*>(parts_.back().data()), row.size};
    }
  }
  return absl::OkStatus();
}

absl::Status PassageFile::Verify(size_t part) const {
  const std::span<const std::byte> bytes = parts_[part];
  if (XXH3_64bits(bytes.data(), bytes.size()) == checksums_[part]) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(name_, ": part ", part, " at offset ",
                                          bytes.data() - bytes_.data(), ": checksum"));
}

namespace {

struct Payload {
  uint64_t first;
  const void* bytes;
  size_t size;
};

std::string Encode(const PassageHeader& header, std::span<const int32_t> tokens,
                   const std::vector<Payload>& payloads) {
  Head h{};
  std::memcpy(h.magic, kMagic, sizeof(kMagic));
  h.version = kVersion;
  h.form = static_cast<uint32_t>(header.form);
  std::memcpy(h.fingerprint, header.fingerprint.data(), sizeof(h.fingerprint));
  h.layers = static_cast<uint32_t>(header.layers);
  h.kv_heads = static_cast<uint32_t>(header.kv_heads);
  h.head_dim = static_cast<uint32_t>(header.head_dim);
  h.tokens = static_cast<uint32_t>(tokens.size());
  h.position = header.position;
  h.tables = header.tables;
  const uint64_t table = TableOffset(tokens.size());
  const uint64_t end = table + sizeof(TableRow) * payloads.size();
  h.file_size = Aligned(end + sizeof(uint64_t));
  std::vector<TableRow> rows;
  for (const Payload& p : payloads) {
    rows.push_back({p.first, h.file_size, p.size, XXH3_64bits(p.bytes, p.size)});
    h.file_size = Aligned(h.file_size + p.size);
  }
  std::string out(h.file_size, '\0');
  std::memcpy(out.data(), &h, sizeof(h));
  std::memcpy(out.data() + sizeof(h), tokens.data(), tokens.size_bytes());
  std::memcpy(out.data() + table, rows.data(), rows.size() * sizeof(TableRow));
  const uint64_t checksum = XXH3_64bits(out.data(), end);
  std::memcpy(out.data() + end, &checksum, sizeof(checksum));
  for (size_t r = 0; r < rows.size(); ++r) {
    std::memcpy(out.data() + rows[r].offset, payloads[r].bytes, payloads[r].size);
  }
  return out;
}

}  // namespace

std::string EncodePassage(const PassageHeader& header, std::span<const int32_t> tokens,
                          std::span<const PassageLayer> layers) {
  std::vector<Payload> payloads;
  for (const PassageLayer& layer : layers) {
    payloads.push_back(
        {static_cast<uint64_t>(layer.first), layer.bytes.data(), layer.bytes.size()});
  }
  return Encode(header, tokens, payloads);
}

std::string EncodeColdPassage(const PassageHeader& header, std::span<const int32_t> tokens,
                              std::span<const PassageChunk> chunks) {
  std::vector<Payload> payloads;
  for (const PassageChunk& chunk : chunks) {
    payloads.push_back(
        {static_cast<uint64_t>(chunk.first), chunk.bytes.data(), chunk.bytes.size()});
  }
  return Encode(header, tokens, payloads);
}

std::vector<PassageChunk> ChunksOf(int64_t tokens) {
  std::vector<PassageChunk> chunks;
  for (int64_t first = 0; first < tokens; first += kCodecTokens) {
    chunks.push_back({first, std::min<int64_t>(kCodecTokens, tokens - first), {}});
  }
  return chunks;
}

}  // namespace weir::generate
