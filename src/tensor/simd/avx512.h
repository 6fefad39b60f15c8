// What the parts of the AVX-512 target offer each other.
#pragma once

#include "tensor/kernels.h"

namespace weir::tensor::avx512 {

// Most rows of MultiplyFew: their sums fit into registers beside what is taken apart.
inline constexpr size_t kMostFew = 8;
// Groups [begin, end) times 1 to kMostFew rows, weights taken apart in registers as they stream by.
void MultiplyFew(const PackedMatrix& w, size_t begin, size_t end, const Activations& a, float* y);
// Groups [begin, end) times many rows: a superblock is unpacked once and meets them in register
// tiles.
void MultiplyMany(const PackedMatrix& w, size_t begin, size_t end, const Activations& a, float* y);
void Unpack(DType type, const std::byte* super, size_t blocks, UnpackedSuper* out);

void QuantizeRow(const float* x, size_t columns, const ActivationRow& out);
int32_t DotInt8(const int8_t* a, const int8_t* b, size_t n);
void ScanInt8(const int8_t* query, float query_scale, const int8_t* rows, const float* row_scales,
              size_t row_count, size_t n, float* scores);
void ScanInt8At(const int8_t* query, float query_scale, const int8_t* rows,
                const float* row_scales, const uint32_t* at, size_t count, size_t n,
                float* scores);
void Read(const std::byte* p, size_t bytes);
double Int8Peak(size_t loops);

}  // namespace weir::tensor::avx512
