// Writes GGUF bytes for tests, well-formed or broken on purpose: nothing is checked, every count
// may be overruled. Tests of the readers above GGUF (tokenizer, decoder) build their files with it
// too.
//
//   std::string file = GgufBuilder().Text("general.architecture", "llama").Tensor("a", {32}, 0,
//   data).Build();
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::model {

// The little-endian bytes of a number.
template <class T>
std::string Raw(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(T));
}
// A GGUF string: length, bytes.
inline std::string RawText(std::string_view text) {
  return Raw<uint64_t>(text.size()).append(text);
}

class GgufBuilder {
 public:
  // Value type numbers of the format.
  enum : uint32_t {
    kU8,
    kI8,
    kU16,
    kI16,
    kU32,
    kI32,
    kF32,
    kBool,
    kText,
    kArray,
    kU64,
    kI64,
    kF64
  };

  GgufBuilder& Value(std::string_view key, uint32_t type, std::string_view bytes) {
    metadata_.append(RawText(key)).append(Raw(type)).append(bytes);
    ++metadata_count_;
    return *this;
  }
  GgufBuilder& U32(std::string_view key, uint32_t v) { return Value(key, kU32, Raw(v)); }
  GgufBuilder& F32(std::string_view key, float v) { return Value(key, kF32, Raw(v)); }
  GgufBuilder& Bool(std::string_view key, bool v) { return Value(key, kBool, Raw<uint8_t>(v)); }
  GgufBuilder& Text(std::string_view key, std::string_view v) {
    return Value(key, kText, RawText(v));
  }
  GgufBuilder& Array(std::string_view key, uint32_t type, uint64_t count, std::string_view bytes) {
    return Value(key, kArray, Raw(type).append(Raw(count)).append(bytes));
  }
  GgufBuilder& Texts(std::string_view key, const std::vector<std::string>& values) {
    std::string bytes;
    for (const std::string& v : values) bytes.append(RawText(v));
    return Array(key, kText, values.size(), bytes);
  }
  template <class T>
  GgufBuilder& Numbers(std::string_view key, uint32_t type, const std::vector<T>& values) {
    std::string bytes;
    for (T v : values) bytes.append(Raw(v));
    return Array(key, type, values.size(), bytes);
  }

  // Appends the data at the next aligned offset, or only the table entry when `offset` is given.
  GgufBuilder& Tensor(std::string_view name, const std::vector<uint64_t>& shape, uint32_t type,
                      std::string_view data, std::optional<uint64_t> offset = std::nullopt) {
    if (!offset) data_.resize((data_.size() + alignment_ - 1) / alignment_ * alignment_);
    tensors_.append(RawText(name)).append(Raw(static_cast<uint32_t>(shape.size())));
    for (uint64_t size : shape) tensors_.append(Raw(size));
    tensors_.append(Raw(type)).append(Raw<uint64_t>(offset.value_or(data_.size())));
    data_.append(data);
    ++tensor_count_;
    return *this;
  }

  GgufBuilder& TensorCount(uint64_t count) { return tensor_count_ = count, *this; }
  GgufBuilder& MetadataCount(uint64_t count) { return metadata_count_ = count, *this; }
  GgufBuilder& Version(uint32_t version) { return version_ = version, *this; }
  // Only where data is put; the key general.alignment is the caller's.
  GgufBuilder& Alignment(uint64_t bytes) { return alignment_ = bytes, *this; }

  std::string Build() const {
    std::string out = "GGUF" + Raw(version_) + Raw(tensor_count_) + Raw(metadata_count_);
    out.append(metadata_).append(tensors_);
    if (!data_.empty()) out.resize((out.size() + alignment_ - 1) / alignment_ * alignment_);
    return out.append(data_);
  }

 private:
  std::string metadata_, tensors_, data_;
  uint64_t metadata_count_ = 0, tensor_count_ = 0, alignment_ = 32;
  uint32_t version_ = 3;
};

}  // namespace weir::model
