#include "tensor/vector.h"

#include <algorithm>
#include <cmath>

#include "tensor/kernels.h"
#include "tensor/simd/avx512.h"

namespace weir::tensor {

float Dot(const float* a, const float* b, size_t n) { return Kernels().dot(a, b, n); }

int32_t DotInt8(const int8_t* a, const int8_t* b, size_t n) { return Kernels().dot_int8(a, b, n); }

float QuantizeInt8(const float* x, int8_t* codes, size_t n) {
  if (n % 16 == 0) {
    const float scale = Kernels().quantize_vector(x, n, codes);
    if (std::isfinite(scale)) return scale;
  }
  float peak = 0;
  for (size_t i = 0; i < n; ++i) peak = std::max(peak, std::fabs(x[i]));
  if (!(peak > kSmallestPeak) || !std::isfinite(peak)) {
    std::fill_n(codes, n, int8_t{0});
    return 0.0f;
  }
  const float scale = peak / 127.0f, inverse = 127.0f / peak;
  for (size_t i = 0; i < n; ++i) {
    const float code = std::nearbyint(x[i] * inverse);
    codes[i] = code == code ? static_cast<int8_t>(std::clamp(code, -127.0f, 127.0f)) : int8_t{0};
  }
  return scale;
}

void ScanInt8(const int8_t* query, float query_scale, const int8_t* rows, const float* row_scales,
              size_t row_count, size_t n, float* scores, Threads* threads) {
  // Waking a thread costs more than scanning a few hundred rows.
  ParallelFor(row_count * n < (1u << 18) ? nullptr : threads, row_count, 64,
              [&](size_t begin, size_t end, int) {
                Kernels().scan_int8(query, query_scale, rows + begin * n, row_scales + begin,
                                    end - begin, n, scores + begin);
              });
}

void ScanInt8At(const int8_t* query, float query_scale, const int8_t* rows,
                const float* row_scales, const uint32_t* at, size_t count, size_t n,
                float* scores) {
#if defined(__x86_64__)
  static const bool wide = &Kernels() == &kAvx512Kernels;
  if (wide) {
    return avx512::ScanInt8At(query, query_scale, rows, row_scales, at, count, n, scores);
  }
#endif
  const KernelSet& kernels = Kernels();
  for (size_t i = 0; i < count; ++i) {
    scores[i] = static_cast<float>(kernels.dot_int8(query, rows + at[i] * n, n)) *
                row_scales[at[i]] * query_scale;
  }
}

}  // namespace weir::tensor
