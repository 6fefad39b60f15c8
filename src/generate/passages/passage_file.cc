#include "generate/passages/passage_file.h"

#include <xxhash.h>

#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status.h"
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
  uint64_t file_size;
};
static_assert(sizeof(Head) == 80);

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
  if (h.version != kVersion || h.form != static_cast<uint32_t>(PassageForm::kBlocks)) {
    return absl::UnimplementedError(absl::StrCat(name_, ": version ", h.version, ", form ", h.form,
                                                 "; this build reads version ", kVersion,
                                                 ", form 1"));
  }
  if (absl::Status limits = CheckLimits(h); !limits.ok()) return Annotate(limits, name_);
  const uint64_t table = TableOffset(h.tokens), end = table + sizeof(TableRow) * h.layers;
  if (h.file_size != bytes_.size() || end + sizeof(uint64_t) > bytes_.size()) {
    return absl::DataLossError(absl::StrCat(name_, ": ", bytes_.size(), " bytes; expected ",
                                            h.file_size, " with a table that ends at ", end));
  }
  uint64_t checksum;
  std::memcpy(&checksum, bytes_.data() + end, sizeof(checksum));
  if (checksum != XXH3_64bits(bytes_.data(), end)) {
    return absl::DataLossError(absl::StrCat(name_, ": header and table at offset 0: checksum"));
  }
  header_ = {PassageForm::kBlocks, {}, static_cast<int>(h.layers), static_cast<int>(h.kv_heads),
             static_cast<int>(h.head_dim), h.position};
  std::memcpy(header_.fingerprint.data(), h.fingerprint, sizeof(h.fingerprint));
  tokens_.resize(h.tokens);
  std::memcpy(tokens_.data(), bytes_.data() + sizeof(h), 4 * size_t{h.tokens});
  return ReadTable(bytes_.data() + table, Aligned(end + sizeof(uint64_t)));
}

absl::Status PassageFile::ReadTable(const std::byte* table, uint64_t payload) {
  Head h;
  std::memcpy(&h, bytes_.data(), sizeof(h));
  for (uint32_t l = 0; l < h.layers; ++l) {
    TableRow row;
    std::memcpy(&row, table + l * sizeof(row), sizeof(row));
    const bool inside = row.first < h.tokens && row.offset >= payload &&
                        row.offset % kAlignment == 0 && row.offset <= bytes_.size() &&
                        row.size <= bytes_.size() - row.offset;
    if (!inside || row.size != BlocksSize(h, row.first)) {
      return absl::DataLossError(absl::StrCat(name_, ": layer ", l, ": ", row.size,
                                              " bytes at offset ", row.offset, " from token ",
                                              row.first, " do not fit"));
    }
    layers_.push_back({static_cast<int64_t>(row.first), bytes_.subspan(row.offset, row.size)});
    checksums_.push_back(row.checksum);
  }
  return absl::OkStatus();
}

absl::Status PassageFile::Verify(int layer) const {
  const std::span<const std::byte> bytes = layers_[layer].bytes;
  if (XXH3_64bits(bytes.data(), bytes.size()) == checksums_[layer]) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(name_, ": layer ", layer, " at offset ",
                                          bytes.data() - bytes_.data(), ": checksum"));
}

std::string EncodePassage(const PassageHeader& header, std::span<const int32_t> tokens,
                          std::span<const PassageLayer> layers) {
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
  const uint64_t table = TableOffset(tokens.size()), end = table + sizeof(TableRow) * h.layers;
  h.file_size = Aligned(end + sizeof(uint64_t));
  std::vector<TableRow> rows;
  for (const PassageLayer& layer : layers) {
    rows.push_back({static_cast<uint64_t>(layer.first), h.file_size, layer.bytes.size(),
                    XXH3_64bits(layer.bytes.data(), layer.bytes.size())});
    h.file_size = Aligned(h.file_size + layer.bytes.size());
  }
  std::string out(h.file_size, '\0');
  std::memcpy(out.data(), &h, sizeof(h));
  std::memcpy(out.data() + sizeof(h), tokens.data(), tokens.size_bytes());
  std::memcpy(out.data() + table, rows.data(), rows.size() * sizeof(TableRow));
  const uint64_t checksum = XXH3_64bits(out.data(), end);
  std::memcpy(out.data() + end, &checksum, sizeof(checksum));
  for (size_t l = 0; l < rows.size(); ++l) {
    std::memcpy(out.data() + rows[l].offset, layers[l].bytes.data(), layers[l].bytes.size());
  }
  return out;
}

}  // namespace weir::generate
