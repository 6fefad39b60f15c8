// String functions of the template language, with Unicode case from ICU.
#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>

#include "model/template/runtime.h"
#include "text/unicode.h"

namespace weir::model::jinja {
namespace {

// Python's str.isspace.
bool IsPythonSpace(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x1F);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

char32_t PointAt(std::string_view text) {
  size_t at = 0;
  return text::NextCodePoint(text, at);
}

}  // namespace

std::vector<std::string_view> CodePointsOf(std::string_view text) {
  std::vector<std::string_view> out;
  for (size_t at = 0; at < text.size();) {
    const size_t start = at;
    text::NextCodePoint(text, at);
    out.push_back(text.substr(start, at - start));
  }
  return out;
}

std::string_view Strip(std::string_view text, const std::string* characters, bool left,
                       bool right) {
  std::vector<std::string_view> set;
  if (characters != nullptr) set = CodePointsOf(*characters);
  std::sort(set.begin(), set.end());
  const auto goes = [&](std::string_view point) {
    return characters == nullptr ? IsPythonSpace(PointAt(point))
                                 : std::binary_search(set.begin(), set.end(), point);
  };
  while (left && !text.empty()) {
    size_t at = 0;
    text::NextCodePoint(text, at);
    if (!goes(text.substr(0, at))) break;
    text.remove_prefix(at);
  }
  while (right && !text.empty()) {
    size_t at = text.size() - 1;
    while (at > 0 && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80) --at;
    if (!goes(text.substr(at))) break;
    text = text.substr(0, at);
  }
  return text;
}

std::string Upper(std::string_view text) {
  std::string out;
  icu::UnicodeString::fromUTF8({text.data(), static_cast<int32_t>(text.size())})
      .toUpper(icu::Locale::getRoot())
      .toUTF8String(out);
  return out;
}

std::string Lower(std::string_view text) {
  std::string out;
  icu::UnicodeString::fromUTF8({text.data(), static_cast<int32_t>(text.size())})
      .toLower(icu::Locale::getRoot())
      .toUTF8String(out);
  return out;
}

std::string Title(std::string_view text) {
  std::string out;
  bool inside = false;  // after a cased letter
  for (size_t at = 0; at < text.size();) {
    const UChar32 c = static_cast<UChar32>(text::NextCodePoint(text, at));
    text::AppendUtf8(static_cast<char32_t>(inside ? u_tolower(c) : u_totitle(c)), out);
    inside = u_hasBinaryProperty(c, UCHAR_CASED);
  }
  return out;
}

std::string Capitalize(std::string_view text) {
  if (text.empty()) return "";
  size_t at = 0;
  std::string out;
  text::AppendUtf8(
      static_cast<char32_t>(u_totitle(static_cast<UChar32>(text::NextCodePoint(text, at)))), out);
  return out + Lower(text.substr(at));
}

std::vector<std::string_view> SplitText(std::string_view text, const std::string* separator,
                                        int64_t most, bool from_right) {
  std::vector<std::string_view> out;
  if (separator == nullptr) {
    text = Strip(text, nullptr, true, false);
    while (!text.empty()) {
      size_t end = 0;
      const bool last = most >= 0 && static_cast<int64_t>(out.size()) >= most;
      while (!last && end < text.size()) {
        size_t next = end;
        if (IsPythonSpace(text::NextCodePoint(text, next))) break;
        end = next;
      }
      if (last) {
        out.push_back(Strip(text, nullptr, false, true));
        break;
      }
      out.push_back(text.substr(0, end));
      text = Strip(text.substr(end), nullptr, true, false);
    }
    return out;
  }
  while (!separator->empty() && (most < 0 || static_cast<int64_t>(out.size()) < most)) {
    const size_t at = from_right ? text.rfind(*separator) : text.find(*separator);
    if (at == std::string_view::npos) break;
    out.push_back(from_right ? text.substr(at + separator->size()) : text.substr(0, at));
    text = from_right ? text.substr(0, at) : text.substr(at + separator->size());
  }
  out.push_back(text);
  if (from_right) std::reverse(out.begin(), out.end());
  return out;
}

int64_t ReplacedSize(std::string_view text, std::string_view from, std::string_view to,
                     int64_t most) {
  int64_t size = static_cast<int64_t>(text.size()), done = 0;
  if (from.empty()) {
    const int64_t gaps = static_cast<int64_t>(CodePointsOf(text).size()) + 1;
    return size + (most < 0 ? gaps : std::min(most, gaps)) * static_cast<int64_t>(to.size());
  }
  for (size_t at = 0; (most < 0 || done < most); ++done, at += from.size()) {
    at = text.find(from, at);
    if (at == std::string_view::npos) break;
    size += static_cast<int64_t>(to.size()) - static_cast<int64_t>(from.size());
  }
  return size;
}

std::string Replaced(std::string_view text, std::string_view from, std::string_view to,
                     int64_t most) {
  std::string out;
  int64_t done = 0;
  if (from.empty()) {  // between all code points
    for (const std::string_view point : CodePointsOf(text)) {
      if (most < 0 || done++ < most) out += to;
      out += point;
    }
    if (most < 0 || done < most) out += to;
    return out;
  }
  size_t begin = 0;
  while (most < 0 || done++ < most) {
    const size_t at = text.find(from, begin);
    if (at == std::string_view::npos) break;
    out += text.substr(begin, at - begin);
    out += to;
    begin = at + from.size();
  }
  return out + std::string(text.substr(begin));
}

}  // namespace weir::model::jinja
