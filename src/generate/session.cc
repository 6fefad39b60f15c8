#include "generate/session.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "generate/sample/sampler.h"
#include "tensor/ops.h"

namespace weir::generate {
namespace {

// Tokens of a prefill chunk: enough rows to keep the products compute-bound, few enough that a
// chunk's activations stay in the second-level cache.
constexpr int64_t kChunkTokens = 256;
// Logits that Score holds at once, 32 MB; rows are then 55 for a vocabulary of 152,000.
constexpr size_t kScoreLogits = 8 << 20;
// All prompts of a session are one owner's.
constexpr std::string_view kScope = "";

}  // namespace

KvShape KvShapeOf(const model::DecoderShape& shape) {
  KvShape kv{.layers = shape.layers,
             .heads = shape.heads,
             .kv_heads = shape.kv_heads,
             .head_dim = shape.head_dim};
  for (const model::DecoderShape::Layer& layer : shape.per_layer)
    kv.windows.push_back(layer.window);
  return kv;
}

double LogSumExp(std::span<float> logits) {
  const int32_t best = ArgMax(logits);
  const double peak = logits[best];
  tensor::Softmax(logits.data(), logits.size());
  return peak -
         std::log(static_cast<double>(logits[best]));  // softmax(best) = 1 / sum(exp(x - peak))
}

absl::StatusOr<std::unique_ptr<Session>> Session::Make(
    std::shared_ptr<const model::Decoder> decoder, const KvChoice& choice, int64_t window,
    const Registry& techniques) {
  const KvShape shape = KvShapeOf(decoder->shape());
  WEIR_ASSIGN_OR_RETURN(auto policy, KvPolicy::Make(choice, shape, techniques));
  WEIR_ASSIGN_OR_RETURN(auto memory, KvMemory::Make(policy, shape, window));
  std::unique_ptr<Session> session = Over(*memory, std::move(decoder), window);
  session->prefixes_ = nullptr;  // the memory has room for one sequence alone
  session->own_memory_ = std::move(memory);
  return session;
}

std::unique_ptr<Session> Session::Over(KvMemory& memory,
                                       std::shared_ptr<const model::Decoder> decoder,
                                       int64_t window) {
  std::unique_ptr<Session> session(new Session());
  session->prefixes_ = memory.prefixes();
  session->placement_ = &memory.placement();
  session->sequence_ = memory.NewSequence();
  session->workspace_ = decoder->MakeWorkspace(kChunkTokens);
  session->window_ = window;
  session->cache_bytes_ = memory.policy()->CacheBytes(memory.shape(), window);
  session->logits_.resize(decoder->shape().vocabulary);
  session->decoder_ = std::move(decoder);
  return session;
}

void Session::Borrow(std::vector<int32_t> tokens, int64_t exact) {
  tokens_ = std::move(tokens);
  exact_ = exact;
  fresh_logits_ = false;
}

void Session::EndBorrow() {
  fresh_logits_ = false;
  if (exact_ < 0) return;
  const int64_t keep = sequence_->Reusable(std::min(exact_, size()));
  tokens_.resize(static_cast<size_t>(keep));
  sequence_->Truncate(keep);
  exact_ = -1;
}

void Session::Adopt(std::span<const int32_t> tokens) {
  fresh_logits_ = false;
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
}

void Session::Truncate(int64_t size) {
  fresh_logits_ = false;
  if (size == this->size()) return;
  sequence_->Truncate(size);
  tokens_.resize(static_cast<size_t>(size));
}

void Session::Forget() {
  Truncate(0);
  exact_ = -1;
}

void Session::Keep() {
  if (prefixes_ != nullptr && exact_ < 0) prefixes_->Insert(kScope, tokens_, *sequence_);
}

void Session::KeepCommonPrefix(std::span<const int32_t> tokens, size_t at_most) {
  const auto [mine, theirs] =
      std::mismatch(tokens_.begin(), tokens_.end(), tokens.begin(), tokens.end());
  const int64_t common = std::min<int64_t>(mine - tokens_.begin(), static_cast<int64_t>(at_most));
  const auto keep = static_cast<size_t>(sequence_->Reusable(common));
  fresh_logits_ = false;
  tokens_.resize(keep);
  sequence_->Truncate(static_cast<int64_t>(keep));
  if (static_cast<int64_t>(keep) <= exact_) exact_ = -1;
  reused_ = static_cast<int64_t>(keep);
}

void Session::TakeKeptPrefix(std::span<const int32_t> tokens, size_t at_most) {
  if (prefixes_ == nullptr || exact_ >= 0) return;  // what was borrowed is what is asked for
  const auto prefix = tokens.first(at_most);
  if (prefixes_->Match(kScope, prefix) <= size()) return;
  Forget();
  tokens_.assign(prefix.begin(), prefix.begin() + prefixes_->Adopt(kScope, prefix, *sequence_));
  reused_ = size();
}

absl::Status Session::Forward(std::span<const int32_t> tokens, model::LogitRows rows,
                              std::span<float> logits, const Context& context) {
  fresh_logits_ = false;
  const int64_t before = sequence_->length();
  absl::Status status = decoder_->Forward(tokens, *sequence_, rows, logits, *workspace_, context);
  // A cancelled call may have stored some chunks.
  const auto stored = tokens.first(static_cast<size_t>(sequence_->length() - before));
  tokens_.insert(tokens_.end(), stored.begin(), stored.end());
  return status;
}

absl::Status Session::Feed(std::span<const int32_t> tokens, const Context& context) {
  if (tokens.empty() || static_cast<int64_t>(tokens.size()) > window_) {
    return absl::InvalidArgumentError(
        absl::StrCat("prompt: ", tokens.size(), " tokens; expected 1 to ", window_));
  }
  if (fresh_logits_ && std::equal(tokens.begin(), tokens.end(), tokens_.begin(), tokens_.end())) {
    fresh_logits_ = false;
    reused_ = size();
    return absl::OkStatus();
  }
  KeepCommonPrefix(tokens, tokens.size() - 1);
  TakeKeptPrefix(tokens, tokens.size() - 1);
  const absl::Status status =
      Forward(tokens.subspan(tokens_.size()), model::LogitRows::kLast, logits_, context);
  Keep();  // also what was computed before a cancellation
  return status;
}

absl::Status Session::Append(int32_t token, const Context& context) {
  return Forward({&token, 1}, model::LogitRows::kLast, logits_, context);
}

absl::StatusOr<std::span<float>> Session::AppendAll(std::span<const int32_t> tokens,
                                                    const Context& context) {
  if (tokens.size() == 1) {
    WEIR_RETURN_IF_ERROR(Append(tokens[0], context));
    return std::span(logits_);
  }
  const size_t size = tokens.size() * logits_.size();
  if (rows_.size() < size) rows_.resize(size);
  const std::span<float> rows(rows_.data(), size);
  WEIR_RETURN_IF_ERROR(Forward(tokens, model::LogitRows::kAll, rows, context));
  return rows;
}

absl::StatusOr<double> Session::Score(std::span<const int32_t> tokens, size_t first,
                                      const Context& context) {
  const size_t inputs = tokens.size() - 1;  // the last token is only predicted
  if (static_cast<int64_t>(inputs) > window_) {
    return absl::InvalidArgumentError(
        absl::StrCat("prompt: ", tokens.size(), " tokens; the window holds ", window_));
  }
  if (first == tokens.size()) return 0.0;
  KeepCommonPrefix(tokens.first(inputs), first - 1);
  TakeKeptPrefix(tokens, first - 1);
  if (tokens_.size() < first - 1) {
    const auto silent = tokens.subspan(tokens_.size(), first - 1 - tokens_.size());
    WEIR_RETURN_IF_ERROR(Forward(silent, model::LogitRows::kNone, {}, context));
  }
  const size_t vocabulary = logits_.size();
  const size_t most = std::max<size_t>(1, kScoreLogits / vocabulary);
  double sum = 0;
  for (size_t at = first - 1; at < inputs;) {
    const size_t n = std::min({most, inputs - at, static_cast<size_t>(kChunkTokens)});
    if (rows_.size() < n * vocabulary) rows_.resize(n * vocabulary);
    const std::span<float> rows(rows_.data(), n * vocabulary);
    WEIR_RETURN_IF_ERROR(Forward(tokens.subspan(at, n), model::LogitRows::kAll, rows, context));
    std::vector<double> each(n);
    ParallelFor(context.threads, n, 1, [&](size_t begin, size_t end, int) {
      for (size_t i = begin; i < end; ++i) {
        const std::span<float> row = rows.subspan(i * vocabulary, vocabulary);
        const double target = row[tokens[at + i + 1]];
        each[i] = target - LogSumExp(row);
      }
    });
    for (double v : each) sum += v;
    at += n;
  }
  return sum;
}

}  // namespace weir::generate
