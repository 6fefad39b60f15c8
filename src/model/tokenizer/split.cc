#include "model/tokenizer/split.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "model/quoted.h"

namespace weir::model {
namespace {

// Length of 's 't 'm 'd 're 've 'll at `i`, or 0. `fold`: letters in any case.
uint32_t Contraction(const Scan& s, uint32_t i, uint32_t end, bool fold) {
  if (s.at(i) != '\'' || i + 1 >= end) return 0;
  const auto letter = [&](uint32_t k) -> char32_t {
    const char32_t c = s.at(k);
    if (!fold) return c;
    // U+017F folds to 's' in the regular expressions of Hugging Face; llama.cpp folds ASCII only.
    if (c == 0x17F && s.version() != UnicodeVersion::kV15_1) return 's';
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
  };
  const char32_t a = letter(i + 1);
  if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
  if (i + 2 >= end) return 0;
  const char32_t b = letter(i + 2);
  if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l')) return 3;
  return 0;
}

uint32_t RunEnd(const Scan& s, uint32_t i, uint32_t end, Scan::Class wanted) {
  while (i < end && s.class_at(i) == wanted) ++i;
  return i;
}

// End of \s+(?!\S)|\s+ at `i`: the run without its last code point where more text follows.
uint32_t SpaceEnd(const Scan& s, uint32_t i, uint32_t end) {
  const uint32_t stop = RunEnd(s, i, end, Scan::kSpace);
  return stop < end && stop - i > 1 ? stop - 1 : stop;
}

uint32_t Gpt2End(const Scan& s, uint32_t i, uint32_t end) {
  if (const uint32_t n = Contraction(s, i, end, false)) return i + n;
  const uint32_t body = s.at(i) == ' ' ? i + 1 : i;
  const Scan::Class c = s.class_at(body, end);
  if (c != Scan::kSpace && c != Scan::kOutside) return RunEnd(s, body, end, c);
  return SpaceEnd(s, i, end);
}

uint32_t Llama3End(const Scan& s, uint32_t i, uint32_t end, uint32_t digits) {
  if (const uint32_t n = Contraction(s, i, end, true)) return i + n;
  const Scan::Class c = s.class_at(i);
  if (c == Scan::kLetter) return RunEnd(s, i, end, Scan::kLetter);
  if (c == Scan::kNumber) return RunEnd(s, i, std::min(end, i + digits), c);
  if (!s.newline_at(i) && s.class_at(i + 1, end) == Scan::kLetter) {
    return RunEnd(s, i + 1, end, Scan::kLetter);
  }
  const uint32_t body = s.at(i) == ' ' ? i + 1 : i;
  if (s.class_at(body, end) == Scan::kOther) {
    uint32_t stop = RunEnd(s, body, end, Scan::kOther);
    while (stop < end && s.newline_at(stop)) ++stop;
    return stop;
  }
  uint32_t after_newline = 0;
  const uint32_t stop = RunEnd(s, i, end, Scan::kSpace);
  for (uint32_t k = i; k < stop; ++k) {
    if (s.newline_at(k)) after_newline = k + 1;
  }
  return after_newline > 0 ? after_newline : SpaceEnd(s, i, end);
}

bool IsRunPunctuation(const Scan& s, uint32_t i) {
  const char32_t c = s.at(i);
  if (c == '$' || c == '+' || c == '<' || c == '=' || c == '>' || c == '^' || c == '~' ||
      c == '|') {
    return true;
  }
  return s.class_at(i) == Scan::kOther && s.category_at(i) == Category::kPunctuation;
}

// Matches stand alone, what lies between them stays together. `match_end(i)` is i where nothing
// matches.
template <class MatchEnd>
void Isolate(Range range, std::vector<Range>& out, const MatchEnd& match_end) {
  uint32_t gap = range.begin;
  for (uint32_t i = range.begin; i < range.end;) {
    const uint32_t stop = match_end(i);
    if (stop == i) {
      ++i;
      continue;
    }
    if (gap < i) out.push_back({gap, i});
    out.push_back({i, stop});
    gap = i = stop;
  }
  if (gap < range.end) out.push_back({gap, range.end});
}

template <class End>
void Cover(Range range, std::vector<Range>& out, const End& end_of) {
  for (uint32_t i = range.begin; i < range.end;) {
    const uint32_t stop = end_of(i);
    out.push_back({i, stop});
    i = stop;
  }
}

}  // namespace

void Split(SplitRule rule, const Scan& s, Range range, std::vector<Range>& out) {
  const uint32_t end = range.end;
  const auto numbers = [&](uint32_t i, uint32_t most) {
    return RunEnd(s, i, most < end - i ? i + most : end, Scan::kNumber);
  };
  switch (rule) {
    case SplitRule::kGpt2:
      return Cover(range, out, [&](uint32_t i) { return Gpt2End(s, i, end); });
    case SplitRule::kLlama3:
      return Cover(range, out, [&](uint32_t i) { return Llama3End(s, i, end, 3); });
    case SplitRule::kQwen2:
      return Cover(range, out, [&](uint32_t i) { return Llama3End(s, i, end, 1); });
    case SplitRule::kNumbers:
      return Isolate(range, out, [&](uint32_t i) { return numbers(i, 1); });
    case SplitRule::kNumberRuns:
      return Isolate(range, out, [&](uint32_t i) { return numbers(i, end); });
    case SplitRule::kNumberTriples:
      return Isolate(range, out, [&](uint32_t i) { return numbers(i, 3); });
    case SplitRule::kDigitTriples:
      return Isolate(range, out, [&](uint32_t i) {
        for (uint32_t k = i; k < i + 3; ++k) {
          if (k >= end || s.at(k) < '0' || s.at(k) > '9') return i;
        }
        return i + 3;
      });
    case SplitRule::kPunctuationRuns:
      return Isolate(range, out, [&](uint32_t i) {
        while (i < end && IsRunPunctuation(s, i)) ++i;
        return i;
      });
  }
}

std::vector<Range> SplitAll(const std::vector<SplitRule>& rules, const Scan& scan, Range range) {
  std::vector<Range> pieces;
  if (range.begin < range.end) pieces.push_back(range);
  std::vector<Range> next;
  for (const SplitRule rule : rules) {
    next.clear();
    for (const Range& piece : pieces) Split(rule, scan, piece, next);
    pieces.swap(next);
  }
  return pieces;
}

absl::StatusOr<BpeDialect> DialectOfGguf(std::string_view name) {
  using enum SplitRule;
  struct Row {
    std::string_view name;
    BpeDialect dialect;
  };
  // Names as llama.cpp's converter writes them; several models share a pattern.
  static const auto& rows = *new std::vector<Row>{
      {"", {{kPunctuationRuns, kGpt2, kNumberRuns, kDigitTriples}}},
      {"default", {{kPunctuationRuns, kGpt2, kNumberRuns, kDigitTriples}}},
      {"gpt-2", {{kGpt2}}},
      {"phi-2", {{kGpt2}}},
      {"mpt", {{kGpt2}}},
      {"olmo", {{kGpt2}}},
      {"jais", {{kGpt2}}},
      {"trillion", {{kGpt2}}},
      {"granite-docling", {{kGpt2}}},
      {"gigachat", {{kGpt2}}},
      {"modern-bert", {{kGpt2}}},
      {"smollm", {{kNumbers, kGpt2}}},
      {"starcoder", {{kNumbers, kGpt2}}},
      {"refact", {{kNumbers, kGpt2}}},
      {"command-r", {{kNumbers, kGpt2}}},
      {"codeshell", {{kNumbers, kGpt2}}},
      {"exaone", {{kNumbers, kGpt2}}},
      {"minerva-7b", {{kNumbers, kGpt2}}},
      {"qwen2", {{kQwen2}}},
      {"deepseek-r1-qwen", {{kQwen2}}},
      {"stablelm2", {{kQwen2}}},
      {"megrez", {{kQwen2}}},
      {"hunyuan", {{kQwen2}}},
      {"llama-bpe", {{kLlama3}, true, true}},
      {"llama3", {{kLlama3}, true, true}},
      {"llama-v3", {{kLlama3}, true, true}},
      {"falcon3", {{kLlama3}, true, true}},
      {"pixtral", {{kLlama3}, true, true}},
      {"lfm2", {{kLlama3}, true, true}},
      {"dbrx", {{kLlama3}}},
      {"smaug-bpe", {{kLlama3}}},
  };
  for (const Row& row : rows) {
    if (row.name == name) return row.dialect;
  }
  return absl::UnimplementedError(
      absl::StrCat("tokenizer.ggml.pre: ", Quoted(name), "; no such split pattern in this build"));
}

absl::StatusOr<SplitRule> RuleOfRegex(std::string_view regex) {
  using enum SplitRule;
  constexpr std::string_view kTail =
      "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
  const std::string words = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|";
  const std::string cased =
      "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|";
  const std::pair<std::string, SplitRule> rows[] = {
      {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", kGpt2},
      {"'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", kGpt2},
      {absl::StrCat(words, "\\p{N}{1,3}", kTail), kLlama3},
      {absl::StrCat(words, "\\p{N}", kTail), kQwen2},
      {absl::StrCat(cased, "\\p{N}{1,3}", kTail), kLlama3},
      {absl::StrCat(cased, "\\p{N}", kTail), kQwen2},
      {"\\p{N}", kNumbers},
      {"\\p{N}+", kNumberRuns},
      {"\\p{N}{1,3}", kNumberTriples},
      {"[0-9][0-9][0-9]", kDigitTriples},
  };
  for (const auto& [text, rule] : rows) {
    if (text == regex) return rule;
  }
  return absl::UnimplementedError(absl::StrCat("tokenizer.json split pattern ", Quoted(regex),
                                               "; not one that this build knows"));
}

}  // namespace weir::model
