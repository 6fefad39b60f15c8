#include "index/multi/encoding_codes.h"

#include <algorithm>
#include <cmath>

#include "index/multi/format.h"
#include "tensor/vector.h"

namespace weir::index {
namespace {

constexpr float kMiddle = 7.5f;  // of the codes 0 to 15
// Root mean squares of a row at which its numbers are cut off: 2 to 3.5 find the same.
constexpr float kRange = 2.5f;

}  // namespace

float EncodeScanCodes(std::span<const float> encoding, uint8_t* codes) {
  const size_t n = encoding.size();
  std::fill_n(codes, EncodingParts(n), uint8_t{0});
  const float square = tensor::Dot(encoding.data(), encoding.data(), n);
  const float scale = kRange * std::sqrt(square / static_cast<float>(n)) / kMiddle;
  if (!(scale > 0)) return 0;
  for (size_t i = 0; i < n; ++i) {
    codes[i] = static_cast<uint8_t>(std::clamp(std::floor(encoding[i] / scale) + 8, 0.0f, 15.0f));
  }
  return scale;
}

EncodingTables MakeEncodingTables(std::span<const float> query) {
  EncodingTables out;
  out.tables.resize(EncodingParts(query.size()) * tensor::kCodewords);
  float largest = 0;
  for (float x : query) largest = std::max(largest, std::abs(x));
  if (!(largest > 0)) return out;
  out.step = 2 * kMiddle * largest / float{tensor::kLargestGroupEntry};
  for (size_t i = 0; i < query.size(); ++i) {
    const float least = -kMiddle * std::abs(query[i]);
    out.base += least;
    for (size_t c = 0; c < tensor::kCodewords; ++c) {
      const float product = query[i] * (static_cast<float>(c) - kMiddle);
      out.tables[i * tensor::kCodewords + c] =
          static_cast<uint8_t>(std::lround((product - least) / out.step));
    }
  }
  return out;
}

}  // namespace weir::index
