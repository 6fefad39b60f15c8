// What the parts of the AVX2 target offer each other.
#pragma once

#include "tensor/kernels.h"

namespace weir::tensor::avx2 {

// Groups [begin, end) times one row.
void MultiplyOne(const PackedMatrix& w, size_t begin, size_t end, const Activations& a, float* y);
// The same times any number of rows, from superblocks unpacked to bytes in L1.
void MultiplyQuantised(const PackedMatrix& w, size_t begin, size_t end, const Activations& a,
                       float* y);
void Unpack(DType type, const std::byte* super, size_t blocks, UnpackedSuper* out);

int32_t DotInt8(const int8_t* a, const int8_t* b, size_t n);
void ScanInt8(const int8_t* query, float query_scale, const int8_t* rows, const float* row_scales,
              size_t row_count, size_t n, float* scores);
void Read(const std::byte* p, size_t bytes);
double Int8Peak(size_t loops);

}  // namespace weir::tensor::avx2
