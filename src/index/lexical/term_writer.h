// Encodes one term's postings: blocks of 128 documents with gaps and frequencies bit-packed,
// positions beside them, block maxima and skip entries in front. Used by the builder and by
// merging.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "index/lexical/format.h"

namespace weir::index {

// The Pareto frontier of (frequency, length) in at most three covering points.
Impacts CoverImpacts(std::span<const uint32_t> frequencies, std::span<const uint32_t> lengths);

class TermWriter {
 public:
  // lengths: of every document of the segment; borrowed.
  explicit TermWriter(std::span<const uint32_t> lengths) : lengths_(lengths) {}
  // REQUIRES: documents ascend, positions do not descend, at least one.
  void Add(uint32_t doc, std::span<const uint32_t> positions);
  // Appends the list to both strings and starts over. kResourceExhausted when a list passes 4 GiB.
  absl::Status Finish(std::string& postings, std::string& positions, TermInfo& info);

 private:
  void FlushBlock();

  std::span<const uint32_t> lengths_;
  std::vector<uint32_t> docs_, frequencies_, deltas_;  // of the open block
  std::vector<uint32_t> point_lengths_;
  // each block's points, for the list's maximum
  std::vector<uint32_t> list_frequencies_, list_lengths_;
  std::vector<SkipEntry> skips_;
  std::string data_, positions_;
  uint32_t previous_ = ~0u;  // last document of the block before; ~0 + 1 wraps to 0
  uint32_t count_ = 0;
  uint64_t occurrences_ = 0;
};

}  // namespace weir::index
