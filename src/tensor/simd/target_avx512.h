// Everything after this line in a .cc is compiled for AVX-512 with VNNI (closed by target_end.h).
// System headers come before it, so that no inline function of theirs is emitted for this target.
// No include guard on purpose.
#if defined(__clang__)
#pragma clang attribute push(                                                               \
    __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"))), \
    apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")
#endif
