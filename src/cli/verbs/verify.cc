// weir verify: proves an answer again from the files alone.

#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "answer/verify/verify.h"
#include "base/files.h"
#include "base/status.h"
#include "cli/verbs.h"
#include "ingest/reader.h"
#include "text/records_json.h"

namespace weir::cli {
namespace {

using Json = nlohmann::ordered_json;

struct VerifyOptions {
  std::string encoder;
  ingest::ReadLimits limits;
  template <class V>
  void Visit(V& v) {
    v(encoder, {.name = "encoder", .help = "Encoder that compares sentences with their quotes."});
    limits.Visit(v);
  }
};

class VerifyVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {
        .name = "verify",
        .summary = "Prove again that each sentence of an answer is supported by the cited spans.",
        .arguments = "ANSWER.json",
        .example = "weir ask --json \"...\" > answer.json; weir verify answer.json",
        .description =
            "Reads the cited files anew: hash, verbatim quotes, numbers, names, negation and "
            "entailment. Exit code 0 when all is proved, 1 when not. \"-\" reads stdin.",
        .min_arguments = 1,
        .max_arguments = 1};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string> arguments, Session& session) override {
    WEIR_ASSIGN_OR_RETURN(const std::string json, ReadAnswer(arguments[0]));
    absl::StatusOr<text::Answer> answer = text::AnswerFromJson(json);
    if (!answer.ok()) return Annotate(answer.status(), arguments[0]);
    WEIR_ASSIGN_OR_RETURN(auto encoder, session.LoadEncoder(options_.encoder));
    auto document_at = [&](const std::string& path) {
      return ingest::ReadDocument(path, options_.limits, session.context());
    };
    WEIR_ASSIGN_OR_RETURN(const answer::AnswerVerdict verdict,
                          answer::VerifyAnswer(*answer, document_at, *encoder, session.context()));
    session.Print(session.json() ? AsJson(verdict) : AsText(*answer, verdict));
    return verdict.proved ? kExitDone : kExitNothing;
  }

 private:
  static absl::StatusOr<std::string> ReadAnswer(const std::string& path) {
    if (path != "-") return ReadFile(path, 64 << 20);
    return std::string(std::istreambuf_iterator<char>(std::cin), {});
  }

  static std::string AsJson(const answer::AnswerVerdict& verdict) {
    Json sentences = Json::array();
    for (const answer::SentenceVerdict& v : verdict.sentences) {
      sentences.push_back({{"supported", v.supported},
                           {"support", v.support},
                           {"verbatim", v.verbatim},
                           {"numbers", v.numbers},
                           {"names", v.names},
                           {"polarity", v.polarity},
                           {"covered", v.covered},
                           {"lexical", v.lexical},
                           {"cosine", v.cosine},
                           {"reason", v.reason}});
    }
    return Json{{"version", 1},
                {"proved", verdict.proved},
                {"threshold", answer::kSupportThreshold},
                {"sentences", std::move(sentences)}}
        .dump(-1, ' ', false, Json::error_handler_t::replace);
  }

  static std::string AsText(const text::Answer& answer, const answer::AnswerVerdict& verdict) {
    std::string out;
    for (size_t i = 0; i < verdict.sentences.size(); ++i) {
      const answer::SentenceVerdict& v = verdict.sentences[i];
      absl::StrAppendFormat(&out, "%s  support %.2f (lexical %.2f, cosine %.2f)  %s\n",
                            v.supported ? "proved    " : "NOT PROVED", v.support, v.lexical,
                            v.cosine, v.supported ? answer.sentences[i].text : v.reason);
    }
    absl::StrAppendFormat(&out, "%s (threshold %.2f)\n", verdict.proved ? "proved" : "not proved",
                          answer::kSupportThreshold);
    return out;
  }

  VerifyOptions options_;
};

}  // namespace

std::unique_ptr<Verb> MakeVerifyVerb() { return std::make_unique<VerifyVerb>(); }

}  // namespace weir::cli
