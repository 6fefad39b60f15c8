// Analysed passages on their way into a segment, and the text a passage is found by.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "base/context.h"
#include "index/segment/segment_file.h"

namespace weir::index {

// A passage is found by its document's title, its heading and its text. Titles and headings are cut
// at kMaxFieldBytes, so that a hostile title cannot multiply by the passages of its document; a
// heading equal to the title counts once.
struct PassageFields {
  std::string_view title, heading, text;
  std::string_view analyzer = {};  // "": that of the run
};
inline constexpr size_t kMaxFieldBytes = 512;
PassageFields MakeFields(std::string_view title, std::string_view heading, std::string_view text);

// What an encoder is given: the fields with a space between.
std::string EncoderInput(const PassageFields& fields);

// Positions between two fields, so that no phrase crosses them.
inline constexpr uint32_t kFieldGap = 100;

// Occurrences of terms over a run of passages, in the order of passages.
class AnalysedRun {
 public:
  struct Occurrence {
    uint32_t term, row, position;
  };
  // `analyzer` is a name that text::Analyzer::Make knows, as are those that passages name.
  static absl::StatusOr<AnalysedRun> Analyse(std::span<const PassageFields> passages,
                                             std::string_view analyzer);

  const std::vector<std::string>& terms() const { return terms_; }
  const std::vector<Occurrence>& occurrences() const { return occurrences_; }
  const std::vector<uint32_t>& lengths() const { return lengths_; }  // terms' places of each

 private:
  std::vector<std::string> terms_;
  std::vector<Occurrence> occurrences_;
  std::vector<uint32_t> lengths_;
};

// Analyses on context.threads and writes one lexical segment; ids[i] (ascending) is the id of
// passages[i]. The bytes do not depend on the number of threads.
absl::StatusOr<SegmentInfo> BuildLexicalSegment(std::span<const PassageFields> passages,
                                                std::span<const int64_t> ids,
                                                std::string_view analyzer,
                                                const std::string& folder, const std::string& name,
                                                const Context& context);

}  // namespace weir::index
