#include "model/encoder_folder.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/files.h"
#include "base/status.h"
#include "fmt/core.h"
#include "nlohmann/json.hpp"

namespace weir::model {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr uint64_t kConfigBytes = 1 << 20;

// An absent file reads as an empty object.
absl::StatusOr<Json> ReadObject(const std::string& path) {
  absl::StatusOr<std::string> text = ReadFile(path, kConfigBytes);
  if (absl::IsNotFound(text.status())) return Json::object();
  if (!text.ok()) return text.status();
  Json json = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return absl::DataLossError(path + ": not a JSON object");
  return json;
}

// A whole number in [1, limit], else 0.
int64_t Count(const Json& json, const char* name, uint64_t limit) {
  const auto it = json.find(name);
  if (it == json.end() || !it->is_number_unsigned()) return 0;
  const auto value = it->get<uint64_t>();
  return value <= limit ? static_cast<int64_t>(value) : 0;
}

absl::StatusOr<std::string> FindWeights(const std::string& folder) {
  const std::string safetensors = folder + "/model.safetensors";
  std::error_code error;
  if (fs::exists(safetensors, error)) return safetensors;
  std::string found;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() != ".onnx") continue;
    if (!found.empty()) {
      return absl::InvalidArgumentError(folder + ": more than one .onnx file; expected one");
    }
    found = it->path().string();
  }
  if (found.empty()) {
    return absl::NotFoundError(folder + ": neither model.safetensors nor a .onnx file");
  }
  return found;
}

}  // namespace

absl::StatusOr<EncoderConfig> ReadEncoderConfig(const std::string& folder) {
  WEIR_ASSIGN_OR_RETURN(Json json, ReadObject(folder + "/config.json"));
  EncoderConfig config;
  config.heads = static_cast<int>(Count(json, "num_attention_heads", 4096));
  config.positions = Count(json, "max_position_embeddings", 1 << 20);
  const auto architectures = json.find("architectures");
  if (architectures != json.end() && architectures->is_array()) {
    for (const Json& name : *architectures) config.masked_language |= name == "BertForMaskedLM";
  }
  const auto epsilon = json.find("layer_norm_eps");
  if (epsilon != json.end() && epsilon->is_number_float()) {
    const double value = epsilon->get<double>();
    if (value > 0 && value < 1) config.epsilon = value;
  }
  return config;
}

absl::StatusOr<EncoderSpec> ReadEncoderFolder(const std::string& folder) {
  EncoderSpec spec;
  WEIR_ASSIGN_OR_RETURN(spec.weights, FindWeights(folder));
  spec.tokenizer = folder + "/tokenizer.json";
  std::error_code error;
  if (!fs::exists(spec.tokenizer, error)) {
    return absl::NotFoundError(spec.tokenizer + ": no such file");
  }
  WEIR_ASSIGN_OR_RETURN(EncoderConfig config, ReadEncoderConfig(folder));
  if (config.heads == 0) {
    return absl::InvalidArgumentError(
        fmt::format("{}: no config.json with num_attention_heads", folder));
  }
  spec.heads = config.heads;
  WEIR_ASSIGN_OR_RETURN(Json pooling, ReadObject(folder + "/1_Pooling/config.json"));
  const auto first = pooling.find("pooling_mode_cls_token");
  const bool is_first = first != pooling.end() && first->is_boolean() && first->get<bool>();
  spec.pooling = is_first ? Pooling::kFirstToken : Pooling::kMean;
  if (config.masked_language) spec.pooling = Pooling::kTerms;
  WEIR_ASSIGN_OR_RETURN(Json sentence, ReadObject(folder + "/sentence_bert_config.json"));
  const int64_t window = Count(sentence, "max_seq_length", 1 << 20);
  const int64_t positions = config.positions > 0 ? config.positions : 512;
  spec.max_tokens = window > 0 ? std::min(window, positions) : positions;
  return spec;
}

}  // namespace weir::model
