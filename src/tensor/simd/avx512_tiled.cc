// The AVX-512 target of tiled_attention.cc.
#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "tensor/simd/tiled.h"
#include "tensor/simd/unroll.h"

// The order matters.
// clang-format off
#include "tensor/simd/target_avx512.h"
#include "tensor/simd/avx512_dot.h"
#include "tensor/simd/vec16_avx512.h"
// clang-format on

namespace weir::tensor {
namespace avx512 {
namespace {

inline constexpr int kTiledRows = 12;

namespace tiled {

// clang-format off
#include "tensor/simd/ops-inl.h"
#include "tensor/simd/tiled-inl.h"
// clang-format on
}  // namespace tiled

}  // namespace
}  // namespace avx512
}  // namespace weir::tensor

#include "tensor/simd/target_end.h"

namespace weir::tensor {

extern const TiledKernels kAvx512Tiled = {
    .product = avx512::tiled::TiledProduct,
    .weigh = avx512::tiled::TiledWeigh,
    .observe = avx512::tiled::TiledObserve,
    .exponentiate = avx512::tiled::TiledExponentiate,
    .scale = avx512::tiled::TiledScale,
};

}  // namespace weir::tensor
