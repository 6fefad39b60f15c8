// The scalar target of tiled_attention.cc.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "tensor/simd/tiled.h"
#include "tensor/simd/unroll.h"
#include "tensor/simd/vec16_scalar.h"

namespace weir::tensor {
namespace scalar {
namespace {

inline constexpr int kTiledRows = 1;

namespace tiled {
using ::weir::tensor::scalar::Ints;
// clang-format off
#include "tensor/simd/ops-inl.h"
#include "tensor/simd/tiled-inl.h"
// clang-format on
}  // namespace tiled

}  // namespace
}  // namespace scalar

extern const TiledKernels kScalarTiled = {
    .product = scalar::tiled::TiledProduct,
    .weigh = scalar::tiled::TiledWeigh,
    .observe = scalar::tiled::TiledObserve,
    .exponentiate = scalar::tiled::TiledExponentiate,
    .scale = scalar::tiled::TiledScale,
};

}  // namespace weir::tensor
