// The parsed form of a GBNF grammar, between the parser (gbnf_parser.cc) and the compiler
// (grammar.cc).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "generate/constrain/grammar.h"

namespace weir::generate {

enum class GbnfKind : uint8_t { kLiteral, kClass, kRule, kSequence, kAlternates, kRepeat };

using CodePointRange = std::pair<char32_t, char32_t>;  // both ends included

struct GbnfNode {
  GbnfKind kind = GbnfKind::kSequence;
  std::string literal = {};                 // kLiteral, bytes
  std::vector<CodePointRange> ranges = {};  // kClass: sorted, disjoint, negation already applied
  uint32_t rule = 0;                        // kRule
  std::vector<uint32_t> children = {};      // kSequence, kAlternates; kRepeat has one
  int min = 0, max = -1;                    // kRepeat; max -1 is unbounded
};

struct GbnfRule {
  std::string name;
  uint32_t body = 0;
  int line = 0;  // of its definition; 0 while only referred to
};

struct GbnfTree {
  std::vector<GbnfNode> nodes;
  std::vector<GbnfRule> rules;
  uint32_t root = 0;
};

absl::StatusOr<GbnfTree> ParseGbnfTree(std::string_view source, const GrammarLimits& limits);

}  // namespace weir::generate
