#include "model/bert_encoder.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/status.h"
#include "fmt/core.h"
#include "model/text_batches.h"
#include "tensor/ops.h"

namespace weir::model {

BertEncoder::BertEncoder(EncoderSpec spec, std::unique_ptr<const Tokenizer> tokenizer,
                         std::unique_ptr<const Bert> bert)
    : spec_(std::move(spec)), tokenizer_(std::move(tokenizer)), bert_(std::move(bert)) {}

std::string BertEncoder::fingerprint() const {
  return fmt::format("bert;weights={};pooling={};max-tokens={};query={};passage={}", spec_.sha256,
                     PoolingName(spec_.pooling), spec_.max_tokens,
                     spec_.query_prefix, spec_.passage_prefix);
}

absl::Status BertEncoder::Encode(std::span<const std::string_view> texts, text::EncodeAs as,
                                 std::span<float> out, const Context& context) const {
  const std::string& prefix =
      as == text::EncodeAs::kQuery ? spec_.query_prefix : spec_.passage_prefix;
  return EncodeIds(TokenizeTexts(*tokenizer_, texts, prefix, context), out, context);
}

absl::Status BertEncoder::EncodeIds(std::vector<std::vector<int32_t>> sequences,
                                    std::span<float> out, const Context& context) const {
  const size_t hidden = dimensions();
  if (out.size() != sequences.size() * hidden) {
    return absl::InvalidArgumentError(fmt::format("encode: room for {} floats; expected {}",
                                                  out.size(), sequences.size() * hidden));
  }
  WEIR_RETURN_IF_ERROR(FitSequences(sequences, spec_.max_tokens, bert_->shape().vocabulary));
  return RunBatches(
      *bert_, PackSequences(sequences), context,
      [&](const TextBatch& batch, const float* rows, Bert::Workspace&, Threads*) {
        for (size_t s = 0; s < batch.texts.size(); ++s) {
          Pool(rows + batch.offsets[s] * hidden, batch.offsets[s + 1] - batch.offsets[s],
               out.data() + batch.texts[s] * hidden);
        }
      });
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
