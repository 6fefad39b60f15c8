// The int8 dot product of VNNI. Include after target_avx512.h.
#pragma once

namespace weir::tensor::avx512 {

// acc += the four products of each dword. In assembly: around the intrinsic GCC 12 copies the
// accumulators of a register tile twice.
inline void DotInto(__m512i& acc, __m512i u8, __m512i s8) {
  asm("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(u8), "v"(s8));
}

inline __m512i BroadcastWord(const void* p) {
  int32_t word;
  std::memcpy(&word, p, 4);
  return _mm512_set1_epi32(word);
}

}  // namespace weir::tensor::avx512
