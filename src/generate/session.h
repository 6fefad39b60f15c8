// A decoder with the one KV cache of an engine, and the memory of which tokens it holds: a new
// prompt keeps the prefix it shares with the last one. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "generate/kv/sequence.h"
#include "model/decoder.h"

namespace weir::generate {

KvShape KvShapeOf(const model::DecoderShape& shape);

class Session {
 public:
  // `window`: most tokens the cache holds. Errors: those of the policy and its placement.
  static absl::StatusOr<std::unique_ptr<Session>> Make(
      std::shared_ptr<const model::Decoder> decoder, const KvChoice& choice, int64_t window);

  // Makes the cache hold exactly `tokens` (at least one; at most the window) and leaves the logits
  // of the last one in logits(). kCancelled keeps what was computed.
  absl::Status Feed(std::span<const int32_t> tokens, const Context& context);
  // One more token. REQUIRES: size() < window().
  absl::Status Append(int32_t token, const Context& context);
  std::span<float> logits() { return logits_; }

  // Sum over j >= first of the natural log of p(tokens[j] | tokens before j). The cache holds all
  // but the last token afterwards. REQUIRES: 1 <= first <= tokens.size() <= window() + 1.
  absl::StatusOr<double> Score(std::span<const int32_t> tokens, size_t first,
                               const Context& context);

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
  int64_t size() const { return static_cast<int64_t>(tokens_.size()); }
  int64_t window() const { return window_; }
  // Tokens of the last Feed or Score that were not computed again.
  int64_t reused() const { return reused_; }
  int64_t cache_bytes() const { return cache_bytes_; }
  PagedSequence& sequence() { return *sequence_; }
  const model::Decoder& decoder() const { return *decoder_; }
  model::Decoder::Workspace& workspace() { return *workspace_; }
  std::span<const int32_t> tokens() const { return tokens_; }
  model::DecoderTimes& times() { return workspace_->times(); }

 private:
  Session() = default;
  absl::Status Forward(std::span<const int32_t> tokens, model::LogitRows rows,
                       std::span<float> logits, const Context& context);
  void KeepCommonPrefix(std::span<const int32_t> tokens, size_t at_most);

  std::shared_ptr<const model::Decoder> decoder_;
  std::unique_ptr<KvPlacement> placement_;
  std::unique_ptr<PagedSequence> sequence_;
  std::unique_ptr<model::Decoder::Workspace> workspace_;
  int64_t window_ = 0, reused_ = 0, cache_bytes_ = 0;
  std::vector<int32_t> tokens_;  // what the cache holds
  int64_t exact_ = -1;           // of tokens_; < 0: all
  bool fresh_logits_ = false;    // nobody has taken those of the last of tokens_ yet
  std::vector<float> logits_;    // [vocabulary]
  std::vector<float> rows_;      // [rows, vocabulary], for Score; made when first used
};

// log(sum(exp(logits))); destroys the logits. REQUIRES: not empty.
double LogSumExp(std::span<float> logits);

}  // namespace weir::generate
