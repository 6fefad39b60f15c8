#include "model/cross_encoder.h"

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "fmt/core.h"
#include "model/text_batches.h"
#include "tensor/vector.h"

namespace weir::model {

CrossEncoder::CrossEncoder(EncoderSpec spec, std::unique_ptr<const Tokenizer> tokenizer,
                           std::unique_ptr<const Bert> bert, Head head)
    : spec_(std::move(spec)),
      tokenizer_(std::move(tokenizer)),
      bert_(std::move(bert)),
      head_(std::move(head)) {}

std::string CrossEncoder::fingerprint() const {
  return fmt::format("cross;name={};weights={};max-tokens={}", spec_.name, spec_.sha256,
                     spec_.max_tokens);
}

absl::Status CrossEncoder::Score(std::string_view query, std::span<const std::string_view> passages,
                                 std::span<float> scores, const Context& context) const {
  if (scores.size() != passages.size()) {
    return absl::InvalidArgumentError(
        fmt::format("rerank: room for {} scores; expected {}", scores.size(), passages.size()));
  }
  // [CLS] query [SEP] stands before each passage's tokens and [SEP], whose [CLS] goes.
  const size_t window = static_cast<size_t>(spec_.max_tokens);
  std::vector<std::vector<int32_t>> first = TokenizeTexts(*tokenizer_, {&query, 1}, "", context);
  WEIR_RETURN_IF_ERROR(FitSequences(first, static_cast<int64_t>(window / 2),
                                    bert_->shape().vocabulary));
  std::vector<std::vector<int32_t>> sequences = TokenizeTexts(*tokenizer_, passages, "", context);
  for (std::vector<int32_t>& ids : sequences) {
    if (ids.size() < 2) return absl::InvalidArgumentError("rerank: a tokenizer without [SEP]");
    ids.erase(ids.begin());
    ids.insert(ids.begin(), first[0].begin(), first[0].end());
  }
  WEIR_RETURN_IF_ERROR(FitSequences(sequences, static_cast<int64_t>(window),
                                    bert_->shape().vocabulary));
  const std::vector<int64_t> parts(sequences.size(), static_cast<int64_t>(first[0].size()));
  const size_t hidden = static_cast<size_t>(bert_->shape().hidden);
  return RunBatches(
      *bert_, PackSequences(sequences, parts), context,
      [&](const TextBatch& batch, const float* rows, Bert::Workspace&, Threads*) {
        for (size_t s = 0; s < batch.texts.size(); ++s) {
          const float* row = rows + batch.offsets[s] * hidden;
          const int64_t n = batch.offsets[s + 1] - batch.offsets[s];
          float sum = 0;
          for (int64_t t = 0; t < n; ++t) {
            sum += tensor::Dot(head_.mean.data(), row + t * hidden, hidden);
          }
          scores[batch.texts[s]] = sum / static_cast<float>(n) +
                                   tensor::Dot(head_.first.data(), row, hidden);
        }
      });
}

}  // namespace weir::model
