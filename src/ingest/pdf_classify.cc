// Headings, captions, tables, the reference list and the title.
#include <algorithm>
#include <cmath>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "ingest/pdf_layout.h"

namespace weir::ingest {
namespace {

using text::BlockKind;

constexpr float kLarger = 1.08f;      // times the body's size: large enough for a heading
constexpr float kSmaller = 0.93f;     // times the body's size: footnotes, captions, labels
constexpr size_t kMaxHeading = 180;   // bytes
constexpr size_t kMaxHeadingLines = 3;

std::string TextOf(const PdfParagraph& p, size_t most = 400) {
  std::string s;
  for (const PdfLine* line : p.lines) {
    if (!s.empty()) s += ' ';
    s += line->text;
    if (s.size() > most) break;
  }
  return s;
}

float SizeOf(const PdfParagraph& p) {
  float size = 0;
  size_t letters = 0;
  for (const PdfLine* line : p.lines) {
    if (line->text.size() > letters) {
      letters = line->text.size();
      size = line->size;
    }
  }
  return size;
}

bool AllBold(const PdfParagraph& p) {
  return std::all_of(p.lines.begin(), p.lines.end(), [](const PdfLine* l) { return l->bold; });
}
bool AllItalic(const PdfParagraph& p) {
  return std::all_of(p.lines.begin(), p.lines.end(), [](const PdfLine* l) { return l->italic; });
}

struct Number {
  int depth = 0;  // 1 for "3" or "IV.", 2 for "3.2"
  size_t length = 0;
};

// The section number a heading begins with.
Number SectionNumber(std::string_view s) {
  Number n;
  size_t i = 0;
  while (i < s.size() && n.depth < 5) {
    const size_t start = i;
    while (i < s.size() && absl::ascii_isdigit(static_cast<unsigned char>(s[i]))) ++i;
    if (i == start || i - start > 2) break;
    ++n.depth;
    if (i < s.size() && s[i] == '.') ++i;
    n.length = i;
  }
  if (n.depth == 0) {  // roman
    while (i < s.size() && i < 6 && std::string_view("IVX").find(s[i]) != std::string_view::npos)
      ++i;
    if (i > 0 && i < s.size() && s[i] == '.') n = {1, i + 1};
  }
  if (n.depth > 0 && (n.length >= s.size() || s[n.length] != ' ')) n = {};
  return n;
}

bool AllCaps(std::string_view s) {
  int upper = 0, lower = 0;
  for (char c : s) {
    upper += c >= 'A' && c <= 'Z';
    lower += c >= 'a' && c <= 'z';
  }
  return upper >= 4 && lower == 0;
}

int Letters(std::string_view s) {
  return static_cast<int>(std::count_if(s.begin(), s.end(), [](char c) {
    return absl::ascii_isalpha(static_cast<unsigned char>(c)) || static_cast<uint8_t>(c) >= 0xC3;
  }));
}

// "Fig. 3", "Figure 12:", "Table IV", "Algorithm 1".
bool Caption(std::string_view s) {
  for (std::string_view word : {"Figure", "Fig.", "FIGURE", "FIG.", "Fig", "Table", "TABLE",
                                "Scheme", "Algorithm", "Listing", "Box", "Plate"}) {
    if (!s.starts_with(word)) continue;
    std::string_view rest = s.substr(word.size());
    if (!rest.starts_with(' ')) continue;
    rest.remove_prefix(1);
    size_t digits = 0;
    while (digits < rest.size() &&
           (absl::ascii_isdigit(static_cast<unsigned char>(rest[digits])) ||
            std::string_view("IVXSA").find(rest[digits]) != std::string_view::npos)) {
      ++digits;
    }
    if (digits == 0 || digits > 4) continue;
    // "Table 3 shows that" is a sentence of the text.
    rest.remove_prefix(digits);
    if (rest.empty() || rest[0] == '.' || rest[0] == ':' || rest[0] == '|') return true;
    if (rest[0] == ' ' && rest.size() > 1 &&
        !absl::ascii_islower(static_cast<unsigned char>(rest[1]))) {
      return true;
    }
  }
  return false;
}

std::string Bare(std::string_view s) {
  s.remove_prefix(SectionNumber(s).length);
  std::string out;
  for (char c : s) {
    if (absl::ascii_isalpha(static_cast<unsigned char>(c))) {
      out.push_back(absl::ascii_tolower(static_cast<unsigned char>(c)));
    } else if (c == ' ' && !out.empty() && out.back() != ' ') {
      out.push_back(' ');
    }
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

}  // namespace

bool IsReferencesHeading(std::string_view s) {
  static constexpr std::string_view kNames[] = {"references",       "bibliography",
                                                "literature cited", "works cited",
                                                "literature",       "references and notes"};
  const std::string bare = Bare(s);
  return std::find(std::begin(kNames), std::end(kNames), bare) != std::end(kNames);
}

bool IsKnownHeading(std::string_view s) {
  static constexpr std::string_view kNames[] = {
      "abstract", "summary", "introduction", "background", "methods", "materials and methods",
      "method", "results", "discussion", "results and discussion", "conclusion", "conclusions",
      "acknowledgements", "acknowledgments", "acknowledgement", "acknowledgment", "appendix",
      "related work", "keywords", "competing interests", "funding", "limitations"};
  const std::string bare = Bare(s);
  return IsReferencesHeading(s) ||
         std::find(std::begin(kNames), std::end(kNames), bare) != std::end(kNames);
}

namespace {

bool LooksLikeHeading(const PdfParagraph& p, const PdfBody& body, std::string_view s) {
  if (p.lines.size() > kMaxHeadingLines || s.size() > kMaxHeading || Letters(s) < 3) return false;
  if (absl::ascii_islower(static_cast<unsigned char>(s[0])) || s[0] == '(' || s[0] == '[')
    return false;
  if (std::any_of(p.lines.begin(), p.lines.end(), [](auto* l) { return l->cells.size() > 1; }))
    return false;
  if (Letters(s) * 2 < static_cast<int>(s.size())) return false;
  const bool number = SectionNumber(s).depth > 0;
  const char last = s.back();
  if (last == ',' || last == ';' || last == '-' || (last == '.' && !number && s.size() > 60))
    return false;
  const float size = SizeOf(p);
  if (size > body.size * kLarger) return true;
  if (IsKnownHeading(s) && size > body.size * 0.65f) return true;
  if (size < body.size * kSmaller) return false;
  if (p.lines.size() > 2) return false;
  if (AllBold(p) && !body.bold) return true;
  if (number && (AllItalic(p) || AllCaps(s))) return true;
  return (AllCaps(s) || AllItalic(p)) && p.lines.size() == 1 && s.size() < 80 && last != '.';
}

// A short line in a font of its own, right above text in the body's font.
bool OpensText(const PdfParagraph& p, const PdfParagraph* next, const PdfBody& body,
               std::string_view s) {
  if (next == nullptr || p.lines.size() != 1 || s.size() > 80 || Letters(s) < 4) return false;
  const PdfLine& line = *p.lines[0];
  const PdfLine& below = *next->lines[0];
  const char last = s.back();
  if (last == '.' || last == ',' || last == ';' || last == ':' || !line.cells.empty()) return false;
  if (!absl::ascii_isupper(static_cast<unsigned char>(s[0])) && SectionNumber(s).depth == 0)
    return false;
  return line.font != body.font && below.font == body.font && line.size > body.size * 0.85f &&
         next->lines.size() > 1 && below.page == line.page && below.baseline > line.baseline &&
         below.baseline - line.baseline < 2.5f * line.size &&
         std::fabs(below.box.x0 - line.box.x0) < 2 * line.size;
}

bool TableRows(const PdfParagraph& p) {
  if (p.lines.size() < 2) return false;
  const auto rows = std::count_if(p.lines.begin(), p.lines.end(),
                                  [](const PdfLine* l) { return !l->cells.empty(); });
  return rows * 2 >= static_cast<int64_t>(p.lines.size());
}

// Figure labels, formulas and other scraps that read badly as text.
bool Scrap(const PdfParagraph& p, std::string_view s) {
  const int letters = Letters(s);
  return letters < 3 || (s.size() < 40 && letters * 2 < static_cast<int>(s.size())) ||
         (p.lines.size() > 3 && s.size() / p.lines.size() < 8);
}

// What journals print above a title in letters as large.
bool ArticleKind(std::string_view s) {
  static constexpr std::string_view kNames[] = {
      "research article",  "original article",  "review", "review article",      "open access",
      "research",          "original research", "letter", "short communication", "case report",
      "systematic review", "editorial"};
  const std::string bare = Bare(s);
  return std::find(std::begin(kNames), std::end(kNames), bare) != std::end(kNames);
}

// The title: the largest text in the upper two thirds of the first page that has some.
int FindTitle(const std::vector<PdfParagraph>& paragraphs, const std::vector<PdfPage>& pages,
              const PdfBody& body) {
  int best = -1;
  float best_score = 0;
  for (size_t i = 0; i < paragraphs.size(); ++i) {
    const PdfParagraph& p = paragraphs[i];
    if (p.lines[0]->page != paragraphs[0].lines[0]->page) break;
    const std::string s = TextOf(p);
    const float height = std::max(pages[0].height, 1.0f);
    if (p.lines[0]->baseline > height * 0.67f || s.size() > 300 || Letters(s) < 8) continue;
    if (s.find(' ') == std::string::npos && s.size() < 12) continue;  // a logo
    if (ArticleKind(s)) continue;
    if (SizeOf(p) < body.size * 1.1f) continue;
    // Large, high on the page, and more than a label.
    const bool label = std::count(s.begin(), s.end(), ' ') < 3;
    const float score =
        SizeOf(p) * (1 - 0.6f * p.lines[0]->baseline / height) * (label ? 0.75f : 1.0f);
    if (score > best_score * 1.02f) {
      best_score = score;
      best = static_cast<int>(i);
    }
  }
  return best;
}

// Levels of headings without a number, by how much they stand out: the first size is 2, the next 3.
void SetLevels(std::vector<PdfParagraph>& paragraphs, int title) {
  std::set<std::pair<int, int>> looks;  // (minus quarter points, minus boldness)
  const auto look = [](const PdfParagraph& p) {
    return std::pair(-static_cast<int>(std::lround(SizeOf(p) * 2)), -static_cast<int>(AllBold(p)));
  };
  for (size_t i = 0; i < paragraphs.size(); ++i) {
    if (paragraphs[i].kind == BlockKind::kHeading && static_cast<int>(i) != title) {
      looks.insert(look(paragraphs[i]));
    }
  }
  for (size_t i = 0; i < paragraphs.size(); ++i) {
    PdfParagraph& p = paragraphs[i];
    if (p.kind != BlockKind::kHeading) continue;
    const Number number = SectionNumber(TextOf(p));
    if (static_cast<int>(i) == title) {
      p.level = 1;
    } else if (number.depth > 0) {
      p.level = std::min(number.depth + 1, 6);
    } else if (IsKnownHeading(TextOf(p))) {
      p.level = 2;
    } else {
      const auto rank = std::distance(looks.begin(), looks.find(look(p)));
      p.level = static_cast<int>(std::min<int64_t>(2 + rank, 4));
    }
  }
}

bool OneRow(const PdfParagraph& p) { return p.lines.size() == 1 && p.lines[0]->cells.size() >= 2; }

// Rows that gaps parted are one table again.
void JoinTables(std::vector<PdfParagraph>& paragraphs) {
  size_t open = paragraphs.size();  // the table being read
  for (size_t i = 0; i < paragraphs.size(); ++i) {
    PdfParagraph& p = paragraphs[i];
    const bool row =
        p.kind == BlockKind::kTable ||
        (OneRow(p) && (p.kind == BlockKind::kParagraph || p.kind == BlockKind::kOther));
    const bool near = open < paragraphs.size() && row &&
                      p.lines[0]->page == paragraphs[open].lines.back()->page &&
                      std::fabs(p.lines[0]->baseline - paragraphs[open].lines.back()->baseline) <
                          4 * p.lines[0]->size;
    if (near) {
      PdfParagraph& table = paragraphs[open];
      table.kind = BlockKind::kTable;
      table.lines.insert(table.lines.end(), p.lines.begin(), p.lines.end());
      p.lines.clear();
    } else {
      open = row ? i : paragraphs.size();
    }
  }
  std::erase_if(paragraphs, [](const PdfParagraph& p) { return p.lines.empty(); });
}

// From a heading "References" to the next heading that is no entry: kOther, one paragraph an entry.
void MarkReferences(std::vector<PdfParagraph>& paragraphs) {
  bool inside = false;
  for (PdfParagraph& p : paragraphs) {
    if (p.kind == BlockKind::kHeading) {
      const std::string s = TextOf(p);
      if (IsReferencesHeading(s)) {
        inside = true;
        p.level = 2;
      } else if (inside && (IsKnownHeading(s) || absl::StartsWith(Bare(s), "appendix") ||
                            (s.size() > 2 && s[1] == ' ' && s[0] >= 'A' && s[0] <= 'F'))) {
        inside = false;
      } else if (inside) {
        p.kind = BlockKind::kOther;
        p.level = 0;
        p.reference = true;
      }
    } else if (inside && p.kind != BlockKind::kCaption && p.kind != BlockKind::kTable) {
      p.kind = BlockKind::kOther;
      p.reference = true;
    }
  }
}

}  // namespace

int Classify(std::vector<PdfParagraph>& paragraphs, const std::vector<PdfPage>& pages,
             const PdfBody& body) {
  if (paragraphs.empty()) return -1;
  const int title = FindTitle(paragraphs, pages, body);
  bool front = title >= 0;  // authors and addresses: large, bold, but no headings
  for (size_t i = 0; i < paragraphs.size(); ++i) {
    PdfParagraph& p = paragraphs[i];
    const std::string s = TextOf(p);
    if (static_cast<int>(i) == title) {
      p.kind = BlockKind::kHeading;
      continue;
    }
    if (p.lines[0]->page != paragraphs[0].lines[0]->page || IsKnownHeading(s) ||
        SectionNumber(s).depth > 0 || (s.size() > 250 && SizeOf(p) >= body.size * kSmaller)) {
      front = false;
    }
    if (Caption(s)) {
      p.kind = BlockKind::kCaption;
    } else if (TableRows(p)) {
      p.kind = BlockKind::kTable;
    } else if (!front &&
               (LooksLikeHeading(p, body, s) ||
                OpensText(p, i + 1 < paragraphs.size() ? &paragraphs[i + 1] : nullptr, body, s))) {
      p.kind = BlockKind::kHeading;
    } else if (Scrap(p, s) || (front && s.size() < 250) ||
               (SizeOf(p) < body.size * kSmaller && s.size() < 200)) {
      p.kind = BlockKind::kOther;
    }
  }
  SetLevels(paragraphs, title);
  MarkReferences(paragraphs);
  // The title is the only heading of level 1; find it again, for joining tables moves what follows.
  JoinTables(paragraphs);
  const auto it = std::find_if(paragraphs.begin(), paragraphs.end(), [](const PdfParagraph& p) {
    return p.kind == BlockKind::kHeading && p.level == 1;
  });
  return it == paragraphs.end() ? -1 : static_cast<int>(it - paragraphs.begin());
}

}  // namespace weir::ingest
