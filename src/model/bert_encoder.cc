#include "model/bert_encoder.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/status.h"
#include "fmt/core.h"
#include "tensor/ops.h"

namespace weir::model {

BertEncoder::BertEncoder(EncoderSpec spec, std::unique_ptr<const Tokenizer> tokenizer,
                         std::unique_ptr<const Bert> bert)
    : spec_(std::move(spec)), tokenizer_(std::move(tokenizer)), bert_(std::move(bert)) {}

std::string BertEncoder::fingerprint() const {
  return fmt::format("bert;weights={};pooling={};max-tokens={};query={};passage={}", spec_.sha256,
                     spec_.pooling == Pooling::kMean ? "mean" : "first", spec_.max_tokens,
                     spec_.query_prefix, spec_.passage_prefix);
}

absl::Status BertEncoder::Encode(std::span<const std::string_view> texts, text::EncodeAs as,
                                 std::span<float> out, const Context& context) const {
  const std::string& prefix =
      as == text::EncodeAs::kQuery ? spec_.query_prefix : spec_.passage_prefix;
  std::vector<std::vector<int32_t>> sequences(texts.size());
  ParallelFor(context.threads, texts.size(), 1, [&](size_t begin, size_t end, int) {
    for (size_t i = begin; i < end; ++i) {
      const TokenizeOptions options{.add_special = true, .parse_special = false};
      sequences[i] = prefix.empty() ? tokenizer_->Encode(texts[i], options)
                                    : tokenizer_->Encode(prefix + std::string(texts[i]), options);
    }
  });
  return EncodeIds(std::move(sequences), out, context);
}

std::vector<BertEncoder::Batch> BertEncoder::Pack(
    const std::vector<std::vector<int32_t>>& sequences) const {
  std::vector<size_t> order(sequences.size());
  std::iota(order.begin(), order.end(), 0);
  // Longest first: the last batches, which end the work of each thread, are the cheapest.
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return sequences[a].size() > sequences[b].size(); });
  std::vector<Batch> batches;
  for (size_t text : order) {
    const std::vector<int32_t>& ids = sequences[text];
    if (batches.empty() || batches.back().ids.size() + ids.size() > kBatchTokens) {
      batches.emplace_back();
    }
    Batch& batch = batches.back();
    batch.texts.push_back(text);
    batch.ids.insert(batch.ids.end(), ids.begin(), ids.end());
    batch.offsets.push_back(static_cast<int64_t>(batch.ids.size()));
  }
  return batches;
}

absl::Status BertEncoder::EncodeIds(std::vector<std::vector<int32_t>> sequences,
                                    std::span<float> out, const Context& context) const {
  if (out.size() != sequences.size() * dimensions()) {
    return absl::InvalidArgumentError(fmt::format("encode: room for {} floats; expected {}",
                                                  out.size(), sequences.size() * dimensions()));
  }
  for (std::vector<int32_t>& ids : sequences) {
    if (ids.empty()) return absl::InvalidArgumentError("encode: a sequence without tokens");
    if (static_cast<int64_t>(ids.size()) > spec_.max_tokens) {
      ids[spec_.max_tokens - 1] = ids.back();
      ids.resize(spec_.max_tokens);
    }
    for (int32_t id : ids) {
      if (id < 0 || id >= bert_->shape().vocabulary) {
        return absl::InvalidArgumentError(fmt::format("encode: token id {}; expected 0 to {}", id,
                                                      bert_->shape().vocabulary - 1));
      }
    }
  }
  const std::vector<Batch> batches = Pack(sequences);
  const size_t workers = context.threads == nullptr ? 1 : context.threads->count();
  // Whole batches a thread need no barrier between operations; a few texts are better split inside.
  const bool apart = workers > 1 && batches.size() >= 2 * workers;
  const size_t parts = apart ? workers : 1;
  auto run = [&](size_t part, Threads* threads) -> absl::Status {
    std::vector<float> rows;
    Bert::Workspace workspace;
    for (size_t i = part; i < batches.size(); i += parts) {
      WEIR_RETURN_IF_ERROR(context.CheckCancelled());
      RunBatch(batches[i], rows, workspace, out.data(), threads);
    }
    return absl::OkStatus();
  };
  if (!apart) return run(0, context.threads);
  std::vector<absl::Status> results(workers);
  context.threads->Run([&](int worker) { results[worker] = run(worker, nullptr); });
  for (const absl::Status& status : results) WEIR_RETURN_IF_ERROR(status);
  return absl::OkStatus();
}

void BertEncoder::RunBatch(const Batch& batch, std::vector<float>& rows, Bert::Workspace& workspace,
                           float* out, Threads* threads) const {
  const size_t hidden = dimensions();
  if (rows.size() < batch.ids.size() * hidden) rows.resize(batch.ids.size() * hidden);
  bert_->Run(batch.ids, batch.offsets, rows.data(), workspace, threads);
  for (size_t s = 0; s < batch.texts.size(); ++s) {
    Pool(rows.data() + batch.offsets[s] * hidden, batch.offsets[s + 1] - batch.offsets[s],
         out + batch.texts[s] * hidden);
  }
}

void BertEncoder::Pool(const float* rows, int64_t n, float* out) const {
  const size_t hidden = dimensions();
  std::copy_n(rows, hidden, out);
  if (spec_.pooling == Pooling::kMean) {
    for (int64_t t = 1; t < n; ++t) tensor::Add(out, rows + t * hidden, hidden);
  }
  // The mean's divisor falls out of the normalisation.
  double square = 0;
  for (size_t i = 0; i < hidden; ++i) square += static_cast<double>(out[i]) * out[i];
  const float scale = square > 0 ? static_cast<float>(1 / std::sqrt(square)) : 0.0f;
  for (size_t i = 0; i < hidden; ++i) out[i] *= scale;
}

}  // namespace weir::model
