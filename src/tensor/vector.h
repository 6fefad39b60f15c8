// Distances for dense retrieval: f32 and int8 dot products and a scan of many rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/threads.h"

namespace weir::tensor {

float Dot(const float* a, const float* b, size_t n);
int32_t DotInt8(const int8_t* a, const int8_t* b, size_t n);

// Symmetric quantisation of one vector: code = round(x / scale), scale = max|x| / 127. Returns
// scale.
float QuantizeInt8(const float* x, int8_t* codes, size_t n);

// scores[i] = dot(query, row i) * row_scales[i] * query_scale over [rows, n] int8 codes.
void ScanInt8(const int8_t* query, float query_scale, const int8_t* rows, const float* row_scales,
              size_t row_count, size_t n, float* scores, Threads* threads);

// scores[i] = dot(query, row at[i]) * row_scales[at[i]] * query_scale: rows that lie anywhere,
// asked for ahead.
void ScanInt8At(const int8_t* query, float query_scale, const int8_t* rows,
                const float* row_scales, const uint32_t* at, size_t count, size_t n,
                float* scores);

}  // namespace weir::tensor
