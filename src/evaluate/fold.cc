#include "evaluate/fold.h"

#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/unorm2.h>

#include <algorithm>

#include "text/unicode.h"

namespace weir::evaluate {
namespace {

icu::UnicodeString Normalise(const UNormalizer2* form, const icu::UnicodeString& in) {
  UErrorCode status = U_ZERO_ERROR;
  icu::UnicodeString out;
  // A few forms grow by a factor of 18 (U+FDFA).
  const int32_t room = in.length() * 18 + 8;
  const int32_t length =
      unorm2_normalize(form, in.getBuffer(), in.length(), out.getBuffer(room), room, &status);
  out.releaseBuffer(U_SUCCESS(status) ? length : 0);
  return out;
}

icu::UnicodeString CaseFold(const icu::UnicodeString& in) {
  UErrorCode status = U_ZERO_ERROR;
  const UNormalizer2* form = unorm2_getNFKCCasefoldInstance(&status);
  return U_SUCCESS(status) ? Normalise(form, in) : in;
}

icu::UnicodeString Decompose(const icu::UnicodeString& in) {
  UErrorCode status = U_ZERO_ERROR;
  const UNormalizer2* form = unorm2_getNFDInstance(&status);
  return U_SUCCESS(status) ? Normalise(form, in) : in;
}

bool IsDash(UChar32 c) { return u_charType(c) == U_DASH_PUNCTUATION || c == 0x2212; }

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// The character at byte `at` of valid UTF-8, and the one that ends before it.
bool IsWordAt(std::string_view text, size_t at) {
  return at < text.size() && u_isalnum(static_cast<UChar32>(text::NextCodePoint(text, at)));
}
bool IsWordBefore(std::string_view text, size_t at) {
  if (at == 0) return false;
  do {
    --at;
  } while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80);
  return IsWordAt(text, at);
}

bool FreeBefore(std::string_view text, size_t at) {
  if (!IsWordAt(text, at)) return true;
  if (IsWordBefore(text, at)) return false;
  const bool point = at >= 2 && (text[at - 1] == '.' || text[at - 1] == ',');
  return !(IsDigit(text[at]) && point && IsDigit(text[at - 2]));
}

bool FreeAfter(std::string_view text, size_t end) {
  if (!IsWordBefore(text, end)) return true;
  const bool number = IsDigit(text[end - 1]);
  if (!number && end < text.size() && text[end] == 's') ++end;  // plural
  if (IsWordAt(text, end)) return false;
  const bool point = end + 1 < text.size() && (text[end] == '.' || text[end] == ',');
  return !(number && point && IsDigit(text[end + 1]));
}

}  // namespace

Letters LettersOf(std::string_view utf8) {
  Letters letters;
  letters.folded.reserve(utf8.size());
  letters.source.reserve(utf8.size());
  for (size_t at = 0; at < utf8.size();) {
    const size_t start = at;
    const char32_t c = text::NextCodePoint(utf8, at);
    if (c < 0x80) {
      if (!u_isalnum(static_cast<UChar32>(c))) continue;
      letters.folded.push_back(static_cast<char>(u_tolower(static_cast<UChar32>(c))));
    } else {
      const icu::UnicodeString folded =
          Decompose(CaseFold(icu::UnicodeString(static_cast<UChar32>(c))));
      for (int32_t i = 0; i < folded.length(); i = folded.moveIndex32(i, 1)) {
        if (u_isalnum(folded.char32At(i))) {
          text::AppendUtf8(static_cast<char32_t>(folded.char32At(i)), letters.folded);
        }
      }
    }
    letters.source.resize(letters.folded.size(), static_cast<int64_t>(start));
  }
  return letters;
}

std::string FoldPhrase(std::string_view utf8) {
  const icu::UnicodeString folded = CaseFold(icu::UnicodeString::fromUTF8(
      icu::StringPiece(utf8.data(), static_cast<int32_t>(std::min<size_t>(utf8.size(), 1 << 24)))));
  std::string out;
  bool space = false;
  for (int32_t i = 0; i < folded.length(); i = folded.moveIndex32(i, 1)) {
    const UChar32 c = folded.char32At(i);
    if (u_isUWhiteSpace(c)) {
      space = !out.empty();
      continue;
    }
    if (space) out.push_back(' ');
    space = false;
    text::AppendUtf8(IsDash(c) ? U'-' : static_cast<char32_t>(c), out);
  }
  return out;
}

bool ContainsPhrase(std::string_view text, std::string_view phrase) {
  if (phrase.empty()) return false;
  for (size_t at = text.find(phrase); at != text.npos; at = text.find(phrase, at + 1)) {
    if (FreeBefore(text, at) && FreeAfter(text, at + phrase.size())) return true;
  }
  return false;
}

double CoverageOf(const Letters& evidence, const Letters& document,
                  absl::Span<const text::Span> spans) {
  if (evidence.folded.empty()) return -1;
  std::vector<char> covered(document.folded.size(), 0);
  for (const text::Span& span : spans) {
    const auto& source = document.source;
    const auto begin = std::lower_bound(source.begin(), source.end(), span.start) - source.begin();
    const auto end = std::lower_bound(source.begin(), source.end(), span.end) - source.begin();
    for (auto i = begin; i < end; ++i) covered[static_cast<size_t>(i)] = 1;
  }
  double best = -1;
  const size_t n = evidence.folded.size();
  for (size_t at = document.folded.find(evidence.folded); at != std::string::npos;
       at = document.folded.find(evidence.folded, at + 1)) {
    const auto hits = std::count(covered.begin() + static_cast<std::ptrdiff_t>(at),
                                 covered.begin() + static_cast<std::ptrdiff_t>(at + n), 1);
    best = std::max(best, static_cast<double>(hits) / static_cast<double>(n));
  }
  return best;
}

double SharedRun(const Letters& evidence, const Letters& quote) {
  const std::string& a = evidence.folded;
  const std::string& b = quote.folded;
  if (a.empty()) return 0;
  std::vector<int32_t> row(b.size() + 1, 0);  // run that ends at each byte of b
  int32_t best = 0;
  for (const char c : a) {
    for (size_t j = b.size(); j >= 1; --j) {
      row[j] = b[j - 1] == c ? row[j - 1] + 1 : 0;
      best = std::max(best, row[j]);
    }
  }
  return static_cast<double>(best) / static_cast<double>(a.size());
}

}  // namespace weir::evaluate
