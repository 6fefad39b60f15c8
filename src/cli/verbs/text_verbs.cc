// weir text analyze and weir text languages: what becomes of words before they are indexed.

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "cli/verbs.h"
#include "text/analysis.h"
#include "text/detect.h"
#include "text/language.h"
#include "text/unicode.h"

namespace weir::cli {
namespace {

using Json = nlohmann::ordered_json;

struct AnalyzeOptions {
  std::string language = "auto";
  template <class V>
  void Visit(V& v) {
    v(language, {.name = "language",
                 .help = "auto (detect it), code, or a name or code (polish, pl)."});
  }
};

class TextAnalyzeVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {.name = "text analyze",
            .summary = "Show the index terms of a text: term, position, bytes, surface form.",
            .arguments = "TEXT...",
            .example = "weir text analyze --language pl \"W starym zamku straszy\"",
            .description =
                "Terms of one position are found by each other's words: all lemmas of an ambiguous "
                "form, an identifier and its parts. The weight is that of the term in a query.",
            .min_arguments = 1,
            .max_arguments = -1};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string> arguments, Session& session) override {
    const std::string text = text::RepairUtf8(absl::StrJoin(arguments, " "));
    std::string language = options_.language;
    if (language == "auto") {
      language = text::DetectLanguage(text);
      if (language.empty()) {
        language = "english";
        session.Note("the language does not show; analysed as english");
      }
    }
    WEIR_ASSIGN_OR_RETURN(const auto analyzer, text::Analyzer::Make(language));
    std::vector<text::Token> tokens;
    analyzer->Analyze(text, tokens);
    session.Print(session.json() ? AsJson(*analyzer, text, tokens)
                                 : AsText(*analyzer, text, tokens));
    return tokens.empty() ? kExitNothing : kExitDone;
  }

 private:
  static std::string_view Surface(const std::string& text, const text::Token& token) {
    return std::string_view(text).substr(token.span.start, token.span.size());
  }

  static std::string AsText(const text::Analyzer& analyzer, const std::string& text,
                            const std::vector<text::Token>& tokens) {
    std::string out = absl::StrCat("language ", analyzer.name());
    for (const text::Token& t : tokens) {
      absl::StrAppendFormat(&out, "\n%4d  %-24s %.2f  [%d, %d)  %s", t.position, t.term, t.weight,
                            t.span.start, t.span.end, std::string(Surface(text, t)));
    }
    return out;
  }

  static std::string AsJson(const text::Analyzer& analyzer, const std::string& text,
                            const std::vector<text::Token>& tokens) {
    Json list = Json::array();
    for (const text::Token& t : tokens) {
      list.push_back({{"term", t.term},
                      {"position", t.position},
                      {"weight", t.weight},
                      {"start", t.span.start},
                      {"end", t.span.end},
                      {"surface", Surface(text, t)}});
    }
    return Json{{"version", 1}, {"language", analyzer.name()}, {"tokens", std::move(list)}}.dump(
        -1, ' ', false, Json::error_handler_t::replace);
  }

  AnalyzeOptions options_;
};

class TextLanguagesVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {.name = "text languages",
            .summary = "List the languages whose words can be analysed.",
            .arguments = "",
            .example = "weir text languages",
            .description = "The analyser is what a store notes: with data outside of the program "
                           "it names them, and a store needs the same ones to be searched."};
  }

  absl::StatusOr<int> Run(std::span<const std::string>, Session& session) override {
    Json list = Json::array();
    std::string text;
    for (const text::Language& language : text::Languages()) {
      WEIR_ASSIGN_OR_RETURN(const auto analyzer, text::Analyzer::Make(language.name));
      list.push_back({{"name", language.name},
                      {"codes", language.codes},
                      {"stemmer", language.stemmer},
                      {"analyzer", analyzer->name()}});
      absl::StrAppendFormat(&text, "%s%-11s %-12s %s", text.empty() ? "" : "\n",
                            std::string(language.name), std::string(language.codes),
                            std::string(analyzer->name()));
    }
    session.Print(session.json() ? Json{{"version", 1}, {"languages", list}}.dump() : text);
    return kExitDone;
  }
};

}  // namespace

std::unique_ptr<Verb> MakeTextAnalyzeVerb() { return std::make_unique<TextAnalyzeVerb>(); }
std::unique_ptr<Verb> MakeTextLanguagesVerb() { return std::make_unique<TextLanguagesVerb>(); }

}  // namespace weir::cli
