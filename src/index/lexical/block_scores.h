// BM25 of a block of documents at a time, with the roundings of Bm25Saturation.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "index/lexical/bm25.h"
#include "index/lexical/format.h"

namespace weir::index {

// Bounds are compared after this much slack: f32 and f64 roundings of bounds are far below it.
inline constexpr double kSlack = 1 + 1e-6;
// More blocks than this in a window: the list's bound does, it costs nothing.
inline constexpr uint32_t kMaxBoundBlocks = 8;

// out[i] = factor * f / (f + (constant + per_token * length)), four lanes at a time. REQUIRES: all
// three arrays have room for a multiple of four.
inline void ScoreBlock(const uint32_t* frequencies, const uint32_t* lengths, uint32_t count,
                       float factor, const Bm25Saturation& s, float* out) {
  typedef float V4f __attribute__((vector_size(16)));
  typedef int32_t V4i __attribute__((vector_size(16)));
  const V4f factors{factor, factor, factor, factor};
  const V4f constants{s.constant, s.constant, s.constant, s.constant};
  const V4f per_token{s.per_token, s.per_token, s.per_token, s.per_token};
  for (uint32_t i = 0; i < count; i += 4) {
    V4i fi, li;
    std::memcpy(&fi, frequencies + i, sizeof(fi));
    std::memcpy(&li, lengths + i, sizeof(li));
    for (int j = 0; s.byte_lengths && j < 4; ++j)
      li[j] = static_cast<int32_t>(ByteLength(static_cast<uint32_t>(li[j])));
    const V4f f = __builtin_convertvector(fi, V4f), l = __builtin_convertvector(li, V4f);
    const V4f v = factors * (f / (f + (constants + per_token * l)));
    std::memcpy(out + i, &v, sizeof(v));
  }
}

namespace internal {

inline constexpr std::array<float, 256> kDecodedCodes = [] {
  std::array<float, 256> values{};
  for (int c = 0; c < 256; ++c)
    values[c] = static_cast<float>(DecodeCode(static_cast<uint8_t>(c)));
  return values;
}();

}  // namespace internal

// The most a document under `impacts` can score, without the factor.
inline float ImpactBound(const Impacts& impacts, const Bm25Saturation& s) {
  float best = 0;
  for (int i = 0; i < kImpactPairs; ++i) {
    const float score = s(internal::kDecodedCodes[impacts.frequency[i]],
                          internal::kDecodedCodes[impacts.length[i]]);
    best = score > best ? score : best;
    // without bound
    if (impacts.frequency[i] == kUnboundedCode) best = 1;
  }
  return best;
}

}  // namespace weir::index
