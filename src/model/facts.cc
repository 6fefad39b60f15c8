#include "model/facts.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "base/files.h"
#include "base/status.h"
#include "fmt/core.h"
#include "model/decoder_family.h"
#include "model/gguf.h"
#include "model/quoted.h"
#include "model/weights.h"

namespace weir::model {
namespace {

constexpr uint64_t kLayers = 512;
constexpr uint64_t kWidth = 1 << 20;  // of hidden sizes and head counts

// A count from the metadata, at most `limit`; an absent one becomes `fallback` unless that is 0.
absl::StatusOr<uint64_t> Count(const GgufFile& file, const std::string& key, uint64_t limit,
                               uint64_t fallback = 0) {
  absl::StatusOr<uint64_t> value = file.Unsigned(key);
  if (absl::IsNotFound(value.status())) {
    if (fallback != 0) return fallback;
    return absl::DataLossError(fmt::format("GGUF metadata '{}': absent", key));
  }
  if (!value.ok()) return value.status();
  if (*value == 0 || *value > limit) {
    return absl::DataLossError(
        fmt::format("GGUF metadata '{}': {}; expected 1 to {}", key, *value, limit));
  }
  return *value;
}

void SetTensors(const std::vector<WeightInfo>& tensors, ModelFacts& facts) {
  std::map<std::string, int64_t> counts;
  for (const WeightInfo& tensor : tensors) {
    ++counts[tensor.type];
    facts.parameters += static_cast<int64_t>(tensor.size);
  }
  facts.tensor_types.assign(counts.begin(), counts.end());
  std::stable_sort(facts.tensor_types.begin(), facts.tensor_types.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
}

absl::Status ReadBertFacts(const ModelRecord& record, ModelFacts& facts) {
  facts.architecture = "bert";
  WEIR_ASSIGN_OR_RETURN(std::unique_ptr<WeightFile> file, WeightFile::Open(facts.path));
  SetTensors(file->Infos(), facts);
  const char* of_first_layer = "encoder.layer.0.output.dense.bias";
  std::string prefix = file->Has(std::string("bert.") + of_first_layer) ? "bert." : "";
  absl::StatusOr<FloatTensor> bias = file->Tensor(prefix + of_first_layer);
  if (!bias.ok()) return bias.status();
  facts.hidden = static_cast<int>(bias->size());
  while (facts.layers < static_cast<int>(kLayers) &&
         file->Has(fmt::format("{}encoder.layer.{}.output.dense.bias", prefix, facts.layers))) {
    ++facts.layers;
  }
  facts.context = record.encoder.max_tokens;
  WEIR_ASSIGN_OR_RETURN(const WeightRows words,
                        file->Rows(prefix + "embeddings.word_embeddings.weight"));
  const uint64_t word_parameters = words.shape()[0] * words.shape()[1];
  facts.weight_memory = (facts.parameters - static_cast<int64_t>(word_parameters)) *
                            static_cast<int64_t>(sizeof(float)) +
                        static_cast<int64_t>(words.bytes());
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadGgufFacts(const GgufFile& file, ModelFacts& facts) {
  WEIR_ASSIGN_OR_RETURN(std::string_view architecture, file.String("general.architecture"));
  facts.architecture = architecture;
  if (FindDecoderFamily(architecture) == nullptr) {
    return absl::UnimplementedError(fmt::format("architecture {}; this build runs {}",
                                                Quoted(architecture), DecoderFamilyNames()));
  }
  const std::string base = facts.architecture + ".";
  WEIR_ASSIGN_OR_RETURN(uint64_t layers, Count(file, base + "block_count", kLayers));
  WEIR_ASSIGN_OR_RETURN(uint64_t hidden, Count(file, base + "embedding_length", kWidth));
  WEIR_ASSIGN_OR_RETURN(uint64_t heads, Count(file, base + "attention.head_count", kWidth));
  WEIR_ASSIGN_OR_RETURN(uint64_t kv_heads,
                        Count(file, base + "attention.head_count_kv", kWidth, heads));
  WEIR_ASSIGN_OR_RETURN(uint64_t key_length, Count(file, base + "attention.key_length", kWidth,
                                                   std::max<uint64_t>(1, hidden / heads)));
  WEIR_ASSIGN_OR_RETURN(uint64_t context, Count(file, base + "context_length", 1u << 31));
  facts.layers = static_cast<int>(layers);
  facts.hidden = static_cast<int>(hidden);
  facts.context = static_cast<int64_t>(context);
  // Factors of at most 2^9, 2^20, 2^20 and 2^12: no overflow.
  facts.kv_memory_1k = static_cast<int64_t>(layers * kv_heads * key_length * 2 * 2 * 1024);
  if (absl::StatusOr<std::string_view> licence = file.String("general.license"); licence.ok()) {
    facts.licence = *licence;
  }
  std::vector<WeightInfo> tensors;
  facts.weight_memory = 0;
  for (const GgufTensor& t : file.tensors()) {
    WeightInfo& info = tensors.emplace_back();
    info.type = tensor::InfoOf(t.type).name;
    info.size = 1;  // bounded by the file's size
    for (const uint64_t d : t.shape) info.size *= d;
    facts.weight_memory += static_cast<int64_t>(t.data.size());
  }
  SetTensors(tensors, facts);
  return absl::OkStatus();
}

absl::StatusOr<ModelFacts> ReadFacts(const ModelRecord& record, bool hash) {
  ModelFacts facts;
  facts.name = record.name;
  facts.kind = record.kind;
  facts.path = record.kind != ModelKind::kEncoder ? record.path : record.encoder.weights;
  std::error_code error;
  facts.bytes = static_cast<int64_t>(std::filesystem::file_size(facts.path, error));
  if (error) return ErrnoStatus(error.value(), facts.path);
  absl::Status status;
  if (record.kind == ModelKind::kDecoder) {
    WEIR_ASSIGN_OR_RETURN(std::shared_ptr<const GgufFile> file, GgufFile::Open(facts.path));
    status = ReadGgufFacts(*file, facts);
  } else if (record.kind == ModelKind::kDictionary) {
    facts.architecture = KindName(record.kind);
  } else {
    status = ReadBertFacts(record, facts);
  }
  if (!status.ok()) return Annotate(status, facts.path);
  if (!record.licence.empty()) facts.licence = record.licence;
  facts.terms = record.terms;
  if (hash) {
    WEIR_ASSIGN_OR_RETURN(facts.sha256, Sha256File(facts.path));
  }
  return facts;
}

}  // namespace weir::model
