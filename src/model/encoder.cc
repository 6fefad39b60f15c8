#include "model/encoder.h"

#include <filesystem>
#include <utility>

#include "base/files.h"
#include "base/status.h"
#include "fmt/core.h"
#include "model/bert_encoder.h"
#include "model/weights.h"
#include "nlohmann/json.hpp"

namespace weir::model {
namespace {

constexpr uint64_t kTokenizerBytes = 64 << 20;
constexpr uint64_t kConfigBytes = 1 << 20;

// What config.json beside the weights adds to the spec; its absence is no error.
struct Config {
  int heads = 0;
  float epsilon = 1e-12f;
};

absl::StatusOr<Config> ReadConfig(const std::string& weights) {
  const std::string path = (std::filesystem::path(weights).parent_path() / "config.json").string();
  Config config;
  absl::StatusOr<std::string> text = ReadFile(path, kConfigBytes);
  if (absl::IsNotFound(text.status())) return config;
  if (!text.ok()) return text.status();
  const auto json = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return absl::DataLossError(path + ": not a JSON object");
  const auto heads = json.find("num_attention_heads");
  if (heads != json.end() && heads->is_number_unsigned() && heads->get<uint64_t>() <= 4096) {
    config.heads = heads->get<int>();
  }
  const auto epsilon = json.find("layer_norm_eps");
  if (epsilon != json.end() && epsilon->is_number_float()) {
    const double value = epsilon->get<double>();
    if (value > 0 && value < 1) config.epsilon = static_cast<float>(value);
  }
  return config;
}

}  // namespace

absl::StatusOr<std::unique_ptr<text::Encoder>> LoadEncoder(const EncoderSpec& spec,
                                                           const Context& context) {
  WEIR_ASSIGN_OR_RETURN(std::string json, ReadFile(spec.tokenizer, kTokenizerBytes));
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = Tokenizer::FromJson(json);
  if (!tokenizer.ok()) return Annotate(tokenizer.status(), spec.tokenizer);
  WEIR_ASSIGN_OR_RETURN(Config config, ReadConfig(spec.weights));
  if (spec.heads > 0) config.heads = spec.heads;
  if (config.heads == 0) {
    return absl::InvalidArgumentError(fmt::format(
        "{}: attention heads unknown; expected num_attention_heads in config.json beside it",
        spec.weights));
  }
  WEIR_ASSIGN_OR_RETURN(std::unique_ptr<WeightFile> file, WeightFile::Open(spec.weights));
  absl::StatusOr<std::unique_ptr<const Bert>> bert =
      Bert::Load(*file, config.heads, config.epsilon, context.threads);
  if (!bert.ok()) return Annotate(bert.status(), spec.weights);
  const BertShape& shape = (*bert)->shape();
  if (spec.max_tokens < 2 || spec.max_tokens > shape.positions) {
    return absl::InvalidArgumentError(fmt::format("{}: max_tokens {}; expected 2 to {}", spec.name,
                                                  spec.max_tokens, shape.positions));
  }
  if ((*tokenizer)->vocabulary_size() > shape.vocabulary) {
    return absl::DataLossError(fmt::format("{}: {} tokens; the weights have {}", spec.tokenizer,
                                           (*tokenizer)->vocabulary_size(), shape.vocabulary));
  }
  EncoderSpec complete = spec;
  if (complete.sha256.empty()) {
    WEIR_ASSIGN_OR_RETURN(complete.sha256, Sha256File(spec.weights));
  }
  return std::make_unique<BertEncoder>(std::move(complete), *std::move(tokenizer),
                                       *std::move(bert));
}

}  // namespace weir::model
