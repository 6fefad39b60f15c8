// The AVX2 target of tiled_attention.cc.
#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "tensor/simd/tiled.h"
#include "tensor/simd/unroll.h"

// The order matters.
// clang-format off
#include "tensor/simd/target_avx2.h"
#include "tensor/simd/vec16_avx2.h"
// clang-format on

namespace weir::tensor {
namespace avx2 {
namespace {

inline constexpr int kTiledRows = 3;

namespace tiled {

// clang-format off
#include "tensor/simd/ops-inl.h"
#include "tensor/simd/tiled-inl.h"
// clang-format on
}  // namespace tiled

}  // namespace
}  // namespace avx2
}  // namespace weir::tensor

#include "tensor/simd/target_end.h"

namespace weir::tensor {

extern const TiledKernels kAvx2Tiled = {
    .product = avx2::tiled::TiledProduct,
    .weigh = avx2::tiled::TiledWeigh,
    .observe = avx2::tiled::TiledObserve,
    .exponentiate = avx2::tiled::TiledExponentiate,
    .scale = avx2::tiled::TiledScale,
};

}  // namespace weir::tensor
