// The user's own models: $WEIR_HOME/models.json and the files it points to.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "model/catalogue.h"

namespace weir::model {

// Empty when there is no models.json. `installed` says whether the files are still there.
absl::StatusOr<std::vector<ModelRecord>> ReadOwnModels(const std::string& home);

// A record of a GGUF file, or of a folder with an encoder's files. Absolute paths; no hashes yet.
// The name is made from the path when `name` is empty. Errors: kNotFound, kInvalidArgument (name,
// heads), kDataLoss, kUnimplemented (architecture).
absl::StatusOr<ModelRecord> DescribeFile(const std::string& path, std::string_view name);

// Loads what must load, hashes the files and writes the record into models.json, in place of one of
// the same name. Two processes at once lose nothing (a lock file).
absl::Status AddOwnModel(const std::string& home, ModelRecord record, const Context& context);
// Takes the record out of models.json; the model's files stay.
absl::Status RemoveOwnModel(const std::string& home, std::string_view name);

}  // namespace weir::model
