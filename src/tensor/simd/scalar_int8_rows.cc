// The scalar target of int8_matrix.cc.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "tensor/simd/int8_rows.h"
#include "tensor/simd/unroll.h"
#include "tensor/simd/vec16_scalar.h"

namespace weir::tensor {
namespace scalar {
namespace {

inline constexpr int kInt8TileRows = 1;
inline constexpr int kInt8TileGroups = 1;

namespace int8_rows {
using ::weir::tensor::scalar::Ints;
#include "tensor/simd/int8_rows-inl.h"
}  // namespace int8_rows

}  // namespace
}  // namespace scalar
}  // namespace weir::tensor

namespace weir::tensor {

extern const Int8RowsKernel kScalarInt8Rows = scalar::int8_rows::MultiplyInt8Rows;
extern const Int8RowsKernel kScalarInt8Peaks = scalar::int8_rows::PeaksInt8Rows;

}  // namespace weir::tensor
