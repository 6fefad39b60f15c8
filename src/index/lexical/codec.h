// Integer codes of the postings: 128 values bit-packed in four interleaved lanes (value i lies in
// lane i mod 4, so that one 128-bit word unpacks four neighbours), variable bytes for what is left
// over, and one-byte codes for block maxima.
// Source: Lemire, Boytsov, "Decoding billions of integers per second through vectorization", 2015
// (SIMD-BP128 layout); block maxima: Ding, Suel, "Faster top-k document retrieval using block-max
// indexes", SIGIR 2011.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace weir::index {

inline constexpr uint32_t kBlockSize = 128;
inline constexpr size_t PackedBytes(int bits) { return static_cast<size_t>(bits) * 16; }

// Bits of the largest of `n` values, 0 to 32.
int BitsNeeded(const uint32_t* values, size_t n);

// REQUIRES: 0 <= bits <= 32, n <= 128, each value below 2^bits. Appends PackedBytes(bits) for 128
// values, for fewer as many 16-byte words as hold them.
void Pack(const uint32_t* values, size_t n, int bits, std::string& out);
inline constexpr size_t PackedBytes(size_t n, int bits) {
  return ((n + 3) / 4 * static_cast<size_t>(bits) + 31) / 32 * 16;
}
// Reads exactly PackedBytes(bits).
void Unpack128(const uint8_t* in, int bits, uint32_t* values);
// values[i] = base + sum over j <= i of (packed[j] + 1), modulo 2^32: document ids from their gaps.
void UnpackGaps128(const uint8_t* in, int bits, uint32_t base, uint32_t* values);
// values[i] = packed[i] + 1: frequencies.
void UnpackPlusOne128(const uint8_t* in, int bits, uint32_t* values);

// Patched packing (Zukowski et al., "Super-scalar RAM-CPU cache compression", ICDE 2006): few large
// values do not widen a block; they are packed without their high bits, which stand before the
// block. A head byte has the width in its low six bits and kPatched.
inline constexpr uint8_t kPatched = 0x40, kWidthMask = 0x3f;
inline constexpr int kMaxPatches = 8;
// Packs at the width of at least `least_bits` that takes the fewest bytes; returns the head byte.
uint8_t PackPatched(const uint32_t* values, size_t n, int least_bits, int max_patches,
                    std::string& out);

// Where the parts of a packed block lie.
struct PackedBlock {
  int bits = 0;
  uint32_t patch_count = 0;
  const uint8_t* patches = nullptr;  // {u8 index, u8 high bits} each
  const uint8_t* values = nullptr;
  const uint8_t* end = nullptr;
};
// False when the head or what follows in [in, end) is no block of n values.
bool FindPacked(uint8_t head, size_t n, const uint8_t* in, const uint8_t* end, PackedBlock& block);
// Of 128 values.
void UnpackPlusOne(const PackedBlock& block, uint32_t* values);
void UnpackGaps(const PackedBlock& block, uint32_t base, uint32_t* values);
// n values; writes 128.
void Unpack(const PackedBlock& block, size_t n, uint32_t* values);

// n values of `bits` each, one after the other from the low bits up, and zeros for a reader that
// takes eight bytes at a time. For values that are read one by one.
inline constexpr size_t PlainBytes(size_t n, int bits) {
  return (n * static_cast<size_t>(bits) + 7) / 8 + 8;
}
// REQUIRES: bits <= 32, each value below 2^bits
void PutPlain(const uint32_t* values, size_t n, int bits, std::string& out);
inline uint32_t PlainAt(const uint8_t* in, size_t i, int bits) {
  const size_t at = i * static_cast<size_t>(bits);
  uint64_t word;
  std::memcpy(&word, in + at / 8, sizeof(word));
  return static_cast<uint32_t>(word >> (at % 8) & ((uint64_t{1} << bits) - 1));
}

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
constexpr uint32_t DecodeCode(uint8_t code) {
  return code < 32 ? code : (16u + (code - 32) % 16) << ((code - 32) / 16 + 1);
}
inline constexpr uint8_t kUnboundedCode = 255;

}  // namespace weir::index
