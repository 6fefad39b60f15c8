#include "text/words.h"

#include <unicode/uchar.h>

#include <array>

#include "text/unicode.h"

namespace weir::text {
namespace {

enum Class : uint8_t {
  kOtherClass,
  kLetter,
  kDigit,
  kKatakana,
  kUnderscore,  // ExtendNumLet
  kIdeograph,
  kExtend,  // Extend, Format, ZWJ: belongs to what stands before it
  kMidLetter,
  kMidNum,
  kMidBoth,  // MidNumLet and the single quote
};

constexpr std::array<Class, 128> MakeAscii() {
  std::array<Class, 128> t{};
  for (int c = 'a'; c <= 'z'; ++c) t[c] = kLetter;
  for (int c = 'A'; c <= 'Z'; ++c) t[c] = kLetter;
  for (int c = '0'; c <= '9'; ++c) t[c] = kDigit;
  t['_'] = kUnderscore;
  t['.'] = t['\''] = kMidBoth;
  t[','] = t[';'] = kMidNum;
  return t;
}
constexpr std::array<Class, 128> kAscii = MakeAscii();

Class ClassOf(char32_t c) {
  if (c < 128) return kAscii[c];
  switch (u_getIntPropertyValue(static_cast<UChar32>(c), UCHAR_WORD_BREAK)) {
    case U_WB_ALETTER:
    case U_WB_HEBREW_LETTER:
      return kLetter;
    case U_WB_NUMERIC:
      return kDigit;
    case U_WB_KATAKANA:
      return kKatakana;
    case U_WB_EXTENDNUMLET:
      return kUnderscore;
    case U_WB_EXTEND:
    case U_WB_FORMAT:
    case U_WB_ZWJ:
      return kExtend;
    case U_WB_MIDLETTER:
      return kMidLetter;
    case U_WB_MIDNUM:
      return kMidNum;
    case U_WB_MIDNUMLET:
    case U_WB_SINGLE_QUOTE:
      return kMidBoth;
    default:
      break;
  }
  const UChar32 u = static_cast<UChar32>(c);
  if (u_hasBinaryProperty(u, UCHAR_IDEOGRAPHIC)) return kIdeograph;
  if (!u_isalnum(u)) return kOtherClass;
  // Left over: Hiragana (one word a letter) and the complex-context scripts (a run is a word).
  return u_getIntPropertyValue(u, UCHAR_LINE_BREAK) == U_LB_COMPLEX_CONTEXT ? kLetter : kIdeograph;
}

struct Step {
  Class cls;
  size_t end;  // past the code point
};

Step At(std::string_view s, size_t at) {
  const uint8_t b = static_cast<uint8_t>(s[at]);
  if (b < 128) return {kAscii[b], at + 1};
  const char32_t c = NextCodePoint(s, at);
  return {ClassOf(c), at};
}

bool Joins(Class a, Class b) {
  const bool word_a = a == kLetter || a == kDigit || a == kUnderscore;
  const bool word_b = b == kLetter || b == kDigit || b == kUnderscore;
  if (word_a && word_b) return true;
  return (a == kKatakana || a == kUnderscore) && (b == kKatakana || b == kUnderscore);
}

// Passes the code points that attach to what stands before them (WB4).
size_t SkipExtend(std::string_view s, size_t at, int& points) {
  while (at < s.size()) {
    const Step step = At(s, at);
    if (step.cls != kExtend || points >= kMaxWordCodePoints) break;
    at = step.end;
    ++points;
  }
  return at;
}

// Whether `mid` at a place after `before` joins it to the class that follows (WB6, 7, 11, 12).
bool MidJoins(Class before, Class mid, Class after) {
  if (before == kLetter && after == kLetter) return mid == kMidLetter || mid == kMidBoth;
  if (before == kDigit && after == kDigit) return mid == kMidNum || mid == kMidBoth;
  return false;
}

// Extends a word that began with `cls` and ends before `at`; returns its end.
size_t ExtendWord(std::string_view s, size_t at, Class cls, bool& real) {
  int points = 1;
  at = SkipExtend(s, at, points);
  while (at < s.size() && points < kMaxWordCodePoints) {
    const Step next = At(s, at);
    if (Joins(cls, next.cls)) {
      cls = next.cls;
      real |= cls != kUnderscore;
      ++points;
      at = SkipExtend(s, next.end, points);
      continue;
    }
    if (next.cls != kMidBoth && next.cls != kMidLetter && next.cls != kMidNum) break;
    int looked = points + 1;
    const size_t beyond = SkipExtend(s, next.end, looked);
    if (beyond >= s.size() || looked + 1 > kMaxWordCodePoints) break;
    const Step after = At(s, beyond);
    if (!MidJoins(cls, next.cls, after.cls)) break;
    points = looked + 1;
    at = SkipExtend(s, after.end, points);
  }
  return at;
}

}  // namespace

bool NextWord(std::string_view s, size_t& at, Span& word, bool& ascii) {
  while (at < s.size()) {
    const size_t start = at;
    const Step first = At(s, at);
    at = first.end;
    if (first.cls == kOtherClass || first.cls >= kExtend) continue;
    bool real = first.cls != kUnderscore;
    if (first.cls == kIdeograph) {
      int points = 1;
      at = SkipExtend(s, at, points);
    } else {
      at = ExtendWord(s, at, first.cls, real);
    }
    if (!real) continue;
    word = {static_cast<int64_t>(start), static_cast<int64_t>(at)};
    ascii = true;
    for (size_t i = start; i < at; ++i) ascii &= static_cast<uint8_t>(s[i]) < 128;
    return true;
  }
  return false;
}

}  // namespace weir::text
