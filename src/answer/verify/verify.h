// The verifier: decides whether cited spans support a sentence. It shares no code with the writer,
// the citer or retrieval; it sees a sentence, the spans' bytes as they stand in the files, and an
// encoder.
//
// A sentence is supported when all of this holds over the union of its quotes:
//   verbatim  every quote equals the file's text at its span, and the file's hash is the cited one
//   numbers   every number of the sentence is in a quote, by value ("1,200" = "1200", "three" =
//     "3")
//   names     every capitalised or mixed-case word that is not only a sentence start is in a quote
//   polarity  sentence and quotes agree on negation
//   covered   no clause of three or more content words of which the quotes have none: what a model
//     adds to a well-supported sentence would else be carried by the rest of it
//   entailment  lexical: share of content stems found in the quotes; embedding: cosine of sentence
//     and
//             quotes; support = logistic(a + b * lexical + c * cosine) >= kSupportThreshold
// The constants are set by hand. `weir eval claims` measures them on labelled claims; constants
// fitted there did no better on other claims (docs/answer-quality.md), so these stayed.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "text/ports.h"
#include "text/records.h"

namespace weir::answer {

inline constexpr double kSupportThreshold = 0.5;

// Of the entailment part: support = logistic(intercept + lexical * share + cosine * cosine).
struct SupportWeights {
  double intercept, lexical, cosine;
};
inline constexpr SupportWeights kSupportWeights = {-5.2, 4.6, 4.4};
double SupportOf(double lexical, double cosine);

struct SentenceVerdict {
  bool verbatim = false, numbers = false, names = false, polarity = false, covered = false;
  double lexical = 0, cosine = 0, support = 0;
  bool supported = false;
  std::string reason;  // "" when supported, else the first check that failed, with the word or span
};

// The entailment part alone: `quotes` are the bytes of the spans.
absl::StatusOr<SentenceVerdict> VerifySentence(std::string_view sentence,
                                               const std::vector<std::string_view>& quotes,
                                               const text::Encoder& encoder,
                                               const Context& context);

// The document at a path as it is now; kNotFound when it is gone.
using DocumentAt = std::function<absl::StatusOr<text::Document>(const std::string& path)>;

struct AnswerVerdict {
  std::vector<SentenceVerdict> sentences;
  bool proved = false;  // every sentence is supported and every quote verbatim
};

// Proves an answer again from the files alone.
absl::StatusOr<AnswerVerdict> VerifyAnswer(const text::Answer& answer,
                                           const DocumentAt& document_at,
                                           const text::Encoder& encoder, const Context& context);

}  // namespace weir::answer
