#include "generate/prompt_cache/model_identity.h"

#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "generate/prompt_cache/codec_frame.h"
#include "tensor/dtype.h"

namespace weir::generate {
namespace {

constexpr size_t kMaxText = 256, kMaxBases = 16;

class Hash {
 public:
  Hash() : state_(XXH3_createState()) { XXH3_64bits_reset(state_.get()); }
  void Add(const void* bytes, size_t size) { XXH3_64bits_update(state_.get(), bytes, size); }
  void Add(std::string_view text) {
    const uint64_t size = text.size();
    Add(&size, sizeof(size));
    Add(text.data(), size);
  }
  template <class T>
  void AddNumber(T value) {
    Add(&value, sizeof(value));
  }
  uint64_t value() const { return XXH3_64bits_digest(state_.get()); }

 private:
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  std::unique_ptr<XXH3_state_t, Free> state_;
};

void AddValue(Hash& hash, const model::GgufValue& value) {
  hash.AddNumber(static_cast<uint32_t>(value.index()));
  if (const auto* text = std::get_if<std::string_view>(&value)) return hash.Add(*text);
  if (const auto* number = std::get_if<uint64_t>(&value)) return hash.AddNumber(*number);
  if (const auto* number = std::get_if<int64_t>(&value)) return hash.AddNumber(*number);
  if (const auto* number = std::get_if<double>(&value)) return hash.AddNumber(*number);
  if (const auto* truth = std::get_if<bool>(&value)) return hash.AddNumber(*truth);
  std::visit(
      [&hash](const auto& list) {
        hash.AddNumber(static_cast<uint64_t>(list.size()));
        for (const auto& item : list) {
          if constexpr (std::is_same_v<std::decay_t<decltype(item)>, std::string_view>) {
            hash.Add(item);
          } else {
            hash.AddNumber(item);
          }
        }
      },
      std::get<std::shared_ptr<const model::GgufArray>>(value)->values);
}

// Of the metadata whose keys begin with a prefix, in the order of the keys.
void AddMetadata(Hash& hash, const model::GgufFile& file, std::string_view prefix) {
  std::map<std::string_view, const model::GgufValue*> sorted;
  for (const auto& [key, value] : file.metadata()) {
    if (absl::StartsWith(key, prefix)) sorted.emplace(key, &value);
  }
  for (const auto& [key, value] : sorted) {
    hash.Add(key);
    AddValue(hash, *value);
  }
}

std::string TypesOf(const model::GgufFile& file) {
  std::map<std::string_view, int> counts;
  for (const model::GgufTensor& t : file.tensors()) ++counts[tensor::InfoOf(t.type).name];
  std::vector<std::pair<int, std::string_view>> sorted;
  for (const auto& [name, count] : counts) sorted.emplace_back(-count, name);
  std::sort(sorted.begin(), sorted.end());
  return absl::StrJoin(sorted, ", ", [](std::string* out, const auto& item) {
    absl::StrAppend(out, item.second, " ", -item.first);
  });
}

template <class T>
absl::Status Differs(std::string_view what, const T& saved, const T& loaded) {
  return absl::InvalidArgumentError(absl::StrCat("the prompt was saved with another model: ", what,
                                                 " ", saved, ", the loaded one has ", loaded));
}

}  // namespace

ModelIdentity ModelIdentity::Of(const model::GgufFile& file, const model::DecoderShape& shape) {
  ModelIdentity id;
  id.architecture = shape.architecture;
  id.types = TypesOf(file);
  if (id.types.size() > kMaxText) id.types.resize(kMaxText);
  id.rope_bases = shape.rope_bases;
  id.shape = {shape.layers, shape.kv_heads, shape.head_dim};
  id.vocabulary = shape.vocabulary;
  Hash tokenizer;
  AddMetadata(tokenizer, file, "tokenizer.ggml.");
  id.tokenizer = tokenizer.value();
  Hash weights;
  AddMetadata(weights, file, absl::StrCat(shape.architecture, "."));
  for (const model::GgufTensor& t : file.tensors()) {
    weights.Add(t.name);
    weights.AddNumber(static_cast<uint32_t>(t.type));
    weights.Add(t.data.data(), t.data.size());
    (void)file.Release(t);  // the decoder has packed what it needs
  }
  id.weights = weights.value();
  return id;
}

absl::Status ModelIdentity::CheckSame(const ModelIdentity& loaded) const {
  if (architecture != loaded.architecture) {
    return Differs("architecture", architecture, loaded.architecture);
  }
  if (shape != loaded.shape) {
    const auto text = [](const KvCodecShape& s) {
      return absl::StrCat(s.layers, " layers of ", s.kv_heads, " KV heads of ", s.head_dim);
    };
    return Differs("shape", text(shape), text(loaded.shape));
  }
  if (types != loaded.types) return Differs("quantisation", types, loaded.types);
  if (rope_bases != loaded.rope_bases) {
    return Differs("rope base", absl::StrJoin(rope_bases, " and "),
                   absl::StrJoin(loaded.rope_bases, " and "));
  }
  if (vocabulary != loaded.vocabulary) {
    return Differs("vocabulary", vocabulary, loaded.vocabulary);
  }
  if (tokenizer != loaded.tokenizer) {
    return Differs("tokenizer", absl::StrCat(absl::Hex(tokenizer)),
                   absl::StrCat(absl::Hex(loaded.tokenizer)));
  }
  if (weights != loaded.weights) {
    return Differs("weights", absl::StrCat(absl::Hex(weights)),
                   absl::StrCat(absl::Hex(loaded.weights)));
  }
  return absl::OkStatus();
}

void ModelIdentity::AppendTo(std::string& out) const {
  for (const std::string* text : {&architecture, &types}) {
    AppendNumber(out, static_cast<uint16_t>(text->size()));
    out += *text;
  }
  AppendNumber(out, static_cast<uint16_t>(rope_bases.size()));
  AppendNumbers(out, std::span<const float>(rope_bases));
  for (int size : {shape.layers, shape.kv_heads, shape.head_dim, vocabulary}) {
    AppendNumber(out, static_cast<uint32_t>(size));
  }
  AppendNumber(out, tokenizer);
  AppendNumber(out, weights);
}

absl::StatusOr<ModelIdentity> ModelIdentity::Read(PackedReader& reader) {
  ModelIdentity id;
  for (std::string* text : {&id.architecture, &id.types}) {
    uint16_t size = 0;
    std::string_view bytes;
    if (!reader.Number(size) || size > kMaxText || !reader.Bytes(size, bytes)) {
      return absl::DataLossError("model identity: a name is cut or too long");
    }
    *text = std::string(bytes);
  }
  uint16_t bases = 0;
  uint32_t sizes[4] = {};
  if (!reader.Number(bases) || bases > kMaxBases || !reader.Numbers(bases, id.rope_bases) ||
      !reader.Number(sizes[0]) || !reader.Number(sizes[1]) || !reader.Number(sizes[2]) ||
      !reader.Number(sizes[3]) || !reader.Number(id.tokenizer) || !reader.Number(id.weights)) {
    return absl::DataLossError("model identity: cut");
  }
  for (uint32_t size : sizes) {
    if (size == 0 || size > INT32_MAX) return absl::DataLossError("model identity: a size of 0");
  }
  id.shape = {static_cast<int>(sizes[0]), static_cast<int>(sizes[1]), static_cast<int>(sizes[2])};
  if (!CheckShape(id.shape).ok()) {
    return absl::DataLossError("model identity: sizes beyond the limits");
  }
  id.vocabulary = static_cast<int32_t>(sizes[3]);
  return id;
}

}  // namespace weir::generate
