// Model records as JSON: the catalogue (models/catalogue.json) and the user's own models
// ($WEIR_HOME/models.json). One format, docs/formats/models-json.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "model/catalogue.h"

namespace weir::model {

extern const std::string_view kCatalogueJson;  // compiled in by CMakeLists.txt

// Errors: kDataLoss with the name of the field. Names and files are checked to be plain names, so
// that no record leads out of its folder.
absl::StatusOr<std::vector<ModelRecord>> ParseModels(std::string_view json);
// What ParseModels reads back; for the user's own models.
std::string WriteModels(const std::vector<ModelRecord>& models);

// Lower-case letters, digits, '.', '_', '-'; at most 64; not starting with '.' or '-'.
bool IsModelName(std::string_view name);

}  // namespace weir::model
