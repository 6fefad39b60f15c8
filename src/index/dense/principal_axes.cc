#include "index/dense/principal_axes.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace weir::index {
namespace {

constexpr int kMostSteps = 60;  // of QL for one value; a few are usual

// y += factor * x
void AddScaled(const double* x, double factor, double* y, size_t n) {
  for (size_t i = 0; i < n; ++i) y[i] += factor * x[i];
}

double DotOf(const double* x, const double* y, size_t n) {
  double sum[4] = {};
  size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    for (size_t j = 0; j < 4; ++j) sum[j] += x[i + j] * y[i + j];
  }
  for (; i < n; ++i) sum[0] += x[i] * y[i];
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

// a becomes the transposed product of the reflections; d and e the diagonal and the one below it.
void Tridiagonalise(std::vector<double>& a, size_t n, std::vector<double>& d,
                    std::vector<double>& e) {
  std::vector<double> reflections(n * n), p(n);
  for (size_t k = 0; k + 2 < n; ++k) {
    // The reflection that leaves one number below the diagonal of column k.
    double* v = &reflections[k * n];
    double norm = 0;
    for (size_t i = k + 1; i < n; ++i) {
      v[i] = a[k * n + i];
      norm += v[i] * v[i];
    }
    norm = std::sqrt(norm);
    d[k] = a[k * n + k];
    e[k] = v[k + 1] > 0 ? -norm : norm;
    if (norm == 0) continue;
    v[k + 1] -= e[k];
    const double length = std::sqrt(DotOf(v + k + 1, v + k + 1, n - k - 1));
    if (length == 0) continue;
    for (size_t i = k + 1; i < n; ++i) v[i] /= length;
    // A' = A - v w^T - w v^T with w = 2 (A v - (v^T A v) v).
    const size_t m = n - k - 1;
    for (size_t i = k + 1; i < n; ++i) p[i] = DotOf(&a[i * n + k + 1], v + k + 1, m);
    const double along = DotOf(v + k + 1, &p[k + 1], m);
    for (size_t i = k + 1; i < n; ++i) p[i] = 2 * (p[i] - along * v[i]);
    for (size_t i = k + 1; i < n; ++i) {
      AddScaled(&p[k + 1], -v[i], &a[i * n + k + 1], m);
      AddScaled(v + k + 1, -p[i], &a[i * n + k + 1], m);
    }
  }
  if (n >= 2) {
    d[n - 2] = a[(n - 2) * n + n - 2];
    e[n - 2] = a[(n - 2) * n + n - 1];
  }
  d[n - 1] = a[(n - 1) * n + n - 1];
  std::fill(a.begin(), a.end(), 0.0);
  for (size_t i = 0; i < n; ++i) a[i * n + i] = 1;
  for (size_t k = n < 2 ? 0 : n - 2; k-- > 0;) {
    const double* v = &reflections[k * n];
    for (size_t i = k + 1; i < n; ++i) p[i] = 0;
    for (size_t i = k + 1; i < n; ++i) AddScaled(&a[i * n + k + 1], 2 * v[i], &p[k + 1], n - k - 1);
    for (size_t i = k + 1; i < n; ++i)
      AddScaled(&p[k + 1], -v[i], &a[i * n + k + 1], n - k - 1);
  }
  // Rows become the vectors, so that QL turns contiguous numbers.
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < i; ++j) std::swap(a[i * n + j], a[j * n + i]);
  }
}

// Turns rows i and i + 1.
void Turn(double* low, double* high, double c, double s, size_t n) {
  for (size_t k = 0; k < n; ++k) {
    const double f = high[k];
    high[k] = s * low[k] + c * f;
    low[k] = c * low[k] - s * f;
  }
}

void Diagonalise(std::vector<double>& d, std::vector<double>& e, std::vector<double>& rows,
                 size_t n) {
  const double epsilon = std::numeric_limits<double>::epsilon();
  for (size_t l = 0; l < n; ++l) {
    for (int step = 0; step < kMostSteps; ++step) {
      size_t m = l;
      for (; m + 1 < n; ++m) {
        if (std::abs(e[m]) <= epsilon * (std::abs(d[m]) + std::abs(d[m + 1]))) break;
      }
      if (m == l) break;
      double g = (d[l + 1] - d[l]) / (2 * e[l]);
      double r = std::hypot(g, 1.0);
      g = d[m] - d[l] + e[l] / (g + std::copysign(r, g));
      double s = 1, c = 1, p = 0;
      size_t i = m;
      bool split = false;
      while (i-- > l) {
        double f = s * e[i];
        const double b = c * e[i];
        r = std::hypot(f, g);
        e[i + 1] = r;
        if (r == 0) {
          d[i + 1] -= p;
          e[m] = 0;
          split = true;
          break;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1] - p;
        r = (d[i] - g) * s + 2 * c * b;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - b;
        Turn(&rows[i * n], &rows[(i + 1) * n], c, s, n);
      }
      if (split) continue;
      d[l] -= p;
      e[l] = g;
      e[m] = 0;
    }
  }
}

}  // namespace

PrincipalAxes FindPrincipalAxes(std::vector<double> symmetric, size_t n) {
  std::vector<double> d(n), e(n);
  Tridiagonalise(symmetric, n, d, e);
  Diagonalise(d, e, symmetric, n);
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return d[a] > d[b]; });
  PrincipalAxes axes;
  axes.vectors.reserve(n * n);
  for (size_t i : order) {
    axes.values.push_back(d[i]);
    axes.vectors.insert(axes.vectors.end(), symmetric.begin() + static_cast<ptrdiff_t>(i * n),
                        symmetric.begin() + static_cast<ptrdiff_t>((i + 1) * n));
  }
  return axes;
}

}  // namespace weir::index
