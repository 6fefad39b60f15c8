// Closes target_avx512.h and target_avx2.h. g++ instantiates templates at the end of the file, so
// its options stay as they are until then.
#if defined(__clang__)
#pragma clang attribute pop
#endif
