// The ports through which lower rooms use models they may not see: text to a vector, text to
// weighted terms, text to a set of vectors, prompt to tokens. model and generate implement them;
// the program wires them; tests use scripted fakes.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/context.h"

namespace weir::text {

// some models take an instruction or a prefix with one of them
enum class EncodeAs { kPassage, kQuery };

// Thread-safe.
class Encoder {
 public:
  virtual ~Encoder() = default;
  virtual int dimensions() const = 0;
  virtual std::string name() const = 0;         // "minilm-l6"
  virtual std::string fingerprint() const = 0;  // changes when the vectors would
  // out: [texts, dimensions] f32, row-major, each row of unit length. The result of a text does not
  // depend on the batch it came in. Longer texts are cut at the model's window.
  virtual absl::Status Encode(std::span<const std::string_view> texts, EncodeAs as,
                              std::span<float> out, const Context& context) const = 0;
};

// One coordinate of a learned sparse vector: a term of the encoder's vocabulary, not of the text.
struct TermWeight {
  int32_t term = 0;
  float weight = 0;
};
using SparseVector = std::vector<TermWeight>;  // terms ascend, weights are finite and above 0

// The terms of a sparse encoder by name: what can be said of words without running its model.
// Thread-safe.
class TermVocabulary {
 public:
  virtual ~TermVocabulary() = default;
  virtual int32_t vocabulary() const = 0;       // terms are in [0, vocabulary)
  virtual std::string name() const = 0;         // of the encoder: "splade-tiny"
  virtual std::string fingerprint() const = 0;  // changes when the passages' vectors would
  virtual std::string Term(int32_t term) const = 0;  // for people, and as TermsOf takes it
  // The terms that the words of a text consist of, in order, also those that repeat; -1 for a word
  // that the vocabulary cannot spell. Punctuation is left out.
  virtual std::vector<int32_t> Words(std::string_view text) const = 0;
  // The terms that `word` stands for: the one of this name ("##ing"), else as Words gives them.
  // {-1} for a term that says nothing of a text ("[CLS]").
  virtual std::vector<int32_t> TermsOf(std::string_view word) const = 0;
};

// Thread-safe.
class SparseEncoder : public TermVocabulary {
 public:
  // One vector a text, empty for a text that says nothing. It does not depend on the batch. Longer
  // texts are cut at the model's window.
  virtual absl::Status Encode(std::span<const std::string_view> texts, EncodeAs as,
                              std::span<SparseVector> out, const Context& context) const = 0;
};

// Reads a query and a passage together and says how well the one answers the other. Thread-safe.
class PairScorer {
 public:
  virtual ~PairScorer() = default;
  virtual std::string name() const = 0;         // "minilm-cross"
  virtual std::string fingerprint() const = 0;  // changes when the scores would
  // One score a passage, higher is better; only those of one query compare. A score does not depend
  // on the other passages. Longer texts are cut at the model's window.
  virtual absl::Status Score(std::string_view query, std::span<const std::string_view> passages,
                             std::span<float> scores, const Context& context) const = 0;
};

// The vectors of a text's tokens: [tokens, dimensions] f32, row-major, each row of unit length.
using TokenVectors = std::vector<float>;

// Late interaction: a text is the set of its tokens' vectors, each seen in its context.
// Thread-safe.
class TokenEncoder {
 public:
  virtual ~TokenEncoder() = default;
  virtual int dimensions() const = 0;
  virtual std::string name() const = 0;         // "minilm-l6"
  virtual std::string fingerprint() const = 0;  // changes when the passages' vectors would
  // Special tokens are left out, and of passages those of punctuation; a text of nothing else gives
  // no vectors. The result of a text does not depend on the batch it came in. Longer texts are cut
  // at the model's window.
  virtual absl::Status Encode(std::span<const std::string_view> texts, EncodeAs as,
                              std::span<TokenVectors> out, const Context& context) const = 0;
};

struct ChatMessage {
  std::string role;  // "system", "user", "assistant"
  std::string content;
};

// Stands in a message for the passages of a request.
inline constexpr char kPassageSlot[] = "\xEE\x80\x93";  // U+E013, private use

struct PromptPassage {
  std::string text;
  // What stands before it in its document, oldest first, and not in the prompt: a completer that
  // keeps what it computes of passages reads this first, so that it knows what a passage is about.
  std::vector<std::string> before = {};
};

struct CompletionRequest {
  std::vector<ChatMessage> messages;
  // What comes, in this order, where the last message has kPassageSlot. Each is a unit: a completer
  // may keep what it computed of one and use it again in another order, behind the same beginning
  // of the messages.
  std::vector<PromptPassage> passages;
  int64_t max_tokens = 256;
  double temperature = 0;  // 0: greedy
  std::vector<std::string> stop;
  std::string grammar;      // GBNF; "" for none
  std::string json_schema;  // "" for none
  uint64_t seed = 0;
  // Texts that the answer may quote, beside the messages: a hint for speed that changes no token.
  std::vector<std::string> quotable;
  // Called with each piece of text as it comes; false stops. May be null.
  std::function<bool(std::string_view piece)> on_text;
};

struct Completion {
  std::string text;
  std::string finish;  // "stop", "length", "cancelled"
  int64_t prompt_tokens = 0;
  int64_t tokens = 0;
  // Tokens that were guessed and checked several at once, those that were right, and the passes.
  int64_t drafted = 0, accepted = 0, draft_passes = 0;
  double first_token_s = 0;
  double total_s = 0;
  int64_t reused_tokens = 0;  // of the prompt, that were not computed for it
};

struct ScoredPair {
  std::vector<ChatMessage> messages;
  std::string continuation;
};

// Thread-compatible.
class Completer {
 public:
  virtual ~Completer() = default;
  virtual std::string name() const = 0;
  virtual int64_t context_tokens() const = 0;
  virtual absl::StatusOr<int64_t> CountTokens(std::string_view text) const = 0;
  virtual absl::StatusOr<Completion> Complete(const CompletionRequest& request,
                                              const Context& context) = 0;
  // Several requests, each with its own result, as Complete would give them one by one; an engine
  // may run them together, then on_text of one is called between calls for others.
  virtual std::vector<absl::StatusOr<Completion>> CompleteAll(
      std::span<const CompletionRequest> requests, const Context& context) {
    std::vector<absl::StatusOr<Completion>> all;
    for (const CompletionRequest& request : requests) all.push_back(Complete(request, context));
    return all;
  }
  // Sum of the natural-log probabilities of `continuation`'s tokens after the prompt (messages with
  // the generation prompt appended), one value a continuation. The prompt is computed once.
  virtual absl::StatusOr<std::vector<double>> LogLikelihood(
      const std::vector<ChatMessage>& messages, std::span<const std::string> continuations,
      const Context& context) = 0;
  // LogLikelihood of many (prompt, continuation) pairs; an engine computes what their prompts share
  // once. Results in the order given.
  virtual absl::StatusOr<std::vector<double>> LogLikelihoods(std::span<const ScoredPair> pairs,
                                                             const Context& context) {
    std::vector<double> all;
    for (const ScoredPair& pair : pairs) {
      auto one = LogLikelihood(pair.messages, {&pair.continuation, 1}, context);
      if (!one.ok()) return one.status();
      all.push_back(one->front());
    }
    return all;
  }
};

}  // namespace weir::text
