// Scan codes of fixed dimensional encodings: 4 bits a number and a scale a row. Nothing is trained,
// so that a merge copies them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace weir::index {

// codes: [EncodingParts(encoding.size())], each below 16, zero behind the last number. Code c
// stands for (c - 7.5) times the scale, which is returned: 0 for a row of zeros.
float EncodeScanCodes(std::span<const float> encoding, uint8_t* codes);

// A query's tables: the inner product with a row is scale * (base + step * sum).
struct EncodingTables {
  std::vector<uint8_t> tables;  // [parts][16], each at most tensor::kLargestGroupEntry
  float base = 0, step = 0;
};
EncodingTables MakeEncodingTables(std::span<const float> query);

}  // namespace weir::index
