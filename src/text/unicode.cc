#include "text/unicode.h"

#include <unicode/uchar.h>

#include <cstring>

namespace weir::text {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

// Length of the well-formed UTF-8 sequence at `at` (Unicode 15, table 3-7), or 0.
size_t SequenceLength(std::string_view s, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(s[at + i]); };
  const auto tail = [&](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const size_t left = s.size() - at;
  const uint8_t b = byte(0);
  if (b < 0x80) return 1;
  if (b >= 0xC2 && b <= 0xDF) return left >= 2 && tail(1) ? 2 : 0;
  if ((b & 0xF0) == 0xE0) {
    if (left < 3 || !tail(1) || !tail(2)) return 0;
    if (b == 0xE0 && byte(1) < 0xA0) return 0;  // overlong
    if (b == 0xED && byte(1) > 0x9F) return 0;  // surrogates
    return 3;
  }
  if (b >= 0xF0 && b <= 0xF4) {
    if (left < 4 || !tail(1) || !tail(2) || !tail(3)) return 0;
    if (b == 0xF0 && byte(1) < 0x90) return 0;
    if (b == 0xF4 && byte(1) > 0x8F) return 0;
    return 4;
  }
  return 0;
}

// Bytes from `at` on that are ASCII, eight at a time.
size_t AsciiRun(std::string_view s, size_t at) {
  const size_t start = at;
  while (at + 8 <= s.size()) {
    uint64_t word;
    std::memcpy(&word, s.data() + at, 8);
    if (word & 0x8080808080808080ull) break;
    at += 8;
  }
  while (at < s.size() && static_cast<uint8_t>(s[at]) < 0x80) ++at;
  return at - start;
}

}  // namespace

bool IsValidUtf8(std::string_view bytes) {
  for (size_t i = 0; i < bytes.size();) {
    i += AsciiRun(bytes, i);
    if (i >= bytes.size()) break;
    const size_t n = SequenceLength(bytes, i);
    if (n == 0) return false;
    i += n;
  }
  return true;
}

std::string RepairUtf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (size_t i = 0; i < bytes.size();) {
    if (bytes[i] == '\0') {
      AppendUtf8(kReplacement, out);
      ++i;
      continue;
    }
    size_t n = SequenceLength(bytes, i);
    if (n > 0) {
      out.append(bytes, i, n);
      i += n;
      continue;
    }
    // One replacement for a lead byte with the continuation bytes that follow it.
    AppendUtf8(kReplacement, out);
    const uint8_t lead = static_cast<uint8_t>(bytes[i]);
    size_t tails = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
    ++i;
    while (tails > 0 && i < bytes.size() && (static_cast<uint8_t>(bytes[i]) & 0xC0) == 0x80) {
      ++i;
      --tails;
    }
  }
  return out;
}

char32_t NextCodePoint(std::string_view text, size_t& at) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t b = byte(at);
  if (b < 0x80) {
    ++at;
    return b;
  }
  const size_t n = b >= 0xF0 ? 4 : b >= 0xE0 ? 3 : 2;
  if (at + n > text.size()) {  // not valid UTF-8; never read past the end
    at = text.size();
    return kReplacement;
  }
  char32_t c = b & (n == 4 ? 0x07 : n == 3 ? 0x0F : 0x1F);
  for (size_t i = 1; i < n; ++i) c = (c << 6) | (byte(at + i) & 0x3F);
  at += n;
  return c;
}

bool BeginsCharacter(std::string_view text, size_t at) {
  if (at == 0 || at >= text.size()) return true;
  constexpr std::string_view kJoiner = "\u200D";  // of emoji
  if (text.substr(0, at).ends_with(kJoiner)) return false;
  const auto c = static_cast<UChar32>(NextCodePoint(text, at));
  return u_charType(c) != U_COMBINING_SPACING_MARK &&
         u_hasBinaryProperty(c, UCHAR_GRAPHEME_EXTEND) == 0;
}

std::string_view CutUtf8(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  while (max_bytes > 0 && (static_cast<uint8_t>(text[max_bytes]) & 0xC0) == 0x80) --max_bytes;
  return text.substr(0, max_bytes);
}

void AppendUtf8(char32_t c, std::string& out) {
  if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) c = kReplacement;
  if (c < 0x80) {
    out.push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    out.push_back(static_cast<char>(0xC0 | (c >> 6)));
    out.push_back(static_cast<char>(0x80 | (c & 0x3F)));
  } else if (c < 0x10000) {
    out.push_back(static_cast<char>(0xE0 | (c >> 12)));
    out.push_back(static_cast<char>(0x80 | ((c >> 6) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (c & 0x3F)));
  } else {
    out.push_back(static_cast<char>(0xF0 | (c >> 18)));
    out.push_back(static_cast<char>(0x80 | ((c >> 12) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | ((c >> 6) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (c & 0x3F)));
  }
}

}  // namespace weir::text
