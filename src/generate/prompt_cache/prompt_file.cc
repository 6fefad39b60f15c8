#include "generate/prompt_cache/prompt_file.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "generate/prompt_cache/packed_bytes.h"

namespace weir::generate {
namespace {

constexpr char kMagic[] = "WEIRKVP\n";
constexpr uint32_t kVersion = 1;
constexpr size_t kFixedBytes = 48;  // before the head's fields
constexpr size_t kFixedChecked = 40;
constexpr uint32_t kMaxTokens = 16 << 20;
constexpr uint32_t kMaxText = 256 << 20, kMaxTables = 256 << 20;  // bytes

uint64_t Checksum(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

}  // namespace

std::string PromptFileBytes(const PromptHead& head, const KvCodec& codec,
                            std::span<const std::string> chunks) {
  const std::string tables = codec.Save(head.levels.size() == 1 ? head.levels[0] : 0);
  std::string fields;
  head.identity.AppendTo(fields);
  AppendNumber(fields, static_cast<uint8_t>(head.form));
  AppendNumber(fields, static_cast<uint32_t>(head.text.size()));
  fields += head.text;
  AppendNumber(fields, static_cast<uint32_t>(head.tokens.size()));
  AppendNumbers(fields, std::span<const int32_t>(head.tokens));
  AppendNumber(fields, static_cast<uint32_t>(tables.size()));
  fields += tables;
  AppendNumber(fields, static_cast<uint8_t>(head.levels.size()));
  for (int level : head.levels) AppendNumber(fields, static_cast<uint8_t>(level));
  uint64_t offset = kFixedBytes + fields.size() + chunks.size() * 20;
  for (const std::string& chunk : chunks) {
    AppendNumber(fields, offset);
    AppendNumber(fields, static_cast<uint32_t>(chunk.size()));
    AppendNumber(fields, Checksum(chunk));
    offset += chunk.size();
  }
  std::string out(kMagic, 8);
  AppendNumber(out, kVersion);
  AppendNumber(out, uint32_t{0});
  AppendNumber(out, offset);  // the file's size
  AppendNumber(out, static_cast<uint64_t>(fields.size()));
  AppendNumber(out, Checksum(fields));
  AppendNumber(out, Checksum(out));
  out.reserve(offset);
  out += fields;
  for (const std::string& chunk : chunks) out += chunk;
  return out;
}

absl::StatusOr<std::unique_ptr<PromptFile>> PromptFile::Open(const std::string& path) {
  WEIR_ASSIGN_OR_RETURN(auto map, MappedFile::Open(path));
  const auto bytes = map->bytes();
  WEIR_ASSIGN_OR_RETURN(
      auto file, Parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path));
  file->map_ = std::move(map);
  return file;
}

absl::StatusOr<std::unique_ptr<PromptFile>> PromptFile::Parse(std::string_view bytes,
                                                              std::string name) {
  std::unique_ptr<PromptFile> file(new PromptFile());
  file->name_ = std::move(name);
  file->bytes_ = bytes;
  absl::Status status = file->ReadHead();
  if (!status.ok()) return Annotate(status, file->name_);
  return file;
}

absl::Status PromptFile::ReadHead() {
  PackedReader reader(bytes_);
  std::string_view magic, fields;
  uint32_t version = 0, zero = 0;
  uint64_t size = 0, head_size = 0, head_checksum = 0, checksum = 0;
  if (!reader.Bytes(8, magic) || magic != std::string_view(kMagic, 8)) {
    return absl::DataLossError("no saved prompt (magic at offset 0 differs)");
  }
  if (!reader.Number(version) || !reader.Number(zero) || !reader.Number(size) ||
      !reader.Number(head_size) || !reader.Number(head_checksum) || !reader.Number(checksum)) {
    return absl::DataLossError(absl::StrCat(bytes_.size(), " bytes; cut inside its head"));
  }
  if (version != kVersion) {
    return absl::UnimplementedError(absl::StrCat("saved-prompt format version ", version,
                                                 "; this build reads version ", kVersion,
                                                 ": save the prompt again"));
  }
  if (Checksum(bytes_.substr(0, kFixedChecked)) != checksum) {
    return absl::DataLossError("head: the checksum at offset 40 does not match");
  }
  if (size != bytes_.size()) {
    return absl::DataLossError(
        absl::StrCat(bytes_.size(), " bytes; the head says ", size, ": the file is cut or grew"));
  }
  if (!reader.Bytes(std::min<uint64_t>(head_size, SIZE_MAX), fields) ||
      Checksum(fields) != head_checksum) {
    return absl::DataLossError("head: the checksum at offset 32 does not match");
  }
  head_bytes_ = static_cast<int64_t>(kFixedBytes + head_size);
  return ReadFields(fields);
}

// A good checksum only shows that the bytes are what somebody wrote.
absl::Status PromptFile::ReadFields(std::string_view fields) {
  PackedReader reader(fields);
  WEIR_ASSIGN_OR_RETURN(head_.identity, ModelIdentity::Read(reader));
  uint8_t form = 0, levels = 0;
  uint32_t text_size = 0, count = 0, tables_size = 0;
  std::string_view text, tables;
  if (!reader.Number(form) || form > 1 || !reader.Number(text_size) || text_size > kMaxText ||
      !reader.Bytes(text_size, text)) {
    return absl::DataLossError("head: the text is cut or too long");
  }
  head_.form = static_cast<PromptForm>(form);
  if (!reader.Number(count) || count < 2 || count > kMaxTokens ||
      !reader.Numbers(count, head_.tokens)) {
    return absl::DataLossError(absl::StrCat("head: ", count, " tokens; expected 2 to ",
                                            kMaxTokens, ", all of them there"));
  }
  for (int32_t token : head_.tokens) {
    if (token < 0 || token >= head_.identity.vocabulary) {
      return absl::DataLossError(absl::StrCat("head: token ", token, " of a vocabulary of ",
                                              head_.identity.vocabulary));
    }
  }
  if (!reader.Number(tables_size) || tables_size > kMaxTables ||
      !reader.Bytes(tables_size, tables)) {
    return absl::DataLossError("head: the codec's tables are cut or too long");
  }
  WEIR_ASSIGN_OR_RETURN(codec_, LoadKvCodec(tables));
  if (codec_->shape() != head_.identity.shape) {
    return absl::DataLossError("head: the codec is of another shape than the model");
  }
  if (!reader.Number(levels) || levels < 1 || levels > kCodecLevels) {
    return absl::DataLossError(absl::StrCat("head: ", levels, " levels"));
  }
  for (int i = 0; i < levels; ++i) {
    uint8_t level = 0;
    if (!reader.Number(level) || level > kCodecLevels ||
        level <= (head_.levels.empty() ? 0 : head_.levels.back())) {
      return absl::DataLossError("head: levels are not ascending numbers from 1 to 3");
    }
    head_.levels.push_back(level);
  }
  const size_t entries = static_cast<size_t>(head_.chunks()) * levels;
  if (reader.rest().size() != entries * 20) {
    return absl::DataLossError(absl::StrCat("head: an index of ", reader.rest().size(),
                                            " bytes; expected ", entries * 20));
  }
  for (size_t i = 0; i < entries; ++i) {
    Entry e;
    reader.Number(e.offset);
    reader.Number(e.size);
    reader.Number(e.checksum);
    if (e.offset < static_cast<uint64_t>(head_bytes_) || e.offset > bytes_.size() ||
        e.size > bytes_.size() - e.offset) {
      return absl::DataLossError(absl::StrCat("chunk ", i / levels, ", level ",
                                              head_.levels[i % levels],
                                              ": reaches beyond the file"));
    }
    entries_.push_back(e);
  }
  head_.text = std::string(text);
  return absl::OkStatus();
}

const PromptFile::Entry& PromptFile::EntryOf(int chunk, int level) const {
  const auto at = std::find(head_.levels.begin(), head_.levels.end(), level);
  return entries_[chunk * head_.levels.size() + (at - head_.levels.begin())];
}

absl::Status PromptFile::OfChunk(int chunk, int level, const absl::Status& status) const {
  return Annotate(status, absl::StrCat(name_, ": chunk ", chunk, ", level ", level));
}

absl::StatusOr<std::string_view> PromptFile::Chunk(int chunk, int level) const {
  const Entry& e = EntryOf(chunk, level);
  const std::string_view bytes = bytes_.substr(e.offset, e.size);
  if (Checksum(bytes) == e.checksum) return bytes;
  return OfChunk(chunk, level,
                 absl::DataLossError(absl::StrCat("the checksum of ", e.size, " bytes at offset ",
                                                  e.offset, " does not match")));
}

}  // namespace weir::generate
