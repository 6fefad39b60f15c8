#include "index/multi/token_quantiser.h"

#include <algorithm>
#include <cmath>

#include "base/status.h"
#include "base/threads.h"
#include "index/dense/codebooks.h"
#include "index/dense/principal_axes.h"
#include "tensor/group_lookup.h"
#include "tensor/lookup.h"
#include "tensor/vector.h"

namespace weir::index {
namespace {

using tensor::kCodewords;
using tensor::kPartWidth;

constexpr size_t kColumns = 32;  // of a block of the matrix
constexpr size_t kSample = 32768;
constexpr double kStretch = 1;
constexpr double kLeastVariance = 1e-6;  // of the mean one: what stretches are bounded by

}  // namespace

// 72 codes, 36 bytes, wherever dimensions are enough: one of 96 dimensions has three bits for each.
size_t TokenQuantiserView::PartsOf(size_t dimensions) {
  constexpr size_t kWanted = 72;
  const size_t parts = std::max(std::min(dimensions, kWanted), dimensions * 3 / 16);
  return (parts + 7) / 8 * 8;
}

size_t TokenQuantiserView::Bytes(size_t d) {
  const size_t axes = PartsOf(d) * kPartWidth;
  return sizeof(float) * (d + axes * d + axes + axes * kCodewords);
}

TokenQuantiserView TokenQuantiserView::Over(const uint8_t* bytes, size_t d) {
  TokenQuantiserView view{.dimensions = d, .parts = PartsOf(d)};
  const size_t axes = view.parts * kPartWidth;
  view.mean = reinterpret_cast<const float*>(bytes);
  view.axes = view.mean + d;
  view.stretch = view.axes + axes * d;
  view.words = view.stretch + axes;
  return view;
}

absl::StatusOr<std::vector<uint8_t>> TrainTokenQuantiser(
    size_t d, size_t count, absl::FunctionRef<const float*(size_t)> token,
    const Context& context) {
  std::vector<uint8_t> bytes(TokenQuantiserView::Bytes(d));
  const TokenQuantiserView view = TokenQuantiserView::Over(bytes.data(), d);
  const auto writable = [](const float* field) { return const_cast<float*>(field); };  // ours
  const size_t n = std::min(count, kSample);
  std::vector<double> sum(d);
  std::vector<float> sample(n * d);
  for (size_t r = 0; r < n; ++r) {
    const float* x = token(r * count / n);
    for (size_t i = 0; i < d; ++i) sum[i] += sample[r * d + i] = x[i];
  }
  float* mean = writable(view.mean);
  for (size_t i = 0; i < d; ++i) mean[i] = static_cast<float>(sum[i] / static_cast<double>(n));
  for (size_t r = 0; r < n; ++r) {
    for (size_t i = 0; i < d; ++i) sample[r * d + i] -= mean[i];
  }
  const PrincipalAxes axes = FindPrincipalAxes(Covariance(sample, n, d, context), d);
  WEIR_RETURN_IF_ERROR(context.CheckCancelled());
  double total = 0;
  for (double v : axes.values) total += std::max(v, 0.0);
  const double least = std::max(total / static_cast<double>(d) * kLeastVariance, 1e-30);
  std::vector<double> spread(d);  // of the stretched axes
  for (size_t i = 0; i < d; ++i) {
    spread[i] = std::pow(std::max(axes.values[i], least), 1 + kStretch);
  }
  const std::vector<size_t> at = AllocateAxes(spread, view.parts);
  for (size_t a = 0; a < at.size(); ++a) {
    writable(view.stretch)[a] = 1;
    if (at[a] >= d) continue;
    for (size_t i = 0; i < d; ++i) {
      writable(view.axes)[a * d + i] = static_cast<float>(axes.vectors[at[a] * d + i]);
    }
    writable(view.stretch)[a] =
        static_cast<float>(std::pow(std::max(axes.values[at[a]], least), kStretch / 2));
  }
  std::vector<float> turned(n * at.size());
  ParallelShare(context.threads, n, 64, [&](size_t begin, size_t end, int) {
    for (size_t r = begin; r < end; ++r) {
      for (size_t a = 0; a < at.size(); ++a) {
        turned[r * at.size() + a] =
            view.stretch[a] * tensor::Dot(&sample[r * d], view.axes + a * d, d);
      }
    }
  });
  WEIR_RETURN_IF_ERROR(context.CheckCancelled());
  TrainCodebooks(turned, n, view.parts, context, writable(view.words));
  WEIR_RETURN_IF_ERROR(context.CheckCancelled());
  return bytes;
}

TokenCoder::TokenCoder(const TokenQuantiserView& view)
    : view_(view),
      columns_((view.dimensions + kColumns - 1) / kColumns * kColumns),
      half_norms_(HalfNorms(view.words, view.parts)) {
  const size_t axes = view_.parts * kPartWidth;
  std::vector<float> rows(axes * columns_);
  for (size_t a = 0; a < axes; ++a) {
    std::copy_n(view_.axes + a * view_.dimensions, view_.dimensions, &rows[a * columns_]);
  }
  axes_ = *tensor::Matrix::Pack({tensor::DType::kF32, reinterpret_cast<const std::byte*>(&rows[0]),
                                 axes, columns_},
                                nullptr);  // columns are whole blocks
}

// Rows lose the mean and are stretched; queries are stretched the other way.
void TokenCoder::Turn(const float* x, size_t n, bool rows, std::vector<float>& out) const {
  const size_t d = view_.dimensions, axes = view_.parts * kPartWidth;
  std::vector<float> from(n * columns_);
  for (size_t r = 0; r < n; ++r) {
    for (size_t i = 0; i < d; ++i) {
      from[r * columns_ + i] = rows ? x[r * d + i] - view_.mean[i] : x[r * d + i];
    }
  }
  out.resize(n * axes);
  axes_.Multiply(from.data(), n, out.data(), nullptr);
  for (size_t r = 0; r < n; ++r) {
    for (size_t a = 0; a < axes; ++a) {
      float& y = out[r * axes + a];
      y = rows ? y * view_.stretch[a] : y / view_.stretch[a];
    }
  }
}

void TokenCoder::Encode(const float* x, size_t n, uint8_t* codes) const {
  constexpr size_t kRows = 64;  // turned at once
  std::vector<float> turned;
  for (size_t first = 0; first < n; first += kRows) {
    const size_t some = std::min(kRows, n - first);
    Turn(x + first * view_.dimensions, some, true, turned);
    tensor::NearestCodewords(turned.data(), some, view_.parts, view_.words, half_norms_.data(),
                             codes + first * view_.parts);
  }
}

void TokenCoder::Decode(const uint8_t* codes, float* x) const {
  const size_t d = view_.dimensions;
  std::copy_n(view_.mean, d, x);
  for (size_t a = 0; a < view_.parts * kPartWidth; ++a) {
    const float y = view_.words[a * kCodewords + codes[a / kPartWidth]] / view_.stretch[a];
    if (y == 0) continue;
    const float* axis = view_.axes + a * d;
    for (size_t i = 0; i < d; ++i) x[i] += y * axis[i];
  }
}

TokenTables TokenCoder::Tables(std::span<const float> query) const {
  const size_t d = view_.dimensions, n = query.size() / d;
  TokenTables out{.tokens = n};
  out.tables.resize(n * view_.parts * kCodewords);
  std::vector<float> turned, products(view_.parts * kCodewords);
  if (n > 0) Turn(query.data(), n, false, turned);
  for (size_t t = 0; t < n; ++t) {
    tensor::LookupTables made = {.x = &turned[t * view_.parts * kPartWidth],
                                 .parts = view_.parts,
                                 .codebooks = view_.words,
                                 .most = tensor::kLargestGroupEntry,
                                 .products = products.data(),
                                 .tables = &out.tables[t * view_.parts * kCodewords]};
    tensor::MakeLookupTables(made);
    out.bases.push_back(made.base + tensor::Dot(&query[t * d], view_.mean, d));
    out.steps.push_back(made.step);
  }
  return out;
}

}  // namespace weir::index
