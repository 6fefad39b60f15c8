// The split patterns of byte-level BPE models, written out as scanners (no regular-expression
// engine at run time; time linear in the text). Each cuts a range of code points into pieces that
// cover it.
#pragma once

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "model/tokenizer/scan.h"

namespace weir::model {

enum class SplitRule {
  kGpt2,          // 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
  kLlama3,        // (?i:'s|...)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|
                  //   \s*[\r\n]+|\s+(?!\S)|\s+
  kQwen2,         // kLlama3 with \p{N} in place of \p{N}{1,3}
  kNumbers,       // \p{N}, each alone
  kNumberRuns,    // \p{N}+
  kNumberTriples, // \p{N}{1,3}
  kDigitTriples,  // [0-9][0-9][0-9]
  kPunctuationRuns,  // [\p{P}$+<=>^~|]+
};

// Appends the pieces of `range` (code points of `scan`) to `out`.
void Split(SplitRule rule, const Scan& scan, Range range, std::vector<Range>& out);

// Applies the rules one after the other, each to the pieces of the one before.
std::vector<Range> SplitAll(const std::vector<SplitRule>& rules, const Scan& scan, Range range);

struct BpeDialect {
  std::vector<SplitRule> rules;
  bool ignore_merges = false;  // a word that is a token is taken whole
  bool add_bos = false;
};
// By the name in `tokenizer.ggml.pre`; kUnimplemented for names we do not know.
absl::StatusOr<BpeDialect> DialectOfGguf(std::string_view name);

// By the regular expression in a tokenizer.json; kUnimplemented when it is none of the rules above.
absl::StatusOr<SplitRule> RuleOfRegex(std::string_view regex);

}  // namespace weir::model
