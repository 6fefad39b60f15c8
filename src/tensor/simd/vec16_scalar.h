// Sixteen lanes in plain C++: the vector type of the scalar target. vec16_avx2.h and vec16_avx512.h
// give the same operations with the same results, bit for bit; the -inl.h files are written in
// them.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "tensor/dtype.h"

namespace weir::tensor::scalar {

struct Floats {
  float v[16];
};
struct Ints {
  int32_t v[16];
};

template <class F>
inline Floats Map(F f) {
  Floats out;
  for (int i = 0; i < 16; ++i) out.v[i] = f(i);
  return out;
}
template <class F>
inline Ints MapInts(F f) {
  Ints out;
  for (int i = 0; i < 16; ++i) out.v[i] = f(i);
  return out;
}

inline Floats Set(float x) {
  return Map([&](int) { return x; });
}
inline Floats Load(const float* p) {
  return Map([&](int i) { return p[i]; });
}
inline Floats LoadSome(const float* p, size_t n) {
  return Map([&](int i) { return static_cast<size_t>(i) < n ? p[i] : 0.0f; });
}
inline void Store(float* p, Floats a) { std::memcpy(p, a.v, sizeof(a.v)); }
inline void StoreSome(float* p, Floats a, size_t n) {
  std::memcpy(p, a.v, 4 * std::min<size_t>(n, 16));
}
inline Floats LoadHalf(const void* p) {
  uint16_t h[16];
  std::memcpy(h, p, sizeof(h));
  return Map([&](int i) { return HalfToFloat(h[i]); });
}
inline Floats LoadBf16(const void* p) {
  uint16_t h[16];
  std::memcpy(h, p, sizeof(h));
  return Map([&](int i) { return std::bit_cast<float>(static_cast<uint32_t>(h[i]) << 16); });
}
inline void StoreHalf(void* p, Floats a) {
  uint16_t h[16];
  for (int i = 0; i < 16; ++i) h[i] = FloatToHalf(a.v[i]);
  std::memcpy(p, h, sizeof(h));
}

inline Floats Add(Floats a, Floats b) {
  return Map([&](int i) { return a.v[i] + b.v[i]; });
}
inline Floats Sub(Floats a, Floats b) {
  return Map([&](int i) { return a.v[i] - b.v[i]; });
}
inline Floats Mul(Floats a, Floats b) {
  return Map([&](int i) { return a.v[i] * b.v[i]; });
}
inline Floats Div(Floats a, Floats b) {
  return Map([&](int i) { return a.v[i] / b.v[i]; });
}
inline Floats Max(Floats a, Floats b) {
  return Map([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
}
inline Floats Min(Floats a, Floats b) {
  return Map([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
}
inline Floats Fma(Floats a, Floats b, Floats c) {
  return Map([&](int i) { return std::fma(a.v[i], b.v[i], c.v[i]); });
}
inline Floats Abs(Floats a) {
  return Map([&](int i) { return std::fabs(a.v[i]); });
}
inline Floats Round(Floats a) {
  return Map([&](int i) { return std::nearbyint(a.v[i]); });
}
// fma(a, b, -c) in even lanes, fma(a, b, c) in odd ones.
inline Floats FmaAlternate(Floats a, Floats b, Floats c) {
  return Map([&](int i) { return std::fma(a.v[i], b.v[i], i % 2 == 0 ? -c.v[i] : c.v[i]); });
}
inline Floats SwapPairs(Floats a) {
  return Map([&](int i) { return a.v[i ^ 1]; });
}
inline Floats DuplicateEven(Floats a) {
  return Map([&](int i) { return a.v[i & ~1]; });
}
inline Floats DuplicateOdd(Floats a) {
  return Map([&](int i) { return a.v[i | 1]; });
}
// The even (or odd) elements of 32 floats in two vectors.
inline Floats Evens(Floats a, Floats b) {
  return Map([&](int i) { return i < 8 ? a.v[2 * i] : b.v[2 * i - 16]; });
}
inline Floats Odds(Floats a, Floats b) {
  return Map([&](int i) { return i < 8 ? a.v[2 * i + 1] : b.v[2 * i - 15]; });
}
// v where !(x < limit), else 0.
inline Floats ZeroBelow(Floats x, Floats limit, Floats v) {
  return Map([&](int i) { return x.v[i] < limit.v[i] ? 0.0f : v.v[i]; });
}
// a where x < 0, else b.
inline Floats IfNegative(Floats x, Floats a, Floats b) {
  return Map([&](int i) { return x.v[i] < 0.0f ? a.v[i] : b.v[i]; });
}
// v where bit i of `bits` is set, else `other`.
inline Floats Select(uint32_t bits, Floats v, Floats other) {
  return Map([&](int i) { return (bits >> i) & 1 ? v.v[i] : other.v[i]; });
}
// 2^n * a by adding to the exponent; n integral, result must be normal.
inline Floats ScaleExponent(Floats a, Floats n) {
  return Map([&](int i) {
    const uint32_t shift =
        static_cast<uint32_t>(n.v[i] > -1e9f && n.v[i] < 1e9f ? static_cast<int32_t>(n.v[i]) : 0);
    return std::bit_cast<float>(std::bit_cast<uint32_t>(a.v[i]) + (shift << 23));
  });
}

// a times 2 to the integer in the low bits of n; 0 where x is below the limit.
inline Floats AddExponentUnlessBelow(Floats a, Floats n, Floats x, Floats limit) {
  return Map([&](int i) {
    const uint32_t shift = std::bit_cast<uint32_t>(n.v[i]) << 23;
    const float sum = std::bit_cast<float>(std::bit_cast<uint32_t>(a.v[i]) + shift);
    return x.v[i] < limit.v[i] ? 0.0f : sum;
  });
}

// Keeps the compiler from seeing through a value.
inline void Keep(Floats& a) { asm volatile("" : "+m"(a)); }

inline float First(Floats a) { return a.v[0]; }
inline float ReduceAdd(Floats a) {
  for (int step = 8; step > 0; step /= 2) {
    for (int i = 0; i < step; ++i) a.v[i] = a.v[i] + a.v[i + step];
  }
  return a.v[0];
}
inline float ReduceMax(Floats a) {
  for (int step = 8; step > 0; step /= 2) {
    for (int i = 0; i < step; ++i) a.v[i] = a.v[i] > a.v[i + step] ? a.v[i] : a.v[i + step];
  }
  return a.v[0];
}

inline Ints AbsBits(Floats a) {
  return MapInts(
      [&](int i) { return static_cast<int32_t>(std::bit_cast<uint32_t>(a.v[i]) & 0x7fffffffu); });
}
inline Ints MaxInts(Ints a, Ints b) {
  return MapInts([&](int i) { return std::max(a.v[i], b.v[i]); });
}
inline int32_t ReduceMaxInts(Ints a) { return *std::max_element(a.v, a.v + 16); }
inline int32_t ReduceAddInts(Ints a) {
  int32_t sum = 0;
  for (int32_t x : a.v) sum += x;
  return sum;
}
// Rounds to even and clamps to [-127, 127]; what is no number becomes -127.
inline Ints ToCodes(Floats a) {
  return MapInts([&](int i) {
    if (!(std::fabs(a.v[i]) < 1e9f)) return -127;
    return std::clamp(static_cast<int32_t>(std::nearbyint(a.v[i])), -127, 127);
  });
}
inline void StoreBytes(int8_t* p, Ints a) {
  for (int i = 0; i < 16; ++i) p[i] = static_cast<int8_t>(a.v[i]);
}

// For attention over int8 blocks: a line is 16 lanes of 4 bytes.
inline Ints ZeroInts() {
  return MapInts([](int) { return 0; });
}
inline Ints LoadLine(const void* p) {
  Ints out;
  std::memcpy(out.v, p, sizeof(out.v));
  return out;
}
inline Floats ToFloats(Ints a) {
  return Map([&](int i) { return static_cast<float>(a.v[i]); });
}
inline int32_t ByteOf(int32_t word, int i) {
  return static_cast<int8_t>(static_cast<uint32_t>(word) >> (8 * i));
}
// What the sum of a part starts at; here keys are taken as signed, so at nothing.
inline Ints KeyStart(int32_t) { return ZeroInts(); }
// Adds the four products of (stored key - 128) and query of each lane.
inline Ints DotKeys(Ints acc, Ints line, const int8_t* q) {
  return MapInts([&](int i) {
    int32_t sum = acc.v[i];
    for (int b = 0; b < 4; ++b)
      sum += ByteOf(line.v[i] ^ static_cast<int32_t>(0x80808080u), b) * q[b];
    return sum;
  });
}
// Adds the four products of weight (7 bits) and signed value of each lane.
inline Ints DotValues(Ints acc, const uint8_t* weights, Ints line) {
  return MapInts([&](int i) {
    int32_t sum = acc.v[i];
    for (int b = 0; b < 4; ++b) sum += ByteOf(line.v[i], b) * weights[b];
    return sum;
  });
}
inline Ints AddShifted7(Ints high, Ints low) {
  return MapInts([&](int i) { return high.v[i] * 128 + low.v[i]; });
}
// Rounds to even and clamps to 14 bits; what is no number becomes 0.
inline Ints ToWeights(Floats a) {
  return MapInts([&](int i) {
    if (!(std::fabs(a.v[i]) < 1e9f)) return 0;
    return std::clamp(static_cast<int32_t>(std::nearbyint(a.v[i])), 0, 16383);
  });
}
inline Ints ShiftRight7(Ints a) {
  return MapInts([&](int i) { return a.v[i] >> 7; });
}
inline Ints LowSeven(Ints a) {
  return MapInts([&](int i) { return a.v[i] & 127; });
}

// Weights of 64 keys in [0, 16383], rounded, as two factors of 7 bits.
inline void StoreFactors(uint8_t* high, uint8_t* low, const Floats (&weights)[4]) {
  for (int i = 0; i < 4; ++i) {
    const Ints codes = ToWeights(weights[i]);
    StoreBytes(reinterpret_cast<int8_t*>(high + 16 * i), ShiftRight7(codes));
    StoreBytes(reinterpret_cast<int8_t*>(low + 16 * i), LowSeven(codes));
  }
}

// For moving keys: byte `i` of each lane, less the 128 that a stored key is raised by, and back.
inline void StoreLine(void* p, Ints a) { std::memcpy(p, a.v, sizeof(a.v)); }
inline Floats KeyBytes(Ints line, int i) {
  return Map([&](int j) {
    const uint32_t byte = static_cast<uint32_t>(line.v[j]) >> (8 * i) & 255;
    return static_cast<float>(static_cast<int32_t>(byte) - 128);
  });
}
inline Ints AddKeyBytes(Ints line, Ints codes, int i) {
  return MapInts([&](int j) {
    const uint32_t raised = static_cast<uint32_t>(codes.v[j] + 128) << (8 * i);
    return static_cast<int32_t>(static_cast<uint32_t>(line.v[j]) | raised);
  });
}

}  // namespace weir::tensor::scalar
