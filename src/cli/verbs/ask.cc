// weir ask: a cited answer, or "not in your documents".

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "answer/evidence.h"
#include "answer/pack.h"
#include "base/status.h"
#include "cli/asker.h"
#include "cli/verbs.h"
#include "generate/speculate/cited_prompts.h"
#include "text/records_json.h"

namespace weir::cli {
namespace {

struct AskVerbOptions {
  AskOptions ask;
  bool quotes = true;
  bool show_prompt = false;
  template <class V>
  void Visit(V& v) {
    ask.Visit(v);
    v(quotes, {.name = "quotes", .help = "Show the quoted text of every citation."});
    v(show_prompt, {.name = "show-prompt",
                    .help = "Print what the model would read, as one JSON object, and stop."});
  }
};

class AskVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {.name = "ask",
            .summary = "Answer a question from the documents, with citations that were verified.",
            .arguments = "QUESTION...",
            .example = "weir ask \"How long should prophylaxis last?\"",
            .description =
                "Every sentence is supported by the quoted spans or it is left out. Exit code 1 "
                "and the nearest passages when the documents do not hold an answer.",
            .min_arguments = 1,
            .max_arguments = -1};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string> arguments, Session& session) override {
    WEIR_ASSIGN_OR_RETURN(auto asker, Asker::Open(options_.ask, session));
    if (options_.show_prompt) return ShowPrompt(absl::StrJoin(arguments, " "), *asker, session);
    bool drafting = false;
    const auto on_draft = [&](std::string_view piece) {
      if (!drafting) session.Stream("draft, not verified yet: ");
      drafting = true;
      session.Stream(piece);
    };
    WEIR_ASSIGN_OR_RETURN(const text::Answer answer,
                          asker->Ask(absl::StrJoin(arguments, " "), on_draft));
    if (drafting) session.Stream("\n\n");
    if (session.json()) {
      session.Print(text::AnswerToJson(answer));
    } else {
      PrintAnswer(answer, session);
    }
    return answer.status == "not_in_documents" ? kExitNothing : kExitDone;
  }

 private:
  absl::StatusOr<int> ShowPrompt(const std::string& question, const Asker& asker,
                                 Session& session) const {
    const answer::AnswerPorts ports = asker.Ports();
    if (ports.completer == nullptr) {
      return absl::FailedPreconditionError("show-prompt: no model reads a prompt here");
    }
    WEIR_ASSIGN_OR_RETURN(const answer::EvidenceSet set,
                          answer::CollectEvidence(question, ports, session.context()));
    WEIR_ASSIGN_OR_RETURN(const answer::PackedContext packed,
                          answer::Pack(set, options_.ask.answer, *ports.completer));
    session.Print(generate::CitedPromptLine(
        {question, answer::Prompt(question, packed), packed.passages}));
    return kExitDone;
  }

  void PrintAnswer(const text::Answer& answer, Session& session) const {
    std::vector<const text::Citation*> cited;
    std::string body;
    for (const text::AnswerSentence& sentence : answer.sentences) {
      absl::StrAppend(&body, sentence.text);
      for (const text::Citation& c : sentence.citations) {
        cited.push_back(&c);
        absl::StrAppend(&body, " [", cited.size(), "]");
      }
      absl::StrAppend(&body, sentence.citations.empty() ? " (not supported)\n" : "\n");
    }
    if (answer.status == "not_in_documents") body = "This is not in your documents.\n";
    if (answer.status == "partial")
      absl::StrAppend(&body, "(partly supported; the rest was left out)\n");
    for (size_t i = 0; i < cited.size(); ++i) {
      const text::Citation& c = *cited[i];
      absl::StrAppend(&body, "\n[", i + 1, "] ", c.document.path);
      if (c.page > 0) absl::StrAppend(&body, ", page ", c.page);
      absl::StrAppend(&body, ", bytes ", c.span.start, "-", c.span.end);
      if (options_.quotes) absl::StrAppend(&body, "\n    \"", c.quote, "\"");
    }
    if (cited.empty()) {
      absl::StrAppend(&body, "\nNearest passages:");
      for (const text::Hit& hit : answer.nearest) {
        absl::StrAppendFormat(&body, "\n%2d  %.3f  %s, page %d, bytes %d-%d", hit.rank, hit.score,
                              hit.document.path, hit.passage.page, hit.passage.span.start,
                              hit.passage.span.end);
      }
    }
    session.Print(body);
    session.Note(absl::StrFormat("%s, first token %.2f s, in all %.1f s",
                                 answer.model.empty() ? "extracted" : answer.model,
                                 Timing(answer, "first_token"), Timing(answer, "total")));
  }

  static double Timing(const text::Answer& answer, const std::string& name) {
    auto it = answer.timings.find(name);
    return it == answer.timings.end() ? 0 : it->second;
  }

  AskVerbOptions options_;
};

}  // namespace

std::unique_ptr<Verb> MakeAskVerb() { return std::make_unique<AskVerb>(); }

}  // namespace weir::cli
