// Integer codes of the postings: 128 values bit-packed in four interleaved lanes (value i lies in
// lane i mod 4, so that one 128-bit word unpacks four neighbours), variable bytes for what is left
// over, and one-byte codes for block maxima.
// Source: Lemire, Boytsov, "Decoding billions of integers per second through vectorization", 2015
// (SIMD-BP128 layout); block maxima: Ding, Suel, "Faster top-k document retrieval using block-max
// indexes", SIGIR 2011.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace weir::index {

inline constexpr uint32_t kBlockSize = 128;
inline constexpr size_t PackedBytes(int bits) { return static_cast<size_t>(bits) * 16; }

// Bits of the largest of `n` values, 0 to 32.
int BitsNeeded(const uint32_t* values, size_t n);

// REQUIRES: 0 <= bits <= 32, each of the 128 values below 2^bits. Appends PackedBytes(bits).
void Pack128(const uint32_t* values, int bits, std::string& out);
// Reads exactly PackedBytes(bits).
void Unpack128(const uint8_t* in, int bits, uint32_t* values);
// values[i] = base + sum over j <= i of (packed[j] + 1), modulo 2^32: document ids from their gaps.
void UnpackGaps128(const uint8_t* in, int bits, uint32_t base, uint32_t* values);
// values[i] = packed[i] + 1: frequencies.
void UnpackPlusOne128(const uint8_t* in, int bits, uint32_t* values);

void PutVarint(uint64_t value, std::string& out);

// Reads forward over bytes that may be hostile; after an overrun ok() is false and all reads give
// 0.
class ByteReader {
 public:
  ByteReader(const uint8_t* begin, const uint8_t* end) : at_(begin), end_(end) {}
  bool ok() const { return ok_; }
  const uint8_t* at() const { return at_; }
  size_t left() const { return static_cast<size_t>(end_ - at_); }
  uint64_t Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at_ == end_) break;
      uint8_t byte = *at_++;
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return Fail();
  }
  uint8_t Byte() { return at_ == end_ ? static_cast<uint8_t>(Fail()) : *at_++; }
  // Null when fewer than n bytes are left.
  const uint8_t* Take(uint64_t n) {
    if (n > left()) {
      Fail();
      return nullptr;
    }
    const uint8_t* begin = at_;
    at_ += n;
    return begin;
  }

 private:
  uint64_t Fail() {
    ok_ = false;
    at_ = end_;
    return 0;
  }
  const uint8_t* at_;
  const uint8_t* end_;
  bool ok_ = true;
};

// One byte for a length or a frequency: exact below 32, then four significant bits. Floor never
// exceeds the value, Ceil is never below it (255 then stands for "without bound").
uint8_t FloorCode(uint32_t value);
uint8_t CeilCode(uint32_t value);
uint32_t DecodeCode(uint8_t code);
inline constexpr uint8_t kUnboundedCode = 255;

}  // namespace weir::index
