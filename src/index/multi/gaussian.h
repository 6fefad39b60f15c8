// Random numbers that are the same with every compiler and standard library, so that what is drawn
// from a seed can be drawn again where an index is read.
#pragma once

#include <cstdint>
#include <optional>

namespace weir::index {

// SplitMix64: Steele, Lea and Flood, Fast splittable pseudorandom number generators, OOPSLA 2014.
class PortableRandom {
 public:
  // Streams of one seed are apart from each other.
  PortableRandom(uint64_t seed, uint64_t stream);
  uint64_t Next();
  // In [0, n); n is at least 1 and below 2^32.
  uint32_t Below(uint32_t n) { return static_cast<uint32_t>((Next() >> 32) * n >> 32); }
  float Sign() { return (Next() >> 63) != 0 ? -1.0f : 1.0f; }
  // Normal, mean 0, variance 1: the polar method (Marsaglia and Bray 1964), with a logarithm of its
  // own, since the libraries' differ in the last bit.
  double Gaussian();

 private:
  double Uniform() { return static_cast<double>(Next() >> 11) * 0x1p-52 - 1; }  // in [-1, 1)
  uint64_t state_;
  std::optional<double> second_;
};

}  // namespace weir::index
