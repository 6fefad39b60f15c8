// Little-endian numbers in strings of bytes: appended, and read with every length checked first.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace weir::generate {

template <class T>
void AppendNumber(std::string& out, T value) {
  static_assert(std::is_arithmetic_v<T>);
  out.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

template <class T>
void AppendNumbers(std::string& out, std::span<const T> values) {
  static_assert(std::is_arithmetic_v<T>);
  out.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
}

// Reads from the front of bytes that outlive it. After the first failure all reads fail.
class PackedReader {
 public:
  explicit PackedReader(std::string_view bytes) : bytes_(bytes) {}

  template <class T>
  bool Number(T& out) {
    static_assert(std::is_arithmetic_v<T>);
    std::string_view part;
    if (!Bytes(sizeof(T), part)) return false;
    std::memcpy(&out, part.data(), sizeof(T));
    return true;
  }
  // Allocates only when so many are there.
  template <class T>
  bool Numbers(size_t count, std::vector<T>& out) {
    static_assert(std::is_arithmetic_v<T>);
    std::string_view part;
    if (count > bytes_.size() / sizeof(T)) return Fail();
    if (!Bytes(count * sizeof(T), part)) return false;
    out.resize(count);
    if (count > 0) std::memcpy(out.data(), part.data(), part.size());
    return true;
  }
  bool Bytes(size_t count, std::string_view& out) {
    if (failed_ || count > bytes_.size()) return Fail();
    out = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return true;
  }
  std::string_view rest() const { return bytes_; }
  bool failed() const { return failed_; }

 private:
  bool Fail() {
    failed_ = true;
    return false;
  }
  std::string_view bytes_;
  bool failed_ = false;
};

}  // namespace weir::generate
