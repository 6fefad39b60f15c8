// Keys of an encoder turned to the layout of a block. Four by four in the registers that every
// x86-64 has, so it needs no dispatch; plain elsewhere.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/attention.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace weir::tensor {

// to[i * kKvBlockTokens + j] = from[j * stride + i], keys j below `count`, channels i below d.
inline void TransposeKeys(const float* from, size_t stride, int64_t count, int d, float* to) {
  int64_t j = 0;
#if defined(__SSE2__)
  for (; j + 4 <= count; j += 4, from += 4 * stride) {
    int i = 0;
    for (; i + 4 <= d; i += 4) {
      __m128 a = _mm_loadu_ps(from + i), b = _mm_loadu_ps(from + stride + i);
      __m128 c = _mm_loadu_ps(from + 2 * stride + i), e = _mm_loadu_ps(from + 3 * stride + i);
      _MM_TRANSPOSE4_PS(a, b, c, e);
      float* at = to + i * kKvBlockTokens + j;
      _mm_storeu_ps(at, a);
      _mm_storeu_ps(at + kKvBlockTokens, b);
      _mm_storeu_ps(at + 2 * kKvBlockTokens, c);
      _mm_storeu_ps(at + 3 * kKvBlockTokens, e);
    }
    for (; i < d; ++i) {
      for (int k = 0; k < 4; ++k) to[i * kKvBlockTokens + j + k] = from[k * stride + i];
    }
  }
#endif
  for (; j < count; ++j, from += stride) {
    for (int i = 0; i < d; ++i) to[i * kKvBlockTokens + j] = from[i];
  }
}

}  // namespace weir::tensor
