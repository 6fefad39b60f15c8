// Register tiles are arrays of vectors: their loops must be unrolled or they live in memory.
#pragma once

#if defined(__clang__)
#define WEIR_UNROLL _Pragma("clang loop unroll(full)")
#define WEIR_NO_UNROLL _Pragma("clang loop unroll(disable)")
#else
#define WEIR_UNROLL _Pragma("GCC unroll 64")
#define WEIR_NO_UNROLL _Pragma("GCC unroll 1")
#endif
