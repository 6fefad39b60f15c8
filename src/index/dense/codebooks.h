// Training of product quantisers whose parts are six axes and sixteen codewords each
// (tensor/lookup.h), in a fixed order: the same bytes for any number of threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/context.h"

namespace weir::index {

// [d][d], of the rows as they are: x: [n][d], their mean taken off by the caller.
std::vector<double> Covariance(std::span<const float> x, size_t n, size_t d,
                               const Context& context);

// Which of the values, descending, stands at each of the parts' places; values.size() for none.
// Each goes to the part whose product of values is least and that has room (Ge, He, Ke and Sun,
// Optimized product quantization, CVPR 2013).
std::vector<size_t> AllocateAxes(std::span<const double> values, size_t parts);

// k-means in every part over x: [n][parts][6], n at least 1; books: [parts][6][16]. Gives the codes
// of the rows: [n][parts].
std::vector<uint8_t> TrainCodebooks(std::span<const float> x, size_t n, size_t parts,
                                    const Context& context, float* books);

// Half the squared length of each codeword, as tensor::NearestCodewords takes it: [parts][16].
std::vector<float> HalfNorms(const float* books, size_t parts);

}  // namespace weir::index
