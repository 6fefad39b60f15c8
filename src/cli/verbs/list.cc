// weir list: every registered technique, from the cards.

#include <map>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status.h"
#include "cli/verbs.h"

namespace weir::cli {
namespace {

using Json = nlohmann::ordered_json;

class ListVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {.name = "list",
            .summary = "List the techniques of this build, with their options and sources.",
            .arguments = "[KIND]",
            .example = "weir list RetrievalStage",
            .max_arguments = 1};
  }

  absl::StatusOr<int> Run(std::span<const std::string> arguments, Session& session) override {
    const std::string kind = arguments.empty() ? "" : arguments[0];
    std::vector<const Registry::Entry*> chosen;
    std::vector<std::string> kinds;
    for (const Registry::Entry& entry : session.registry().entries()) {
      kinds.push_back(entry.card.kind);
      if (kind.empty() || entry.card.kind == kind) chosen.push_back(&entry);
    }
    if (chosen.empty()) {
      const std::string nearest = NearestName(kind, kinds);
      return absl::NotFoundError(absl::StrCat(
          "kind: ", kind,
          nearest.empty() ? " is not known" : absl::StrCat("; did you mean ", nearest, "?")));
    }
    session.Print(session.json() ? AsJson(chosen) : AsText(chosen));
    return kExitDone;
  }

 private:
  static std::string AsJson(const std::vector<const Registry::Entry*>& entries) {
    Json techniques = Json::array();
    for (const Registry::Entry* e : entries) {
      const OptionTable options = e->options ? e->options() : OptionTable();
      techniques.push_back({{"kind", e->card.kind},
                            {"name", e->name},
                            {"slug", e->card.slug},
                            {"help", e->help},
                            {"options", Json::parse(options.JsonSchema(), nullptr, false)},
                            {"source", e->card.source}});
    }
    return Json{{"version", 1}, {"techniques", std::move(techniques)}}.dump();
  }

  static std::string AsText(const std::vector<const Registry::Entry*>& entries) {
    std::string out, kind;
    for (const Registry::Entry* e : entries) {
      absl::StrAppendFormat(&out, "%-16s %-12s %s\n%30s%s\n", e->card.kind, e->name, e->help, "",
                            e->card.source);
    }
    return out;
  }
};

}  // namespace

std::unique_ptr<Verb> MakeListVerb() { return std::make_unique<ListVerb>(); }

}  // namespace weir::cli
