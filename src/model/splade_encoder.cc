#include "model/splade_encoder.h"

#include <cmath>
#include <utility>

#include "base/status.h"
#include "fmt/core.h"
#include "model/text_batches.h"

namespace weir::model {
namespace {

text::SparseVector Weights(std::span<const float> peaks) {
  text::SparseVector out;
  for (size_t term = 0; term < peaks.size(); ++term) {
    if (!(peaks[term] > 0)) continue;
    const float weight = std::log1p(peaks[term]);
    if (std::isfinite(weight) && weight > 0) out.push_back({static_cast<int32_t>(term), weight});
  }
  return out;
}

}  // namespace

SpladeEncoder::SpladeEncoder(EncoderSpec spec, std::unique_ptr<const WordPieces> pieces,
                             std::unique_ptr<const Bert> bert)
    : spec_(std::move(spec)), pieces_(std::move(pieces)), bert_(std::move(bert)) {}

absl::Status SpladeEncoder::Encode(std::span<const std::string_view> texts, text::EncodeAs as,
                                   std::span<text::SparseVector> out,
                                   const Context& context) const {
  const std::string& prefix =
      as == text::EncodeAs::kQuery ? spec_.query_prefix : spec_.passage_prefix;
  return EncodeIds(TokenizeTexts(pieces_->tokenizer(), texts, prefix, context), out, context);
}

absl::Status SpladeEncoder::EncodeIds(std::vector<std::vector<int32_t>> sequences,
                                      std::span<text::SparseVector> out,
                                      const Context& context) const {
  if (out.size() != sequences.size()) {
    return absl::InvalidArgumentError(fmt::format("encode: room for {} vectors; expected {}",
                                                  out.size(), sequences.size()));
  }
  const size_t vocabulary = bert_->shape().vocabulary;
  WEIR_RETURN_IF_ERROR(
      FitSequences(sequences, spec_.max_tokens, static_cast<int64_t>(vocabulary)));
  return RunBatches(
      *bert_, PackSequences(sequences), context,
      [&](const TextBatch& batch, float* rows, Bert::Workspace& workspace, Threads* threads) {
        std::vector<float> peaks(batch.texts.size() * vocabulary);
        bert_->Terms(rows, batch.offsets, peaks.data(), workspace, threads);
        for (size_t s = 0; s < batch.texts.size(); ++s) {
          out[batch.texts[s]] = Weights(std::span(peaks).subspan(s * vocabulary, vocabulary));
        }
      });
}

}  // namespace weir::model
