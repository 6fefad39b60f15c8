// How the products of one row, or few, ask for the weights to come. Included once inside a target's
// namespace.

// How far ahead of the reads lines are asked for. A superblock is several short streams (scales,
// minima, quants), which the hardware follows badly; asking part by part for all its lines doubles
// the rate. They are asked into L2: into L1, where more rows leave more time between two requests,
// four rows of Q6_K streamed at half the rate.
inline constexpr size_t kAhead = 6144;

// Asks for part `part` of `parts` of the kBytes that lie kAhead after `super`.
template <size_t kBytes, size_t kParts>
inline void PrefetchPart(const std::byte* super, size_t part) {
  constexpr size_t kLines = (kBytes / 64 + kParts - 1) / kParts;
  const std::byte* p = super + kAhead + part * kLines * 64;
  WEIR_UNROLL
  for (size_t i = 0; i < kLines; ++i)
    _mm_prefetch(reinterpret_cast<const char*>(p + 64 * i), _MM_HINT_T1);
}
