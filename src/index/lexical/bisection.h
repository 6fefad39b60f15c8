// Technique: recursive-graph-bisection
// Source: Dhulipala et al., "Compressing graphs and indexes with recursive graph bisection", KDD
//   2016; Mackenzie et al., "Faster index reordering with bipartite graph partitioning", SIGIR 2021
//   (one gain a term and side in each round; selection instead of sorting).
// Idea: Rows that share terms shall have close numbers, so that gaps are small and a block's rows
//   are alike. The rows are halved, and pairs of rows change sides while that makes the estimated
//   bits of the gaps fewer; then each half likewise, down to a few rows.
// Formulas: a term with d of n rows costs d log2(n / (d + 1)); h(d) = d log2(d + 1) - (d - 1)
//   log2(d); a row that leaves a side for the other gains the sum over its terms of h(there + 1) -
//   h(here); the rows with the i-th largest gains of both sides change places while the gains add
//   up to more than a threshold.
// Cost: postings * rounds * log2(rows / 32) additions; 4 bytes a posting, 24 a row, and for each
//   thread 12 a term.
// Differs: gains are integers (1/512 bit), so that neither threads nor the CPU change the order.
//   Pairs must gain more than a threshold that rises with the rounds. The constant log2(n there / n
//   here) is left out: halves differ by one row at most.
// Checked by: bisection_test.   Measured by: weir bench search --corpus DIR --reorder.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"

namespace weir::index {

// The terms of each row.
struct ForwardIndex {
  std::vector<uint64_t> starts;  // of each row in `terms`, and their end
  std::vector<uint32_t> terms;   // below term_count, each at most once a row
  uint32_t term_count = 0;
};

// A permutation: the row that shall stand at each place. Equal rows give an equal order, whatever
// the threads. kCancelled when the context is.
absl::StatusOr<std::vector<uint32_t>> BisectRows(const ForwardIndex& forward,
                                                 const Context& context);

}  // namespace weir::index
