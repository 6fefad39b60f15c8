// weir fields: what --where can test.

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status.h"
#include "cli/verbs.h"

namespace weir::cli {
namespace {

using Json = nlohmann::ordered_json;

struct FieldsOptions {
  std::string tenant;
  int64_t values = 5;
  template <class V>
  void Visit(V& v) {
    v(tenant, {.name = "tenant", .help = "The fields of the documents that this tenant may see."});
    v(values, {.name = "values",
               .help = "How many of the most frequent values of a text field to show.",
               .unit = "values",
               .min = 0,
               .max = 1000});
  }
};

class FieldsVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {.name = "fields",
            .summary = "List the fields of the store's documents, which --where can test.",
            .arguments = "[NAME...]",
            .example = "weir fields author --values 20",
            .description = "For each field: its type, how many documents have it, and its most "
                           "frequent values, or the least and the greatest. The first ten are "
                           "those that every document has.",
            .max_arguments = -1};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string> arguments, Session& session) override {
    WEIR_ASSIGN_OR_RETURN(auto store, session.OpenStore(index::Store::Mode::kRead));
    WEIR_ASSIGN_OR_RETURN(
        std::vector<index::FieldSummary> fields,
        store->Fields(options_.tenant, static_cast<size_t>(options_.values)));
    WEIR_RETURN_IF_ERROR(Choose(arguments, fields));
    int64_t lacking = 0;
    if (options_.tenant.empty()) {
      WEIR_ASSIGN_OR_RETURN(lacking, store->LackingFields());
    }
    if (session.json()) {
      PrintJson(fields, lacking, session);
    } else {
      for (const index::FieldSummary& field : fields) session.Print(Line(field));
    }
    if (lacking > 0) {
      session.Note(absl::StrCat(lacking, " documents were indexed by a weir without fields: run "
                                         "weir index on them again, which reads them for their "
                                         "fields only"));
    }
    return kExitDone;
  }

 private:
  // Leaves the fields that the arguments name, in their order.
  static absl::Status Choose(std::span<const std::string> names,
                             std::vector<index::FieldSummary>& fields) {
    if (names.empty()) return absl::OkStatus();
    std::vector<index::FieldSummary> chosen;
    std::vector<std::string> known;
    for (const index::FieldSummary& field : fields) known.push_back(field.name);
    for (const std::string& name : names) {
      const size_t before = chosen.size();
      for (const index::FieldSummary& field : fields) {
        if (field.name == name) chosen.push_back(field);
      }
      if (chosen.size() > before) continue;
      const std::string near = NearestName(name, known);
      return absl::NotFoundError(
          absl::StrCat("no document has a field \"", name, "\"",
                       near.empty() ? "" : absl::StrCat("; did you mean \"", near, "\"?")));
    }
    fields = std::move(chosen);
    return absl::OkStatus();
  }

  static std::string Line(const index::FieldSummary& field) {
    std::string out = absl::StrFormat("%-20s %-6s %6d documents", field.name, field.type,
                                      field.documents);
    if (!field.least.empty()) {
      absl::StrAppend(&out, "  ", field.least,
                      field.least == field.greatest ? "" : absl::StrCat(" .. ", field.greatest));
    }
    if (field.frequent.empty()) return out;
    const char* separator = "  ";
    for (const auto& [value, documents] : field.frequent) {
      absl::StrAppend(&out, separator, value, " (", documents, ")");
      separator = ", ";
    }
    const int64_t more = field.values - static_cast<int64_t>(field.frequent.size());
    if (more > 0) absl::StrAppend(&out, ", ", more, " more");
    return out;
  }

  static void PrintJson(const std::vector<index::FieldSummary>& fields, int64_t lacking,
                        Session& session) {
    Json list = Json::array();
    for (const index::FieldSummary& field : fields) {
      Json entry{{"name", field.name},
                 {"type", field.type},
                 {"built_in", field.built_in},
                 {"documents", field.documents},
                 {"values", field.values}};
      if (!field.least.empty()) {
        entry["least"] = field.least;
        entry["greatest"] = field.greatest;
      }
      Json frequent = Json::array();
      for (const auto& [value, documents] : field.frequent)
        frequent.push_back({{"value", value}, {"documents", documents}});
      if (!frequent.empty()) entry["frequent"] = std::move(frequent);
      list.push_back(std::move(entry));
    }
    session.Print(Json{{"version", 1}, {"fields", std::move(list)}, {"without_fields", lacking}}
                      .dump(-1, ' ', false, Json::error_handler_t::replace));
  }

  FieldsOptions options_;
};

}  // namespace

std::unique_ptr<Verb> MakeFieldsVerb() { return std::make_unique<FieldsVerb>(); }

}  // namespace weir::cli
