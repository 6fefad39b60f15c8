#include "cli/prompt_setup.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "model/catalogue.h"

namespace weir::cli {

absl::StatusOr<std::unique_ptr<generate::PromptModel>> LoadPromptModel(
    const PromptModelOptions& options, Session& session) {
  std::string name = options.name;
  if (name.empty()) {
    WEIR_ASSIGN_OR_RETURN(const auto record, model::DefaultModel(model::ModelKind::kDecoder));
    name = record.name;
  }
  WEIR_ASSIGN_OR_RETURN(const model::ModelRecord record, model::Locate(name));
  if (record.kind != model::ModelKind::kDecoder) {
    return absl::InvalidArgumentError(absl::StrCat("model: ", name, " is not a decoder"));
  }
  return generate::PromptModel::Load(record.path, options.kv, options.context, session.context());
}

}  // namespace weir::cli
