#include "model/token_encoder.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/status.h"
#include "fmt/core.h"
#include "model/adapter.h"
#include "model/embedded.h"
#include "model/safetensors.h"
#include "model/text_batches.h"
#include "model/tokenizer/bert_words.h"
#include "text/unicode.h"

namespace weir::model {
namespace {

bool IsPunctuation(std::string_view piece) {
  for (size_t at = 0; at < piece.size();) {
    const char32_t c = text::NextCodePoint(piece, at);
    if (c != ' ' && !IsBertPunctuation(c)) return false;
  }
  return true;
}

// False when there is no direction.
bool Normalise(const float* x, size_t n, float* out) {
  double square = 0;
  for (size_t i = 0; i < n; ++i) square += double{x[i]} * x[i];
  if (!(square > 0) || !std::isfinite(square)) return false;
  const float scale = static_cast<float>(1 / std::sqrt(square));
  for (size_t i = 0; i < n; ++i) out[i] = x[i] * scale;
  return true;
}

}  // namespace

absl::StatusOr<TokenHead> TokenHeadFor(std::string_view sha256, size_t hidden) {
  struct Known {
    std::string_view sha256, name;
    std::span<const std::byte> (*bytes)();
  };
  static constexpr Known kHeads[] = {
      {kMinilmSha256, "minilm-tokens", MinilmTokenHead}, {kBgeSha256, "bge-tokens", BgeTokenHead}};
  TokenHead head;
  for (const Known& known : kHeads) {
    if (known.sha256 != sha256) continue;
    WEIR_ASSIGN_OR_RETURN(const std::shared_ptr<const SafetensorsFile> file,
                          SafetensorsFile::Parse(known.bytes()));
    WEIR_ASSIGN_OR_RETURN(const SafeTensor* tensor, file->Tensor("head"));
    WEIR_ASSIGN_OR_RETURN(head.weights, ReadFloats(*tensor));
    head.dimensions = head.weights.size() / hidden;
    if (head.dimensions == 0 || head.weights.size() != head.dimensions * hidden) {
      return absl::DataLossError(fmt::format("{}: {} values", known.name, head.weights.size()));
    }
    head.fingerprint = fmt::format("{}-{}", known.name, head.dimensions);
  }
  return head;
}

BertTokenEncoder::BertTokenEncoder(EncoderSpec spec, std::unique_ptr<const Tokenizer> tokenizer,
                                   std::unique_ptr<const Bert> bert, TokenHead head)
    : spec_(std::move(spec)),
      tokenizer_(std::move(tokenizer)),
      bert_(std::move(bert)),
      kinds_(static_cast<size_t>(bert_->shape().vocabulary), Kind::kSpecial),
      head_(std::move(head)),
      dimensions_(static_cast<size_t>(bert_->shape().hidden)) {
  if (!head_.weights.empty()) {
    matrix_ = *tensor::Matrix::Pack(
        {tensor::DType::kF32, reinterpret_cast<const std::byte*>(head_.weights.data()),
         head_.dimensions, dimensions_},
        nullptr);  // sizes fit, as required
    dimensions_ = head_.dimensions;
  }
  const auto known = std::min<int64_t>(tokenizer_->vocabulary_size(), bert_->shape().vocabulary);
  for (int32_t id = 0; id < known; ++id) {
    const std::string piece = tokenizer_->Piece(id);  // "" for control tokens
    if (piece.empty()) continue;
    kinds_[static_cast<size_t>(id)] = IsPunctuation(piece) ? Kind::kPunctuation : Kind::kWord;
  }
}

std::string BertTokenEncoder::fingerprint() const {
  const std::string head =
      head_.fingerprint.empty() ? "" : fmt::format(";head={}", head_.fingerprint);
  return fmt::format("bert-tokens;weights={};max-tokens={}{}", spec_.sha256, spec_.max_tokens,
                     head);
}

absl::Status BertTokenEncoder::Encode(std::span<const std::string_view> texts, text::EncodeAs as,
                                      std::span<text::TokenVectors> out,
                                      const Context& context) const {
  if (out.size() != texts.size()) {
    return absl::InvalidArgumentError(
        fmt::format("encode: room for {} texts; expected {}", out.size(), texts.size()));
  }
  std::vector<std::vector<int32_t>> sequences = TokenizeTexts(*tokenizer_, texts, "", context);
  WEIR_RETURN_IF_ERROR(FitSequences(sequences, spec_.max_tokens, bert_->shape().vocabulary));
  const size_t d = dimensions_;
  const auto wanted = [&](int32_t id) {
    const Kind kind = kinds_[static_cast<size_t>(id)];
    return kind == Kind::kWord ||
           (kind == Kind::kPunctuation && as == text::EncodeAs::kQuery);
  };
  return RunBatches(
      *bert_, PackSequences(sequences), context,
      [&](const TextBatch& batch, const float* rows, Bert::Workspace&, Threads* threads) {
        std::vector<float> projected;
        if (!head_.weights.empty()) {
          projected.resize(batch.ids.size() * d);
          matrix_.Multiply(rows, batch.ids.size(), projected.data(), threads);
          rows = projected.data();
        }
        for (size_t s = 0; s < batch.texts.size(); ++s) {
          text::TokenVectors& vectors = out[batch.texts[s]];
          const auto begin = batch.offsets[s], end = batch.offsets[s + 1];
          vectors.resize(static_cast<size_t>(end - begin) * d);
          size_t n = 0;
          for (int64_t t = begin; t < end; ++t) {
            if (!wanted(batch.ids[static_cast<size_t>(t)])) continue;
            n += Normalise(rows + static_cast<size_t>(t) * d, d, &vectors[n * d]);
          }
          vectors.resize(n * d);
          vectors.shrink_to_fit();
        }
      });
}

}  // namespace weir::model
