// weir config: every option of a verb with its value and where the value comes from.

#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "base/status.h"
#include "cli/parse.h"
#include "cli/verbs.h"

namespace weir::cli {
namespace {

using Json = nlohmann::ordered_json;

class ConfigVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {
        .name = "config",
        .summary = "Show the options of a verb, their values and where each value comes from.",
        .arguments = "[VERB...]",
        .example = "weir config ask",
        .description =
            "Precedence: flag, WEIR_* variable, nearest weir.toml upwards, user file, default. "
            "Global options stand under [weir] in weir.toml, a verb's under its name, as in [ask].",
        .max_arguments = 3};
  }

  absl::StatusOr<int> Run(std::span<const std::string> arguments, Session& session) override {
    const auto verbs = MakeVerbs();
    Json out = Json::array();
    std::string text;
    const std::string wanted = absl::StrJoin(arguments, " ");
    size_t used = 0;
    if (!wanted.empty()) WEIR_RETURN_IF_ERROR(FindVerb(verbs, arguments, used).status());
    for (const auto& verb : verbs) {
      const std::string name = verb->Info().name;
      if (!wanted.empty() && name != wanted) continue;
      WEIR_RETURN_IF_ERROR(AddVerb(*verb, name, out, text));
    }
    session.Print(session.json() ? Json{{"version", 1}, {"options", std::move(out)}}.dump() : text);
    return kExitDone;
  }

 private:
  static absl::Status AddVerb(Verb& verb, const std::string& name, Json& out, std::string& text) {
    GlobalOptions global;
    OptionTable global_table = BindOptions(global);
    OptionTable own = verb.Options();
    Origins origins;
    WEIR_RETURN_IF_ERROR(
        ApplyLayers(global_table, own, absl::StrReplaceAll(name, {{" ", "."}}), &origins));
    for (const OptionTable* table : {&own, &global_table}) {
      for (const OptionField& field : table->fields()) {
        const std::string option(field.spec().name);
        auto it = origins.find(option);
        const std::string origin = it == origins.end() ? "default" : it->second;
        out.push_back(
            {{"verb", name}, {"name", option}, {"value", field.Get()}, {"origin", origin}});
        absl::StrAppendFormat(&text, "%-16s %-16s %-12s %s\n", name, option, field.Get(), origin);
      }
    }
    return absl::OkStatus();
  }
};

}  // namespace

std::unique_ptr<Verb> MakeConfigVerb() { return std::make_unique<ConfigVerb>(); }

}  // namespace weir::cli
