// weir model pack: keeps a decoder's weights in the layout of the kernels, beside the model's file.

#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "base/context.h"
#include "base/status.h"
#include "cli/verbs.h"
#include "model/catalogue.h"
#include "model/packed_file.h"

namespace weir::cli {
namespace {

class ModelPackVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {.name = "model pack",
            .summary = "Keep a decoder's weights as the kernels read them, for quick starts.",
            .arguments = "NAME|FILE...",
            .example = "weir model pack qwen2.5-coder-1.5b",
            .description =
                "Writes FILE.packed beside the model's file (about as large; it may be deleted at "
                "any time). The next start maps it instead of packing. A model that was changed "
                "since is noticed and packed in memory again.",
            .min_arguments = 1,
            .max_arguments = -1};
  }

  absl::StatusOr<int> Run(std::span<const std::string> arguments, Session& session) override {
    auto packed = nlohmann::ordered_json::array();
    for (const std::string& argument : arguments) {
      WEIR_ASSIGN_OR_RETURN(const model::ModelRecord record, model::Locate(argument));
      const int64_t start = SteadyNowNs();
      WEIR_ASSIGN_OR_RETURN(const std::string path, model::PackModel(record, session.context()));
      const double seconds = static_cast<double>(SteadyNowNs() - start) * 1e-9;
      std::error_code error;
      const auto bytes = static_cast<int64_t>(std::filesystem::file_size(path, error));
      packed.push_back(
          {{"name", record.name}, {"path", path}, {"bytes", bytes}, {"took_s", seconds}});
      if (!session.json()) {
        session.Print(absl::StrFormat("%s  %.1f MB  %.2f s", path,
                                      static_cast<double>(bytes) * 1e-6, seconds));
      }
    }
    if (session.json()) {
      session.Print(nlohmann::ordered_json{{"version", 1}, {"packed", std::move(packed)}}.dump(
          -1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    }
    return kExitDone;
  }
};

}  // namespace

std::unique_ptr<Verb> MakeModelPackVerb() { return std::make_unique<ModelPackVerb>(); }

}  // namespace weir::cli
