#include "ingest/document_builder.h"

#include "absl/strings/str_cat.h"
#include "text/unicode.h"

namespace weir::ingest {
namespace {

enum class Role { kKeep, kSpace, kLine, kDrop };

Role RoleOf(char32_t c) {
  if (c == ' ' || c == '\t') return Role::kSpace;
  if (c == '\n' || c == '\r' || c == '\f' || c == '\v') return Role::kLine;
  if (c < 0x20 || c == 0x7F) return Role::kDrop;
  if (c < 0xA0) return c < 0x80 ? Role::kKeep : c == 0x85 ? Role::kLine : Role::kDrop;
  if (c == 0xA0 || c == 0x202F || c == 0x3000 || (c >= 0x2000 && c <= 0x200A)) return Role::kSpace;
  if (c == 0x2028 || c == 0x2029) return Role::kLine;
  if (c == 0xAD || c == 0xFEFF || c == 0x200B || c == 0x2060 || (c >= 0x200E && c <= 0x200F) ||
      (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) ||
      (c >= 0xFFF9 && c <= 0xFFFB) || c == 0xFFFE || c == 0xFFFF ||
      (c >= 0xE0000 && c <= 0xE007F)) {
    return Role::kDrop;
  }
  return Role::kKeep;
}

}  // namespace

std::string CleanInline(std::string_view s) {
  std::string out;
  out.reserve(s.size());
  bool space = false;
  for (size_t i = 0; i < s.size();) {
    const size_t start = i;
    const Role role = RoleOf(text::NextCodePoint(s, i));
    if (role == Role::kDrop) continue;
    if (role != Role::kKeep) {
      space = true;
      continue;
    }
    if (space && !out.empty()) out.push_back(' ');
    space = false;
    out.append(s, start, i - start);
  }
  return out;
}

std::string CleanLines(std::string_view s) {
  std::string out;
  out.reserve(s.size());
  size_t content = 0;  // out's size after the last kept character
  int lines = 0;       // line ends since then
  bool any = false;
  std::string spaces;
  for (size_t i = 0; i < s.size();) {
    const size_t start = i;
    const char32_t c = text::NextCodePoint(s, i);
    const Role role = RoleOf(c);
    if (role == Role::kDrop) continue;
    if (role == Role::kLine) {
      if (c == '\r' && i < s.size() && s[i] == '\n') continue;
      ++lines;
      spaces.clear();
      continue;
    }
    if (role == Role::kSpace) {
      spaces.append(c == '\t' ? "\t" : " ");
      continue;
    }
    if (any && lines > 0) out.append(lines > 1 ? "\n\n" : "\n");
    if (any || lines > 0 || !spaces.empty()) out.append(any || lines > 0 ? spaces : "");
    lines = 0;
    spaces.clear();
    any = true;
    out.append(s, start, i - start);
    content = out.size();
  }
  out.resize(content);
  return out;
}

DocumentBuilder::DocumentBuilder(std::string_view format, int64_t max_text_bytes)
    : limit_(max_text_bytes) {
  document_.format = std::string(format);
}

bool DocumentBuilder::Append(text::BlockKind kind, std::string_view separator,
                             std::string_view clean, int level, const Place& place) {
  if (clean.empty()) return !full_;
  if (full_) return false;
  std::string& out = document_.text;
  if (static_cast<int64_t>(out.size() + separator.size() + clean.size()) > limit_) {
    full_ = true;
    document_.warnings.push_back(
        absl::StrCat("text limit reached: ", limit_, " bytes; the rest is left out"));
    return false;
  }
  if (!out.empty()) out.append(separator);
  text::Block block;
  block.kind = kind;
  block.span.start = static_cast<int64_t>(out.size());
  out.append(clean);
  block.span.end = static_cast<int64_t>(out.size());
  block.level = level;
  block.page = place.page;
  block.box = place.box;
  document_.blocks.push_back(block);
  return true;
}

bool DocumentBuilder::Add(text::BlockKind kind, std::string_view clean, int level) {
  const int page = document_.pages.empty() ? 0 : document_.pages.back().number;
  return Append(kind, "\n\n", clean, level, Place{page, {}});
}

bool DocumentBuilder::Add(text::BlockKind kind, std::string_view clean, int level,
                          const Place& place) {
  return Append(kind, "\n\n", clean, level, place);
}

bool DocumentBuilder::Continue(text::BlockKind kind, std::string_view clean, const Place& place) {
  return Append(kind, " ", clean, 0, place);
}

void DocumentBuilder::BeginPage(int number, float width, float height) {
  const int64_t here = static_cast<int64_t>(document_.text.size());
  if (!document_.pages.empty()) document_.pages.back().span.end = here;
  text::Page page;
  page.number = number;
  page.span = {here, here};
  page.width = width;
  page.height = height;
  document_.pages.push_back(page);
}

text::Document DocumentBuilder::Finish() {
  std::vector<text::Page>& pages = document_.pages;
  if (!pages.empty()) pages.back().span.end = static_cast<int64_t>(document_.text.size());
  return std::move(document_);
}

}  // namespace weir::ingest
