// A decoder with the KV cache of one sequence, and the memory of which tokens it holds: a new
// prompt keeps the prefix it shares with the last one, or takes a longer one from the prompts that
// its KV memory keeps. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "generate/kv/sequence.h"
#include "generate/streams/kv_memory.h"
#include "model/decoder.h"

namespace weir::generate {

KvShape KvShapeOf(const model::DecoderShape& shape);

class Session {
 public:
  // `window`: most tokens the cache holds; `techniques`: what a choice may name beyond the built-in
  // values. Errors: those of the policy and its placement.
  static absl::StatusOr<std::unique_ptr<Session>> Make(
      std::shared_ptr<const model::Decoder> decoder, const KvChoice& choice, int64_t window,
      const Registry& techniques = Registry());
  // Over a memory that others use as well: prompts are kept in it and taken from it. It was made
  // for the decoder and must outlive the session.
  static std::unique_ptr<Session> Over(KvMemory& memory,
                                       std::shared_ptr<const model::Decoder> decoder,
                                       int64_t window);

  // Makes the cache hold exactly `tokens` (at least one; at most the window) and leaves the logits
  // of the last one in logits(). kCancelled keeps what was computed.
  absl::Status Feed(std::span<const int32_t> tokens, const Context& context);
  // One more token. REQUIRES: size() < window().
  absl::Status Append(int32_t token, const Context& context);
  std::span<float> logits() { return logits_; }
  // Several more tokens, and the logits after each: [tokens, vocabulary], valid until the next call
  // and bit-equal to those of one Append a token. REQUIRES: not empty, size() + tokens.size() <=
  // window().
  absl::StatusOr<std::span<float>> AppendAll(std::span<const int32_t> tokens,
                                             const Context& context);
  // Forgets the tokens from `size` on. REQUIRES: 0 <= size <= size().
  void Truncate(int64_t size);

  // Sum over j >= first of the natural log of p(tokens[j] | tokens before j). The cache holds all
  // but the last token afterwards. REQUIRES: 1 <= first <= tokens.size() <= window() + 1.
  absl::StatusOr<double> Score(std::span<const int32_t> tokens, size_t first,
                               const Context& context);

  // Lets the memory keep what the cache holds, for later prompts; Feed keeps prompts by itself.
  // Nothing is kept while something is borrowed.
  void Keep();
  void Forget();  // empties the cache
  // Takes over tokens whose keys and values the caller has put into sequence() after those that it
  // held. REQUIRES: sequence().length() == size() + tokens.size().
  void Adopt(std::span<const int32_t> tokens);
  // Takes note that sequence() was filled from elsewhere and holds `tokens`, of which computing
  // them here would give the first `exact` alone. What follows goes on from there. REQUIRES:
  // sequence().length() == tokens.size().
  void Borrow(std::vector<int32_t> tokens, int64_t exact);
  // logits() already holds those of the last of these tokens: a Feed of the same ones is done then.
  void KeepLogits() { fresh_logits_ = true; }
  // Forgets what is not exact of it, so that no later prompt shares it.
  void EndBorrow();
  std::span<const int32_t> tokens() const { return tokens_; }  // what the cache holds
  int64_t size() const { return static_cast<int64_t>(tokens_.size()); }
  int64_t window() const { return window_; }
  // Tokens of the last Feed or Score that were not computed again.
  int64_t reused() const { return reused_; }
  int64_t cache_bytes() const { return cache_bytes_; }  // of a full window
  // Of the memory now, by all who share it.
  int64_t used_cache_bytes() const { return placement_->used_bytes(); }
  PagedSequence& sequence() { return *sequence_; }
  const model::Decoder& decoder() const { return *decoder_; }
  model::Decoder::Workspace& workspace() { return *workspace_; }
  model::DecoderTimes& times() { return workspace_->times(); }

 private:
  Session() = default;
  absl::Status Forward(std::span<const int32_t> tokens, model::LogitRows rows,
                       std::span<float> logits, const Context& context);
  void KeepCommonPrefix(std::span<const int32_t> tokens, size_t at_most);
  // Replaces what is left by a longer stored prefix of at most so many tokens.
  void TakeKeptPrefix(std::span<const int32_t> tokens, size_t at_most);

  std::shared_ptr<const model::Decoder> decoder_;
  std::unique_ptr<KvMemory> own_memory_;  // null over another's
  PrefixCache* prefixes_ = nullptr;       // null: none are kept
  const KvPlacement* placement_ = nullptr;
  std::unique_ptr<PagedSequence> sequence_;
  std::unique_ptr<model::Decoder::Workspace> workspace_;
  int64_t window_ = 0, reused_ = 0, cache_bytes_ = 0;
  std::vector<int32_t> tokens_;  // what the cache holds
  int64_t exact_ = -1;           // of tokens_; < 0: all
  bool fresh_logits_ = false;    // nobody has taken those of the last of tokens_ yet
  std::vector<float> logits_;    // [vocabulary]
  // [rows, vocabulary], for Score and AppendAll; made when first used
  std::vector<float> rows_;
};

// log(sum(exp(logits))); destroys the logits. REQUIRES: not empty.
double LogSumExp(std::span<float> logits);

}  // namespace weir::generate
