#include "index/multi/gaussian.h"

#include <cmath>

namespace weir::index {
namespace {

constexpr double kLn2 = 0.693147180559945309417;

uint64_t Mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

// ln x for x in (0, 1]: x = m 2^e with m near 1, ln m = 2 artanh((m - 1) / (m + 1)).
double Log(double x) {
  int e = 0;
  double m = std::frexp(x, &e);  // exact
  if (m < 0.70710678118654752) {
    m *= 2;
    --e;
  }
  const double t = (m - 1) / (m + 1), square = t * t;  // |t| < 0.172
  double sum = 0;
  for (int n = 23; n >= 1; n -= 2) sum = sum * square + 1.0 / n;
  return 2 * t * sum + e * kLn2;
}

}  // namespace

PortableRandom::PortableRandom(uint64_t seed, uint64_t stream)
    : state_(Mix(seed ^ Mix(stream + 0x9E3779B97F4A7C15))) {}

uint64_t PortableRandom::Next() { return Mix(state_ += 0x9E3779B97F4A7C15); }

double PortableRandom::Gaussian() {
  if (second_.has_value()) {
    const double second = *second_;
    second_.reset();
    return second;
  }
  for (;;) {
    const double x = Uniform(), y = Uniform(), square = x * x + y * y;
    if (square >= 1 || square == 0) continue;
    const double radius = std::sqrt(-2 * Log(square) / square);
    second_ = y * radius;
    return x * radius;
  }
}

}  // namespace weir::index
