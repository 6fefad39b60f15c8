#include <algorithm>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "generate/constrain/gbnf_tree.h"
#include "text/unicode.h"

namespace weir::generate {
namespace {

constexpr char32_t kLastCodePoint = 0x10FFFF;
constexpr int kMaxRepeatsOfOne = 8;  // a**{2}...: bounds the recursion of what follows

bool IsNameByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Sorts and merges ranges; `negate` complements them over all code points. Surrogates are cut out
// when the ranges become UTF-8, not here.
std::vector<CodePointRange> Normalize(std::vector<CodePointRange> ranges, bool negate) {
  std::sort(ranges.begin(), ranges.end());
  std::vector<CodePointRange> merged;
  for (const CodePointRange& r : ranges) {
    if (!merged.empty() && r.first <= merged.back().second + 1) {
      merged.back().second = std::max(merged.back().second, r.second);
    } else {
      merged.push_back(r);
    }
  }
  if (!negate) return merged;
  std::vector<CodePointRange> gaps;
  char32_t next = 0;
  for (const CodePointRange& r : merged) {
    if (r.first > next) gaps.push_back({next, r.first - 1});
    next = r.second + 1;
  }
  if (next <= kLastCodePoint) gaps.push_back({next, kLastCodePoint});
  return gaps;
}

class GbnfParser {
 public:
  GbnfParser(std::string_view source, const GrammarLimits& limits)
      : source_(source), limits_(limits) {}

  absl::StatusOr<GbnfTree> Parse() {
    if (source_.size() > limits_.source_bytes) return Exhausted("bytes", limits_.source_bytes);
    if (!text::IsValidUtf8(source_)) return Error("not valid UTF-8");
    SkipSpace(true);
    while (at_ < source_.size()) WEIR_RETURN_IF_ERROR(ParseRule());
    for (const GbnfRule& rule : tree_.rules) {
      if (rule.line == 0) return Error(absl::StrCat("rule '", rule.name, "' is not defined"));
    }
    const auto root = by_name_.find("root");
    if (root == by_name_.end()) return Error("there is no rule 'root'");
    tree_.root = root->second;
    return std::move(tree_);
  }

 private:
  absl::Status Error(std::string_view what) const {
    const auto line =
        1 + std::count(source_.begin(), source_.begin() + std::min(at_, source_.size()), '\n');
    return absl::InvalidArgumentError(absl::StrCat("grammar: line ", line, ": ", what));
  }
  absl::Status Exhausted(std::string_view what, size_t limit) const {
    return absl::ResourceExhaustedError(absl::StrCat("grammar: more than ", limit, " ", what));
  }

  bool At(char c) const { return at_ < source_.size() && source_[at_] == c; }

  void SkipSpace(bool newlines) {
    while (at_ < source_.size()) {
      const char c = source_[at_];
      if (c == '#') {
        while (at_ < source_.size() && source_[at_] != '\n') ++at_;
      } else if (c == ' ' || c == '\t' || (newlines && (c == '\n' || c == '\r'))) {
        ++at_;
      } else {
        break;
      }
    }
  }

  absl::StatusOr<uint32_t> AddNode(GbnfNode node) {
    if (tree_.nodes.size() >= limits_.nodes) return Exhausted("elements", limits_.nodes);
    tree_.nodes.push_back(std::move(node));
    return static_cast<uint32_t>(tree_.nodes.size() - 1);
  }

  absl::StatusOr<uint32_t> RuleId() {
    const size_t begin = at_;
    while (at_ < source_.size() && IsNameByte(source_[at_])) ++at_;
    if (at_ == begin) return Error("expected a rule name");
    const std::string name(source_.substr(begin, at_ - begin));
    const auto [it, added] = by_name_.try_emplace(name, static_cast<uint32_t>(tree_.rules.size()));
    if (added) {
      if (tree_.rules.size() >= limits_.rules) return Exhausted("rules", limits_.rules);
      tree_.rules.push_back({name, 0, 0});
    }
    return it->second;
  }

  absl::Status ParseRule() {
    WEIR_ASSIGN_OR_RETURN(const uint32_t rule, RuleId());
    if (tree_.rules[rule].line != 0) {
      return Error(absl::StrCat("rule '", tree_.rules[rule].name, "' is defined twice"));
    }
    SkipSpace(false);
    if (source_.substr(at_, 3) != "::=") return Error("expected ::=");
    at_ += 3;
    SkipSpace(true);
    tree_.rules[rule].line = 1;
    WEIR_ASSIGN_OR_RETURN(const uint32_t body, ParseAlternates(0));
    tree_.rules[rule].body = body;
    if (at_ < source_.size() && source_[at_] != '\n' && source_[at_] != '\r') {
      return Error("expected an element, '|' or the end of the rule");
    }
    SkipSpace(true);
    return absl::OkStatus();
  }

  absl::StatusOr<uint32_t> ParseAlternates(int depth) {
    if (depth > limits_.depth) return Exhausted("nested groups", limits_.depth);
    GbnfNode node{.kind = GbnfKind::kAlternates};
    while (true) {
      WEIR_ASSIGN_OR_RETURN(const uint32_t sequence, ParseSequence(depth));
      node.children.push_back(sequence);
      if (!At('|')) break;
      ++at_;
      SkipSpace(true);
    }
    if (node.children.size() == 1) return node.children[0];
    return AddNode(std::move(node));
  }

  absl::StatusOr<uint32_t> ParseSequence(int depth) {
    GbnfNode node{.kind = GbnfKind::kSequence};
    while (at_ < source_.size()) {
      const char c = source_[at_];
      if (c != '"' && c != '[' && c != '(' && c != '.' && !IsNameByte(c)) break;
      WEIR_ASSIGN_OR_RETURN(uint32_t element, ParseElement(c, depth));
      SkipSpace(depth > 0);
      WEIR_ASSIGN_OR_RETURN(element, ParseRepeats(element, depth));
      node.children.push_back(element);
    }
    return AddNode(std::move(node));
  }

  absl::StatusOr<uint32_t> ParseElement(char c, int depth) {
    if (c == '"') return ParseLiteral();
    if (c == '[') return ParseClass();
    if (c == '.') {
      ++at_;
      return AddNode({.kind = GbnfKind::kClass, .ranges = {{0, kLastCodePoint}}});
    }
    if (c == '(') {
      ++at_;
      SkipSpace(true);
      WEIR_ASSIGN_OR_RETURN(const uint32_t group, ParseAlternates(depth + 1));
      if (!At(')')) return Error("expected ')'");
      ++at_;
      return group;
    }
    WEIR_ASSIGN_OR_RETURN(const uint32_t rule, RuleId());
    return AddNode({.kind = GbnfKind::kRule, .rule = rule});
  }

  absl::StatusOr<uint32_t> ParseRepeats(uint32_t element, int depth) {
    for (int applied = 0; at_ < source_.size(); ++applied) {
      GbnfNode node{.kind = GbnfKind::kRepeat, .children = {element}};
      const char c = source_[at_];
      if (c == '?') {
        node.max = 1;
      } else if (c == '+') {
        node.min = 1;
      } else if (c == '{') {
        WEIR_RETURN_IF_ERROR(ParseBounds(node));
      } else if (c != '*') {
        break;
      }
      if (applied >= kMaxRepeatsOfOne) return Exhausted("repeats of one element", kMaxRepeatsOfOne);
      ++at_;
      SkipSpace(depth > 0);
      WEIR_ASSIGN_OR_RETURN(element, AddNode(std::move(node)));
    }
    return element;
  }

  // {m} {m,} {m,n} {,n}; stays on the closing brace.
  absl::Status ParseBounds(GbnfNode& node) {
    ++at_;
    SkipSpace(false);
    const bool has_min = !At(',');
    if (has_min) {
      WEIR_ASSIGN_OR_RETURN(node.min, Number());
    }
    SkipSpace(false);
    if (!At(',')) {
      node.max = node.min;
    } else {
      ++at_;
      SkipSpace(false);
      if (!At('}') || !has_min) {
        WEIR_ASSIGN_OR_RETURN(node.max, Number());
        SkipSpace(false);
      }
    }
    if (!At('}')) return Error("expected '}'");
    if (node.max >= 0 && node.max < node.min)
      return Error("a repetition's upper bound is below its lower");
    return absl::OkStatus();
  }

  absl::StatusOr<int> Number() {
    int value = 0;
    const size_t begin = at_;
    for (; at_ < source_.size() && source_[at_] >= '0' && source_[at_] <= '9'; ++at_) {
      value = value * 10 + (source_[at_] - '0');
      if (value > limits_.repetition) return Exhausted("repetitions", limits_.repetition);
    }
    if (at_ == begin) return Error("expected a number");
    return value;
  }

  // One code point of a literal or class, escapes undone. `byte` is set for \xHH.
  absl::StatusOr<char32_t> Character() {
    if (source_[at_] != '\\') return text::NextCodePoint(source_, at_);
    if (at_ + 1 >= source_.size()) return Error("an escape at the end");
    const char c = source_[at_ + 1];
    at_ += 2;
    switch (c) {
      case 'n':
        return U'\n';
      case 'r':
        return U'\r';
      case 't':
        return U'\t';
      case 'x':
        return Hex(2);
      case 'u':
        return Hex(4);
      case 'U':
        return Hex(8);
      case '\\':
      case '"':
      case '[':
      case ']':
      case '-':
      case '^':
      case '/':
        return static_cast<char32_t>(c);
      default:
        return Error(absl::StrCat("unknown escape \\", std::string(1, c)));
    }
  }

  absl::StatusOr<char32_t> Hex(int digits) {
    uint64_t value = 0;
    for (int i = 0; i < digits; ++i, ++at_) {
      const int digit = at_ < source_.size() ? HexValue(source_[at_]) : -1;
      if (digit < 0) return Error("expected a hexadecimal digit");
      value = value * 16 + digit;
    }
    if (value > kLastCodePoint) return Error("a code point above U+10FFFF");
    return static_cast<char32_t>(value);
  }

  absl::StatusOr<uint32_t> ParseLiteral() {
    GbnfNode node{.kind = GbnfKind::kLiteral};
    ++at_;
    while (!At('"')) {
      if (at_ >= source_.size() || source_[at_] == '\n')
        return Error("a literal without its closing quote");
      WEIR_ASSIGN_OR_RETURN(const char32_t c, Character());
      if (c >= 0xD800 && c <= 0xDFFF) return Error("a surrogate in a literal");
      text::AppendUtf8(c, node.literal);
    }
    ++at_;
    return AddNode(std::move(node));
  }

  absl::StatusOr<uint32_t> ParseClass() {
    ++at_;
    const bool negate = At('^');
    if (negate) ++at_;
    std::vector<CodePointRange> ranges;
    while (!At(']')) {
      if (at_ >= source_.size() || source_[at_] == '\n')
        return Error("a class without its closing ]");
      WEIR_ASSIGN_OR_RETURN(const char32_t low, Character());
      char32_t high = low;
      if (At('-') && at_ + 1 < source_.size() && source_[at_ + 1] != ']') {
        ++at_;
        WEIR_ASSIGN_OR_RETURN(high, Character());
      }
      if (high < low) return Error("a class range that runs backwards");
      ranges.push_back({low, high});
      if (ranges.size() > limits_.nodes) return Exhausted("class ranges", limits_.nodes);
    }
    ++at_;
    return AddNode({.kind = GbnfKind::kClass, .ranges = Normalize(std::move(ranges), negate)});
  }

  std::string_view source_;
  const GrammarLimits& limits_;
  size_t at_ = 0;
  GbnfTree tree_;
  absl::flat_hash_map<std::string, uint32_t> by_name_;
};

}  // namespace

absl::StatusOr<GbnfTree> ParseGbnfTree(std::string_view source, const GrammarLimits& limits) {
  return GbnfParser(source, limits).Parse();
}

}  // namespace weir::generate
