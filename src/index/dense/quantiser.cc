#include "index/dense/quantiser.h"

#include <algorithm>
#include <cstring>

#include "tensor/lookup.h"
#include "tensor/vector.h"

namespace weir::index {
namespace {

using tensor::kCodewords;
using tensor::kPartWidth;

constexpr size_t kTurnRows = 64;  // centres that are turned at once

size_t RoundUp(size_t n, size_t step) { return (n + step - 1) / step * step; }

}  // namespace

size_t QuantiserView::axes() const { return parts * kPartWidth; }

size_t QuantiserView::PartsOf(size_t dimensions) {
  return RoundUp((dimensions + kPartWidth - 1) / kPartWidth, 4);
}

size_t QuantiserView::Bytes(size_t dimensions, size_t clusters) {
  const size_t axes = PartsOf(dimensions) * kPartWidth;
  const size_t turning =
      dimensions <= kMostTurnedDimensions ? axes * 4 + axes * dimensions : axes * 4;
  return 4 * (clusters + 1) + 8 * clusters + 8 * axes + 4 * axes * kCodewords + turning +
         clusters * dimensions;
}

QuantiserView QuantiserView::Over(const uint8_t* bytes, size_t dimensions, size_t clusters) {
  QuantiserView view;
  view.dimensions = dimensions;
  view.clusters = clusters;
  view.parts = PartsOf(dimensions);
  auto take = [&]<class T>(const T*& field, size_t count) {
    field = reinterpret_cast<const T*>(bytes);
    bytes += count * sizeof(T);
  };
  const size_t axes = view.axes();
  take(view.begins, clusters + 1);
  take(view.spreads, clusters);
  take(view.centre_scales, clusters);
  take(view.variances, axes);
  take(view.errors, axes);
  take(view.codebooks, axes * kCodewords);
  if (view.turned()) {
    take(view.axis_scales, axes);
  } else {
    take(view.order, axes);
  }
  take(view.centres, clusters * dimensions);
  if (view.turned()) take(view.axes_codes, axes * dimensions);
  return view;
}

void QuantiserView::Turn(const float* x, const int8_t* codes, float scale, float* out) const {
  if (turned()) {
    tensor::ScanInt8(codes, scale, axes_codes, axis_scales, axes(), dimensions, out, nullptr);
    return;
  }
  for (size_t i = 0; i < axes(); ++i) out[i] = order[i] < dimensions ? x[order[i]] : 0.0f;
}

RowCoder::RowCoder(const QuantiserView& view)
    : view_(view),
      padded_(RoundUp(view.dimensions, 16)),
      centres_(view.clusters * view.axes()),
      half_norms_(view.parts * kCodewords) {
  const size_t d = view_.dimensions, axes = view_.axes();
  if (view_.turned()) {
    std::vector<float> rows(axes * padded_), zeros(axes);
    for (size_t a = 0; a < axes; ++a) {
      for (size_t i = 0; i < d; ++i) {
        rows[a * padded_ + i] =
            static_cast<float>(view_.axes_codes[a * d + i]) * view_.axis_scales[a];
      }
    }
    axes_ = *tensor::Int8Matrix::Pack(rows, zeros, padded_);  // sizes fit by construction
  }
  Scratch scratch;
  std::vector<float> centres(kTurnRows * padded_);
  for (size_t first = 0; first < view_.clusters; first += kTurnRows) {
    const size_t n = std::min(kTurnRows, view_.clusters - first);
    for (size_t c = 0; c < n; ++c) {
      for (size_t i = 0; i < d; ++i) {
        centres[c * padded_ + i] = static_cast<float>(view_.centres[(first + c) * d + i]) *
                                   view_.centre_scales[first + c];
      }
    }
    Turn(centres, n, &centres_[first * axes], scratch);
  }
  for (size_t part = 0; part < view_.parts; ++part) {
    for (size_t c = 0; c < kCodewords; ++c) {
      float sum = 0;
      for (size_t i = 0; i < kPartWidth; ++i) {
        const float x = view_.codebooks[(part * kPartWidth + i) * kCodewords + c];
        sum += x * x;
      }
      half_norms_[part * kCodewords + c] = 0.5f * sum;
    }
  }
}

// x: [n][padded]
void RowCoder::Turn(std::span<const float> x, size_t n, float* out, Scratch& scratch) const {
  if (view_.turned()) {
    axes_.Multiply(x.data(), n, out, scratch.workspace, nullptr);
    return;
  }
  for (size_t r = 0; r < n; ++r)
    view_.Turn(&x[r * padded_], nullptr, 0, out + r * view_.axes());
}

void RowCoder::Offsets(std::span<const float* const> rows, std::span<const uint32_t> clusters,
                       float* out, Scratch& scratch) const {
  const size_t axes = view_.axes();
  scratch.rows.resize(rows.size() * padded_);  // new ones are zero, the padding stays so
  for (size_t r = 0; r < rows.size(); ++r)
    std::copy_n(rows[r], view_.dimensions, &scratch.rows[r * padded_]);
  Turn(scratch.rows, rows.size(), out, scratch);
  for (size_t r = 0; r < rows.size(); ++r) {
    const float* centre = &centres_[clusters[r] * axes];
    for (size_t a = 0; a < axes; ++a) out[r * axes + a] -= centre[a];
  }
}

void RowCoder::Encode(std::span<const float* const> rows, std::span<const uint32_t> clusters,
                      uint8_t* out, Scratch& scratch) const {
  const size_t parts = view_.parts;
  scratch.turned.resize(rows.size() * view_.axes());
  scratch.codes.resize(rows.size() * parts);
  Offsets(rows, clusters, scratch.turned.data(), scratch);
  tensor::NearestCodewords(scratch.turned.data(), rows.size(), parts, view_.codebooks,
                           half_norms_.data(), scratch.codes.data());
  std::fill_n(out, view_.block_bytes(), uint8_t{0});
  for (size_t r = 0; r < rows.size(); ++r) {
    const uint8_t* codes = &scratch.codes[r * parts];
    for (size_t line = 0; line < parts / 2; ++line) {
      out[line * tensor::kLookupRows + r] =
          static_cast<uint8_t>(codes[2 * line] | codes[2 * line + 1] << 4);
    }
  }
}

}  // namespace weir::index
