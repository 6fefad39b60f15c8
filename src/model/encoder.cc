#include "model/encoder.h"

#include <filesystem>
#include <utility>

#include "base/files.h"
#include "base/status.h"
#include "fmt/core.h"
#include "model/adapter.h"
#include "model/bert_encoder.h"
#include "model/cross_encoder.h"
#include "model/embedded.h"
#include "model/encoder_folder.h"
#include "model/splade_encoder.h"
#include "model/token_encoder.h"
#include "model/weights.h"

namespace weir::model {
namespace {

constexpr double kBertEpsilon = 1e-12;  // where no config.json says otherwise

struct Parts {
  EncoderSpec spec;  // complete
  std::unique_ptr<const Tokenizer> tokenizer;
  std::unique_ptr<const Bert> bert;
};

absl::Status HashWeights(EncoderSpec& spec) {
  if (!spec.sha256.empty()) return absl::OkStatus();
  WEIR_ASSIGN_OR_RETURN(spec.sha256, Sha256File(spec.weights));
  return absl::OkStatus();
}

absl::Status CheckSparse(const EncoderSpec& spec) {
  if (spec.pooling == Pooling::kTerms) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format(
      "{}: gives dense vectors; expected a sparse encoder, such as splade-tiny", spec.name));
}

absl::StatusOr<Parts> LoadParts(const EncoderSpec& spec, const Context& context,
                                const SafetensorsFile* adapter = nullptr) {
  WEIR_ASSIGN_OR_RETURN(std::unique_ptr<Tokenizer> tokenizer, Tokenizer::Open(spec.tokenizer));
  WEIR_ASSIGN_OR_RETURN(
      EncoderConfig config,
      ReadEncoderConfig(std::filesystem::path(spec.weights).parent_path().string()));
  if (config.epsilon == 0) config.epsilon = kBertEpsilon;
  if (spec.heads > 0) config.heads = spec.heads;
  if (config.heads == 0) {
    return absl::InvalidArgumentError(fmt::format(
        "{}: attention heads unknown; expected num_attention_heads in config.json beside it",
        spec.weights));
  }
  WEIR_ASSIGN_OR_RETURN(std::unique_ptr<WeightFile> file, WeightFile::Open(spec.weights));
  std::unique_ptr<const AdaptedWeights> adapted;
  if (adapter != nullptr) adapted = std::make_unique<AdaptedWeights>(*file, *adapter);
  const WeightFile& weights = adapted == nullptr ? *file : static_cast<const WeightFile&>(*adapted);
  absl::StatusOr<std::unique_ptr<const Bert>> bert =
      Bert::Load(weights, config.heads, static_cast<float>(config.epsilon), spec.arithmetic,
                 context.threads, spec.pooling == Pooling::kTerms);
  if (!bert.ok()) return Annotate(bert.status(), spec.weights);
  const BertShape& shape = (*bert)->shape();
  if (spec.max_tokens < 2 || spec.max_tokens > shape.positions) {
    return absl::InvalidArgumentError(fmt::format("{}: max_tokens {}; expected 2 to {}", spec.name,
                                                  spec.max_tokens, shape.positions));
  }
  if (tokenizer->vocabulary_size() > shape.vocabulary) {
    return absl::DataLossError(fmt::format("{}: {} tokens; the weights have {}", spec.tokenizer,
                                           tokenizer->vocabulary_size(), shape.vocabulary));
  }
  EncoderSpec complete = spec;
  WEIR_RETURN_IF_ERROR(HashWeights(complete));
  return Parts{std::move(complete), std::move(tokenizer), *std::move(bert)};
}

}  // namespace

std::string_view PoolingName(Pooling pooling) {
  switch (pooling) {
    case Pooling::kMean: return "mean";
    case Pooling::kFirstToken: return "first";
    case Pooling::kTerms: return "terms";
  }
  return "";
}

absl::StatusOr<std::unique_ptr<text::Encoder>> LoadEncoder(const EncoderSpec& spec,
                                                           const Context& context) {
  if (spec.pooling == Pooling::kTerms) {
    return absl::InvalidArgumentError(
        fmt::format("{}: gives weighted terms, not dense vectors; expected a dense encoder (name "
                    "this one with --sparse-encoder)",
                    spec.name));
  }
  WEIR_ASSIGN_OR_RETURN(Parts parts, LoadParts(spec, context));
  return std::make_unique<BertEncoder>(std::move(parts.spec), std::move(parts.tokenizer),
                                       std::move(parts.bert));
}

absl::StatusOr<std::unique_ptr<text::SparseEncoder>> LoadSparseEncoder(const EncoderSpec& spec,
                                                                       const Context& context) {
  WEIR_RETURN_IF_ERROR(CheckSparse(spec));
  WEIR_ASSIGN_OR_RETURN(Parts parts, LoadParts(spec, context));
  auto pieces = std::make_unique<const WordPieces>(parts.spec, std::move(parts.tokenizer));
  return std::make_unique<SpladeEncoder>(std::move(parts.spec), std::move(pieces),
                                         std::move(parts.bert));
}

absl::StatusOr<std::unique_ptr<text::TermVocabulary>> LoadTermVocabulary(const EncoderSpec& spec) {
  WEIR_RETURN_IF_ERROR(CheckSparse(spec));
  WEIR_ASSIGN_OR_RETURN(std::unique_ptr<const Tokenizer> tokenizer,
                        Tokenizer::Open(spec.tokenizer));
  EncoderSpec complete = spec;
  WEIR_RETURN_IF_ERROR(HashWeights(complete));
  return std::make_unique<WordPieces>(std::move(complete), std::move(tokenizer));
}

absl::StatusOr<std::unique_ptr<text::PairScorer>> LoadCrossEncoder(EncoderSpec base,
                                                                   const Context& context) {
  WEIR_ASSIGN_OR_RETURN(const std::shared_ptr<const SafetensorsFile> adapter,
                        SafetensorsFile::Parse(CrossAdapter()));
  WEIR_RETURN_IF_ERROR(HashWeights(base));
  if (base.sha256 != kMinilmSha256) {
    return absl::FailedPreconditionError(
        fmt::format("{}: not the weights of {} that {} was trained on", base.weights, kCrossBase,
                    kCrossName));
  }
  WEIR_ASSIGN_OR_RETURN(Parts parts, LoadParts(base, context, adapter.get()));
  CrossEncoder::Head head;
  for (const auto& [name, into] : {std::pair{"head.mean", &head.mean}, {"head.cls", &head.first}}) {
    WEIR_ASSIGN_OR_RETURN(const SafeTensor* tensor, adapter->Tensor(name));
    WEIR_ASSIGN_OR_RETURN(*into, ReadFloats(*tensor));
    if (into->size() != static_cast<size_t>(parts.bert->shape().hidden)) {
      return absl::DataLossError(fmt::format("adapter: {}: {} values", name, into->size()));
    }
  }
  parts.spec.name = kCrossName;
  return std::make_unique<CrossEncoder>(std::move(parts.spec), std::move(parts.tokenizer),
                                        std::move(parts.bert), std::move(head));
}

absl::StatusOr<std::unique_ptr<text::TokenEncoder>> LoadTokenEncoder(const EncoderSpec& spec,
                                                                     const Context& context) {
  if (spec.pooling == Pooling::kTerms) {
    return absl::InvalidArgumentError(
        fmt::format("{}: gives weighted terms, not vectors of tokens; expected a dense encoder, "
                    "such as minilm-l6",
                    spec.name));
  }
  WEIR_ASSIGN_OR_RETURN(Parts parts, LoadParts(spec, context));
  WEIR_ASSIGN_OR_RETURN(
      TokenHead head,
      TokenHeadFor(parts.spec.sha256, static_cast<size_t>(parts.bert->shape().hidden)));
  return std::make_unique<BertTokenEncoder>(std::move(parts.spec), std::move(parts.tokenizer),
                                            std::move(parts.bert), std::move(head));
}

}  // namespace weir::model
