// weir eval answers: a question set against the store, by the rules of evaluate/answers.h.

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "answer/draft.h"
#include "answer/evidence.h"
#include "answer/judge.h"
#include "answer/pack.h"
#include "base/files.h"
#include "base/status.h"
#include "cli/asker.h"
#include "cli/verbs.h"
#include "evaluate/answers.h"
#include "evaluate/memory.h"

namespace weir::cli {
namespace {

using Json = nlohmann::ordered_json;

struct EvalAnswersOptions {
  AskOptions ask;
  std::string features;
  bool each = false;
  template <class V>
  void Visit(V& v) {
    ask.Visit(v);
    v(features,
      {.name = "features",
       .help = "Write the candidate sentences and their features to this file, for fitting."});
    v(each, {.name = "each", .help = "Show every question."});
  }
};

class EvalAnswersVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {
        .name = "eval answers",
        .summary =
            "Ask a set of questions with known evidence: right, refused, verbatim, time, memory.",
        .arguments = "QUESTIONS.jsonl",
        .example = "weir eval answers --extract tests/data/questions/dev.jsonl",
        .description = "The store must hold the documents of the set.",
        .min_arguments = 1,
        .max_arguments = 1};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string> arguments, Session& session) override {
    WEIR_ASSIGN_OR_RETURN(auto lines, evaluate::LineReader::Open(arguments[0]));
    WEIR_ASSIGN_OR_RETURN(const auto questions, evaluate::ReadQuestions(*lines));
    WEIR_ASSIGN_OR_RETURN(auto asker, Asker::Open(options_.ask, session));
    if (!options_.features.empty()) return WriteFeatures(questions, *asker, session);
    evaluate::ResetPeakMemory();
    WEIR_ASSIGN_OR_RETURN(
        const evaluate::AnswersReport report,
        evaluate::EvaluateAnswers(
            asker->Label(), questions, [&](const std::string& q) { return asker->Ask(q); },
            [&](const std::string& path) { return TextOf(asker->store(), path); },
            session.context()));
    if (session.json()) {
      session.Print(evaluate::AnswersToJson(report));
      return kExitDone;
    }
    if (options_.each) PrintEach(report, questions, session);
    session.Print(evaluate::AnswersTable({report}));
    return kExitDone;
  }

 private:
  static absl::StatusOr<std::string> TextOf(const index::Store& store, const std::string& path) {
    WEIR_ASSIGN_OR_RETURN(const int64_t document, store.FindDocument(path));
    return store.GetText(document);
  }

  static void PrintEach(const evaluate::AnswersReport& report,
                        const std::vector<evaluate::Question>& questions, Session& session) {
    for (size_t i = 0; i < report.results.size(); ++i) {
      const evaluate::AnswerResult& r = report.results[i];
      session.Print(absl::StrCat(r.right ? "right " : "WRONG ", r.id, " [", r.status, "] ",
                                 questions[i].question, "\n      ", r.text));
    }
  }

  absl::StatusOr<int> WriteFeatures(const std::vector<evaluate::Question>& questions,
                                    const Asker& asker, Session& session) const {
    const answer::AnswerPorts ports = asker.Ports();
    std::string out;
    for (const evaluate::Question& q : questions) {
      WEIR_ASSIGN_OR_RETURN(answer::EvidenceSet set,
                            answer::CollectEvidence(q.question, ports, session.context()));
      double judged = 0;
      text::Completion draft;
      if (ports.completer != nullptr && !set.sentences.empty()) {
        WEIR_ASSIGN_OR_RETURN(const auto packed,
                              answer::Pack(set, options_.ask.answer, *ports.completer));
        WEIR_ASSIGN_OR_RETURN(draft,
                              answer::WriteDraft(q.question, packed, ports, options_.ask.answer,
                                                 session.context()));
        WEIR_RETURN_IF_ERROR(
            answer::RankByDraft(q.question, draft.text, ports.encoder, session.context(), set));
        WEIR_ASSIGN_OR_RETURN(judged, answer::Judge(q.question, set, options_.ask.answer,
                                                    *ports.completer, session.context()));
      }
      Json sentences = Json::array();
      for (const answer::Evidence& e : set.sentences) {
        sentences.push_back({{"path", e.document.path},
                             {"start", e.span.start},
                             {"text", e.text},
                             {"context", e.context},
                             {"rank", e.rank},
                             {"features", e.features}});
      }
      absl::StrAppend(&out,
                      Json{{"id", q.id},
                           {"answerable", q.answerable},
                           {"question", q.question},
                           {"file", q.file},
                           {"evidence", q.evidence},
                           {"judged", judged},
                           {"draft", draft.text},
                           {"refusal",
                            {set.refusal.dense, set.refusal.context, set.refusal.coverage,
                             set.refusal.missing_names, set.refusal.grounded}},
                           {"sentences", std::move(sentences)}}
                          .dump(-1, ' ', false, Json::error_handler_t::replace),
                      "\n");
    }
    WEIR_RETURN_IF_ERROR(WriteFileAtomic(options_.features, out));
    return kExitDone;
  }

  EvalAnswersOptions options_;
};

}  // namespace

std::unique_ptr<Verb> MakeEvalAnswersVerb() { return std::make_unique<EvalAnswersVerb>(); }

}  // namespace weir::cli
