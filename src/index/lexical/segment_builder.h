// Writes one lexical segment from terms in byte order, each with its postings in document order.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "index/lexical/term_writer.h"
#include "index/segment/segment_file.h"

namespace weir::index {

class LexicalSegmentBuilder {
 public:
  // ids: ascending passage ids; lengths: tokens of each row. REQUIRES: same size, not empty.
  // ranks: which of the ids each row has, a permutation; empty when the rows ascend as the ids do.
  LexicalSegmentBuilder(std::vector<int64_t> ids, std::vector<uint32_t> lengths,
                        std::vector<uint32_t> ranks = {});
  // Postings of the open term.
  void Add(uint32_t doc, std::span<const uint32_t> positions) { terms_.Add(doc, positions); }
  // Ends the open term; terms must ascend. A term without postings is left out.
  absl::Status EndTerm(std::string_view term);
  absl::StatusOr<SegmentInfo> Write(const std::string& folder, const std::string& name);

 private:
  std::vector<int64_t> ids_;
  std::vector<uint32_t> lengths_, ranks_;
  TermWriter terms_;
  std::string postings_, positions_, dictionary_, previous_term_;
  std::vector<uint64_t> index_;
  uint64_t term_count_ = 0, total_tokens_ = 0;
};

}  // namespace weir::index
