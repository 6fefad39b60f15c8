#include "index/dense/codebooks.h"

#include <algorithm>
#include <cmath>

#include "base/threads.h"
#include "index/dense/quantiser.h"
#include "tensor/lookup.h"
#include "tensor/matmul.h"

namespace weir::index {
namespace {

using tensor::kCodewords;
using tensor::kPartWidth;

constexpr int kCodebookRounds = 8;
constexpr double kLeastVariance = 1e-12;

}  // namespace

std::vector<double> Covariance(std::span<const float> offsets, size_t n, size_t d,
                               const Context& context) {
  // One product, offsets^T offsets; rows are padded to whole blocks of columns.
  const size_t columns = (n + 31) / 32 * 32;
  std::vector<float> transposed(d * columns), product(d * d);
  for (size_t r = 0; r < n; ++r) {
    for (size_t i = 0; i < d; ++i) transposed[i * columns + r] = offsets[r * d + i];
  }
  const tensor::Matrix matrix = *tensor::Matrix::Pack(
      {tensor::DType::kF32, reinterpret_cast<const std::byte*>(transposed.data()), d, columns},
      context.threads);
  matrix.Multiply(transposed.data(), d, product.data(), context.threads);
  std::vector<double> covariance(d * d);
  for (size_t i = 0; i < d; ++i) {
    for (size_t j = 0; j < d; ++j)
      covariance[i * d + j] = 0.5 * (double{product[i * d + j]} + double{product[j * d + i]}) / n;
  }
  return covariance;
}

std::vector<size_t> AllocateAxes(std::span<const double> values, size_t parts) {
  const size_t n = values.size();
  std::vector<size_t> at(parts * kPartWidth, n), filled(parts, 0);
  std::vector<double> product(parts, 0);
  for (size_t v = 0; v < n; ++v) {
    size_t best = parts;
    if (n <= kMostTurnedDimensions) {
      for (size_t p = 0; p < parts; ++p) {
        if (filled[p] < kPartWidth && (best == parts || product[p] < product[best])) best = p;
      }
    } else {  // forth and back: as good where there are many
      const size_t turn = v / parts, step = v % parts;
      best = turn % 2 == 0 ? step : parts - 1 - step;
    }
    at[best * kPartWidth + filled[best]++] = v;
    product[best] += std::log(std::max(values[v], kLeastVariance) / kLeastVariance);
  }
  return at;
}

std::vector<float> HalfNorms(const float* books, size_t parts) {
  std::vector<float> half_norms(parts * kCodewords);
  for (size_t part = 0; part < parts; ++part) {
    for (size_t c = 0; c < kCodewords; ++c) {
      float sum = 0;
      for (size_t i = 0; i < kPartWidth; ++i) {
        const float v = books[(part * kPartWidth + i) * kCodewords + c];
        sum += v * v;
      }
      half_norms[part * kCodewords + c] = 0.5f * sum;
    }
  }
  return half_norms;
}

std::vector<uint8_t> TrainCodebooks(std::span<const float> x, size_t n, size_t parts,
                                    const Context& context, float* books) {
  const size_t axes = parts * kPartWidth;
  for (size_t a = 0; a < axes; ++a) {
    for (size_t c = 0; c < kCodewords; ++c)
      books[a * kCodewords + c] = x[(c * n / kCodewords) * axes + a];
  }
  std::vector<uint8_t> codes(n * parts);
  auto assign = [&] {
    const std::vector<float> half_norms = HalfNorms(books, parts);
    ParallelShare(context.threads, n, 64, [&](size_t begin, size_t end, int) {
      tensor::NearestCodewords(&x[begin * axes], end - begin, parts, books, half_norms.data(),
                               &codes[begin * parts]);
    });
  };
  for (int round = 0; round < kCodebookRounds; ++round) {
    assign();
    ParallelShare(context.threads, parts, 4, [&](size_t begin, size_t end, int) {
      for (size_t part = begin; part < end; ++part) {
        double sums[kPartWidth][kCodewords] = {}, counts[kCodewords] = {};
        for (size_t r = 0; r < n; ++r) {
          const uint8_t c = codes[r * parts + part];
          const float* row = &x[r * axes + part * kPartWidth];
          counts[c] += 1;
          for (size_t i = 0; i < kPartWidth; ++i) sums[i][c] += row[i];
        }
        for (size_t c = 0; c < kCodewords; ++c) {
          if (counts[c] == 0) continue;
          for (size_t i = 0; i < kPartWidth; ++i) {
            books[(part * kPartWidth + i) * kCodewords + c] =
                static_cast<float>(sums[i][c] / counts[c]);
          }
        }
      }
    });
  }
  assign();
  return codes;
}

}  // namespace weir::index
