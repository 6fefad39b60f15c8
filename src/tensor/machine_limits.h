// What this machine allows, measured: the roofline beside which every speed is printed (Williams,
// Waterman and Patterson, Roofline, CACM 52(4), 2009). The best of a few short passes, on all of
// `threads` (null: this thread).
#pragma once

#include <cstddef>

#include "base/threads.h"

namespace weir::tensor {

// Bytes a second read from a set of `bytes`, touched before; small sets come from the caches.
double ReadBandwidth(size_t bytes, Threads* threads);
// Multiply-adds a second of the kernels in use: int8 dot instructions, f32 fused multiply-adds.
double Int8Peak(Threads* threads);
double FloatPeak(Threads* threads);

}  // namespace weir::tensor
