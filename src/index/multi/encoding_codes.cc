#include "index/multi/encoding_codes.h"

#include <algorithm>

#include "index/dense/codebooks.h"
#include "index/multi/format.h"

namespace weir::index {
namespace {

using tensor::kCodewords;
using tensor::kPartWidth;

constexpr size_t kSample = 4096;

void Widen(const int8_t* row, float scale, size_t length, float* x) {
  for (size_t i = 0; i < length; ++i) x[i] = scale * static_cast<float>(row[i]);
}

}  // namespace

std::vector<float> TrainEncodingWords(size_t length, std::span<const int8_t* const> rows,
                                      std::span<const float> scales, const Context& context) {
  const size_t parts = EncodingParts(length), width = parts * kPartWidth;
  const size_t n = std::min(rows.size(), kSample);
  std::vector<float> x(n * width), words(width * kCodewords);
  for (size_t i = 0; i < n; ++i) {
    const size_t r = i * rows.size() / n;
    Widen(rows[r], scales[r], length, &x[i * width]);
  }
  TrainCodebooks(x, n, parts, context, words.data());
  return words;
}

EncodingCoder::EncodingCoder(size_t length, const float* words)
    : length_(length),
      parts_(EncodingParts(length)),
      words_(words),
      half_norms_(HalfNorms(words, parts_)) {}

void EncodingCoder::EncodeGroup(const int8_t* rows, const float* scales, size_t n, uint8_t* group,
                                Scratch& scratch) const {
  const size_t width = parts_ * kPartWidth;
  scratch.x.assign(n * width, 0);
  scratch.codes.resize(n * parts_);
  for (size_t r = 0; r < n; ++r)
    Widen(rows + r * length_, scales[r], length_, &scratch.x[r * width]);
  tensor::NearestCodewords(scratch.x.data(), n, parts_, words_, half_norms_.data(),
                           scratch.codes.data());
  std::fill_n(group, tensor::LookupGroupBytes(parts_), uint8_t{0});
  for (size_t r = 0; r < n; ++r) {
    tensor::PackGroupRow(&scratch.codes[r * parts_], parts_, r, group);
  }
}

EncodingTables MakeEncodingTables(std::span<const float> query, const float* words) {
  const size_t parts = EncodingParts(query.size());
  std::vector<float> x(parts * kPartWidth), products(parts * kCodewords);
  std::copy(query.begin(), query.end(), x.begin());
  EncodingTables out;
  out.tables.resize(parts * kCodewords);
  tensor::LookupTables made = {.x = x.data(),
                               .parts = parts,
                               .codebooks = words,
                               .most = tensor::kLargestGroupEntry,
                               .products = products.data(),
                               .tables = out.tables.data()};
  tensor::MakeLookupTables(made);
  out.base = made.base;
  out.step = made.step;
  return out;
}

}  // namespace weir::index
