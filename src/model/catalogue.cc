#include "model/catalogue.h"

#include <filesystem>
#include <utility>

#include "base/files.h"
#include "base/options.h"
#include "base/status.h"
#include "fmt/core.h"
#include "model/model_json.h"
#include "model/fetch.h"
#include "model/own_models.h"
#include "model/quoted.h"

namespace weir::model {
namespace {

namespace fs = std::filesystem;

bool HasSize(const std::string& path, int64_t bytes) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  return !error && static_cast<int64_t>(size) == bytes;
}

// Fills the paths of a catalogue record and sees whether its files are there (whole, by their size:
// the hash was checked when they were installed).
void Place(ModelRecord& record, const std::string& home) {
  const std::string folder = home + "/models/" + record.name + "/";
  record.installed = true;
  for (const ModelFile& file : record.files) {
    if (!HasSize(folder + file.file, file.bytes)) record.installed = false;
  }
  if (record.kind != ModelKind::kEncoder) {
    record.path = folder + record.files[0].file;
  } else {
    record.encoder.weights = folder + record.encoder.weights;
    record.encoder.tokenizer = folder + record.encoder.tokenizer;
  }
}

absl::Status NotFound(std::string_view name, const std::vector<ModelRecord>& models) {
  std::vector<std::string> names;
  std::string all;
  for (const ModelRecord& m : models) {
    names.push_back(m.name);
    all += (all.empty() ? "" : ", ") + m.name;
  }
  const std::string near = NearestName(name, names);
  return absl::NotFoundError(
      fmt::format("model {}: unknown{}; known are {}, or give the path of a GGUF file",
                  Quoted(name), near.empty() ? "" : fmt::format("; did you mean {}?", near), all));
}

bool LooksLikePath(std::string_view name) {
  return name.find('/') != std::string_view::npos || name.ends_with(".gguf");
}

}  // namespace

std::string_view KindName(ModelKind kind) {
  switch (kind) {
    case ModelKind::kEncoder:
      return "encoder";
    case ModelKind::kDictionary:
      return "dictionary";
    default:
      return "decoder";
  }
}

absl::StatusOr<std::vector<ModelRecord>> ListModels() {
  const std::string home = WeirHome();
  WEIR_ASSIGN_OR_RETURN(std::vector<ModelRecord> models, ParseModels(kCatalogueJson));
  for (ModelRecord& record : models) Place(record, home);
  WEIR_ASSIGN_OR_RETURN(std::vector<ModelRecord> own, ReadOwnModels(home));
  for (ModelRecord& record : own) models.push_back(std::move(record));
  return models;
}

absl::StatusOr<ModelRecord> DefaultModel(ModelKind kind) {
  WEIR_ASSIGN_OR_RETURN(std::vector<ModelRecord> models, ListModels());
  for (ModelRecord& record : models) {
    if (record.kind == kind && record.is_default) return std::move(record);
  }
  return absl::InternalError("the catalogue names no default model");
}

absl::StatusOr<ModelRecord> Locate(std::string_view name_or_path) {
  WEIR_ASSIGN_OR_RETURN(std::vector<ModelRecord> models, ListModels());
  for (ModelRecord& record : models) {
    if (record.name != name_or_path) continue;
    if (record.installed) return std::move(record);
    return absl::UnavailableError(
        record.own
            ? fmt::format("model {}: {} has gone", record.name,
                          record.kind != ModelKind::kEncoder ? record.path : record.encoder.weights)
            : fmt::format("model {}: not installed; run `weir model add {}`", record.name,
                          record.name));
  }
  if (!LooksLikePath(name_or_path)) return NotFound(name_or_path, models);
  return DescribeFile(std::string(name_or_path), "");
}

absl::StatusOr<ModelRecord> Fetch(std::string_view name, const Context& context) {
  WEIR_ASSIGN_OR_RETURN(std::vector<ModelRecord> models, ListModels());
  for (const ModelRecord& record : models) {
    if (record.name != name) continue;
    if (!record.installed) {
      if (record.own) return Locate(name);
      WEIR_RETURN_IF_ERROR(FetchModel(record, WeirHome(), FetchClients(), context));
    }
    return Locate(name);
  }
  return NotFound(name, models);
}

absl::StatusOr<ModelRecord> AddFile(const std::string& path, std::string_view name,
                                    const Context& context) {
  WEIR_ASSIGN_OR_RETURN(ModelRecord record, DescribeFile(path, name));
  WEIR_ASSIGN_OR_RETURN(std::vector<ModelRecord> catalogue, ParseModels(kCatalogueJson));
  for (const ModelRecord& known : catalogue) {
    if (known.name == record.name) {
      return absl::InvalidArgumentError(fmt::format(
          "model name {}: taken by the catalogue; give another with --name", record.name));
    }
  }
  WEIR_RETURN_IF_ERROR(AddOwnModel(WeirHome(), record, context));
  return Locate(record.name);
}

absl::StatusOr<int64_t> Remove(std::string_view name) {
  const std::string home = WeirHome();
  WEIR_ASSIGN_OR_RETURN(const std::vector<ModelRecord> models, ListModels());
  for (const ModelRecord& record : models) {
    if (record.name != name) continue;
    if (!record.own) return RemoveFetched(record.name, home);
    WEIR_RETURN_IF_ERROR(RemoveOwnModel(home, name));
    return 0;
  }
  return NotFound(name, models);
}

}  // namespace weir::model
