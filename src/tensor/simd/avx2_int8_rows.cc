// The AVX2 target of int8_matrix.cc.
#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "tensor/simd/int8_rows.h"
#include "tensor/simd/unroll.h"

// The order matters.
// clang-format off
#include "tensor/simd/target_avx2.h"
#include "tensor/simd/vec16_avx2.h"
// clang-format on

namespace weir::tensor {
namespace avx2 {
namespace {

inline constexpr int kInt8TileRows = 3;
inline constexpr int kInt8TileGroups = 1;

namespace int8_rows {
#include "tensor/simd/int8_rows-inl.h"
}  // namespace int8_rows

}  // namespace
}  // namespace avx2
}  // namespace weir::tensor

#include "tensor/simd/target_end.h"

namespace weir::tensor {

extern const Int8RowsKernel kAvx2Int8Rows = avx2::int8_rows::MultiplyInt8Rows;
extern const Int8RowsKernel kAvx2Int8Peaks = avx2::int8_rows::PeaksInt8Rows;

}  // namespace weir::tensor
