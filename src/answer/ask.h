// From a question to a cited answer: retrieve, plan, write or extract, cite, verify, refuse.
//
// Nothing that a model writes is trusted: every sentence gets spans that Weir finds itself (cite.h)
// and is kept only if the verifier (verify/verify.h, which shares no code with the writer) confirms
// it. When nothing supports an answer the status is "not_in_documents" and the nearest passages are
// returned.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "base/registry.h"
#include "retrieve/pipeline.h"
#include "text/ports.h"
#include "text/records.h"

namespace weir::answer {

struct AnswerOptions {
  std::string planner = "direct";
  int64_t windows = 12;
  int64_t passages = 0;
  int64_t sentences = 3;
  int64_t max_tokens = 160;
  double risk = 0.5;
  bool judge = true;
  int64_t samples = 1;
  template <class V> void Visit(V& v) {
    v(planner,
      {.name = "planner", .help = "How the question is worked on (see weir list planner)."});
    v(windows, {.name = "windows",
                .help = "Pieces of evidence the model reads, a few sentences each.",
                .min = 1,
                .max = 64});
    v(passages, {.name = "passages",
                 .help = "Whole passages the model reads, in the order they were found, instead of "
                         "windows of sentences; 0: windows.",
                 .min = 0,
                 .max = 64});
    v(sentences, {.name = "sentences",
                  .help = "Most sentences in an extracted answer.",
                  .unit = "sentences",
                  .min = 1,
                  .max = 10});
    v(max_tokens, {.name = "answer-tokens",
                   .help = "Most tokens of a written answer.",
                   .unit = "tokens",
                   .min = 8,
                   .max = 4096});
    v(risk,
      {.name = "refuse-below",
       .help = "Refuse when the estimated probability that the documents hold an answer is lower.",
       .min = 0,
       .max = 1});
    v(judge, {.name = "judge",
              .help = "With --extract: let an installed model read the evidence, judge whether it "
                      "holds an answer and point to the sentences."});
    v(samples, {.name = "samples",
                .help = "Drafts that the model writes together; the one that the documents support "
                        "best becomes the answer.",
                .min = 1,
                .max = 64});
  }
};

// What a planner works with; borrowed. `completer` may be null for the planners that do not write.
struct AnswerPorts {
  const retrieve::Pipeline& pipeline;
  const text::Encoder& encoder;
  text::Completer* completer = nullptr;
  // Pieces of the draft as the model writes them, before verification. May be null.
  std::function<void(std::string_view)> on_draft;
  // What stands before a passage of the store, for text::PromptPassage::before. May be null.
  std::function<absl::StatusOr<std::vector<std::string>>(const text::Passage& passage)> before;
};

class Planner {
 public:
  virtual ~Planner() = default;
  virtual bool needs_model() const = 0;
  virtual absl::StatusOr<text::Answer> Work(std::string_view question, const AnswerPorts& ports,
                                            const AnswerOptions& options,
                                            const Context& context) const = 0;
};

absl::StatusOr<text::Answer> Ask(std::string_view question, const AnswerPorts& ports,
                                 const AnswerOptions& options, const Registry& registry,
                                 const Context& context);

}  // namespace weir::answer
