// Technique: clustered-scan
// Source: Jégou, Douze and Schmid, Product quantization for nearest neighbor search, TPAMI 2011
//   (inverted file with residual codes); Ge, He, Ke and Sun, Optimized product quantization, CVPR
//   2013 (parametric solution, eigenvalue allocation); André, Kermarrec and Le Scouarnec, Cache
//   locality is not enough, VLDB 2015 (fast-scan).
// Idea: rows are grouped by k-means and stored group by group. What is left of a row when its
//   centre is taken off is turned to the axes of largest variance, cut into parts of six axes of
//   equal variance products, and each part becomes one of sixteen codewords: 32 bytes for 384
//   dimensions, scored by byte shuffles, 64 rows at a time.
// Formulas: q.x ~ q.c + sum over parts of table[part][code], table[part][w] = (A q)[part] . w;
//   axes A: eigenvectors of the covariance of x - c, largest first, each to the part whose product
//   of eigenvalues is least and that has room.
// Cost: training and coding n (clusters + axes) d multiplications of int8, 10 d^3 for the axes;
//   parts / 2 bytes a row beside its int8 codes.
// Differs: products in int8, which changes a score by less than a thousandth; no iterations between
//   axes and codebooks (OPQ's non-parametric solution).
// Checked by: VectorSearchTest.*   Measured by: weir bench search --dense
#pragma once

#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "base/context.h"

namespace weir::index {

// Fewer rows are scanned as they are.
inline constexpr size_t kLeastClusteredRows = 4096;

struct Clustered {
  size_t clusters = 0;
  std::vector<uint32_t> order;     // [rows] position -> row: cluster after cluster, rows ascending
  std::vector<uint8_t> quantiser;  // the bytes of a QuantiserView
  std::vector<uint8_t> scan_codes;  // [ceil(rows / 64)][block_bytes]
};

// row(i): the i-th vector, `dimensions` numbers. The same bytes for any number of threads. Errors:
// kCancelled.
absl::StatusOr<Clustered> ClusterRows(size_t rows, size_t dimensions,
                                      absl::FunctionRef<const float*(size_t)> row,
                                      const Context& context);

}  // namespace weir::index
