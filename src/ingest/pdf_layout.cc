#include "ingest/pdf_layout.h"

#include <algorithm>
#include <cmath>

namespace weir::ingest {
namespace {

// All distances in font sizes unless said.
constexpr float kSameSize = 0.09f;     // relative difference of sizes that are taken as one
constexpr float kIndent = 0.7f;        // a first line stands at least this far in
constexpr float kMaxIndent = 6.0f;     // further in is not an indent but another place
constexpr float kShort = 2.0f;         // a last line ends at least this far before the right edge
constexpr float kLooseLeading = 1.3f;  // times the usual leading: a gap between paragraphs
constexpr int kNeighbours = 8;         // lines looked at on each side for a column's edges

bool SameSize(float a, float b) { return std::fabs(a - b) <= kSameSize * std::max(a, b); }

bool Overlap(const text::Box& a, const text::Box& b) {
  const float shared = std::min(a.x1, b.x1) - std::max(a.x0, b.x0);
  return shared > 0.5f * std::min(a.x1 - a.x0, b.x1 - b.x0);
}

// Ends with a mark that closes a sentence, quotes and brackets behind it aside.
bool Terminated(std::string_view s) {
  while (!s.empty()) {
    const char c = s.back();
    if (c == '.' || c == '!' || c == '?' || c == ':') return true;
    if (c == ')' || c == ']' || c == '"' || c == '\'') {
      s.remove_suffix(1);
    } else if (s.ends_with("\u201D") || s.ends_with("\u2019")) {
      s.remove_suffix(3);
    } else {
      return false;
    }
  }
  return false;
}

bool StartsLower(std::string_view s) { return !s.empty() && s[0] >= 'a' && s[0] <= 'z'; }

bool EndsWithHyphen(std::string_view s) {
  return s.size() > 1 && (s.back() == '-' || s.ends_with("\u2010"));
}

// "[12] ", "12. ", "(3) ": what begins an entry of a numbered list.
bool Numbered(std::string_view s) {
  size_t i = 0;
  const bool bracket = s.starts_with('[') || s.starts_with('(');
  if (bracket) ++i;
  const size_t digits = i;
  while (i < s.size() && s[i] >= '0' && s[i] <= '9') ++i;
  if (i == digits || i - digits > 3 || i >= s.size()) return false;
  if (bracket) return s[i] == ']' || s[i] == ')';
  return (s[i] == '.' || s[i] == ')') && i + 1 < s.size() && s[i + 1] == ' ';
}

// "1. ", "2.1 ": what a section's heading begins with.
bool SectionStart(std::string_view s) {
  size_t i = 0;
  while (i < s.size() && i < 8 && ((s[i] >= '0' && s[i] <= '9') || s[i] == '.')) ++i;
  return i > 0 && s[0] != '.' && i < s.size() && s[i] == ' ';
}

// A dash is a bullet only behind the end of a sentence.
bool Bulleted(std::string_view s, bool after_end = true) {
  return s.starts_with("\u2022") || s.starts_with("\u25CF") || s.starts_with("\u2023") ||
         s.starts_with("\u25AA") || (after_end && s.starts_with("\u2013 "));
}

struct Edges {
  float left = 0, right = 0;
};

// The column's edges around line i: of the near lines above each other and of one size.
Edges EdgesOf(const std::vector<PdfLine>& lines, size_t i) {
  const PdfLine& line = lines[i];
  Edges edges{line.box.x0, line.box.x1};
  const size_t low = i >= kNeighbours ? i - kNeighbours : 0;
  const size_t high = std::min(lines.size(), i + kNeighbours + 1);
  for (size_t j = low; j < high; ++j) {
    if (!Overlap(lines[j].box, line.box) || !SameSize(lines[j].size, line.size)) continue;
    edges.left = std::min(edges.left, lines[j].box.x0);
    edges.right = std::max(edges.right, lines[j].box.x1);
  }
  return edges;
}

class ParagraphMaker {
 public:
  ParagraphMaker(const PdfBody& body, std::vector<PdfParagraph>& out) : body_(body), out_(out) {}

  void AddPage(const PdfPage& page) {
    for (size_t i = 0; i < page.lines.size(); ++i) {
      if (i == 0 || !Continues(page.lines, i)) out_.emplace_back();
      out_.back().lines.push_back(&page.lines[i]);
    }
  }

 private:
  // Whether line i belongs to the paragraph of line i - 1.
  bool Continues(const std::vector<PdfLine>& lines, size_t i) const {
    const PdfLine& above = lines[i - 1];
    const PdfLine& line = lines[i];
    const float size = std::max(above.size, line.size);
    const float step = line.baseline - above.baseline;
    if (!SameSize(above.size, line.size)) return SmallPart(above, line, step);
    if (std::fabs(step) < 0.3f * size) return line.box.x0 > above.box.x0;  // beside it: one row
    if (step < 0 || !Overlap(above.box, line.box)) return false;
    if (step > Leading(lines, i) * kLooseLeading) return false;
    const PdfLine& head = *out_.back().lines[0];
    if (Numbered(head.text) && !(head.bold && !line.bold) && !Numbered(line.text) &&
        line.box.x0 > head.box.x0 + kIndent * size &&
        line.box.x0 < head.box.x0 + kMaxIndent * size) {
      return true;  // within a hanging entry of a list
    }
    if (above.bold != line.bold) return false;
    if (Bulleted(line.text, Terminated(above.text))) return false;
    const Edges edges = EdgesOf(lines, i);
    const bool short_above = edges.right - above.box.x1 > kShort * size;
    if (out_.back().lines.size() == 1 && short_above && above.font != line.font &&
        (IsKnownHeading(above.text) || (!Terminated(above.text) && !Numbered(above.text)))) {
      return false;  // a heading that only its font tells apart
    }
    if (line.bold && SectionStart(line.text) && SectionStart(above.text)) return false;
    if (IsKnownHeading(line.text) && line.font != above.font) return false;
    const bool numbered = Numbered(line.text);
    const bool outdented = line.box.x0 < above.box.x0 - kIndent * size;
    const PdfParagraph& paragraph = out_.back();
    const bool first_hangs =
        paragraph.lines.size() > 1 &&
        paragraph.lines[0]->box.x0 < paragraph.lines[1]->box.x0 - kIndent * size;
    if (outdented && (numbered || first_hangs)) return false;  // the next entry of a list
    if (numbered && Numbered(paragraph.lines[0]->text) &&
        std::fabs(line.box.x0 - paragraph.lines[0]->box.x0) < kIndent * size) {
      return false;
    }
    const float indent = (line.box.x0 - above.box.x0) / size;
    const float from_left = (line.box.x0 - edges.left) / size;
    const bool ended = Terminated(above.text);
    const bool indented = indent > kIndent && indent < kMaxIndent && from_left > kIndent;
    if (indented && ended) return false;
    if (short_above && ended && !StartsLower(line.text)) return false;
    return true;
  }

  // A line of other size that is yet a part: a formula's index, an odd accent.
  static bool SmallPart(const PdfLine& above, const PdfLine& line, float step) {
    if (line.text.size() > 4 && above.text.size() > 4) return false;
    const float size = std::max(above.size, line.size);
    return std::fabs(step) < 0.6f * size && line.box.x0 > above.box.x0 &&
           line.box.x0 - above.box.x1 < 2 * size;
  }

  // Points from baseline to baseline that are usual around line i.
  float Leading(const std::vector<PdfLine>& lines, size_t i) const {
    const float usual = body_.leading * lines[i].size;
    const std::vector<const PdfLine*>& own = out_.back().lines;
    if (own.size() < 2) return usual * 1.15f;  // not known yet; a little more room
    const float step = own[own.size() - 1]->baseline - own[own.size() - 2]->baseline;
    return step > 0.5f * lines[i].size ? std::min(step, usual * 1.6f) : usual;
  }

  const PdfBody& body_;
  std::vector<PdfParagraph>& out_;
};

// A caption whose first line is set in another font goes on right below it.
void GrowCaption(PdfParagraph& caption, PdfParagraph& below) {
  if (below.lines.empty() || below.reference || below.kind == text::BlockKind::kHeading ||
      below.kind == text::BlockKind::kCaption || below.kind == text::BlockKind::kTable) {
    return;
  }
  const PdfLine& last = *caption.lines.back();
  const PdfLine& first = *below.lines.front();
  if (Terminated(last.text) || first.page != last.page || !SameSize(first.size, last.size) ||
      !(StartsLower(first.text) || EndsWithHyphen(last.text)) || !Overlap(first.box, last.box) ||
      first.baseline < last.baseline || first.baseline - last.baseline > 2 * last.size) {
    return;
  }
  caption.lines.insert(caption.lines.end(), below.lines.begin(), below.lines.end());
  below.lines.clear();
}

}  // namespace

PdfBody MeasureBody(const std::vector<PdfPage>& pages) {
  std::map<int, int64_t> letters;      // by half points
  std::map<int, int64_t> bold;
  std::map<int, int64_t> fonts;
  std::map<int, int64_t> leadings;     // by twentieths of a size
  // The reference list may be longer than the text, in smaller letters.
  size_t all = 0, seen = 0;
  for (const PdfPage& page : pages) all += page.lines.size();
  bool references = false;
  for (const PdfPage& page : pages) {
    for (const PdfLine& line : page.lines) {
      references |= ++seen * 4 > all && IsReferencesHeading(line.text);
      if (references) break;
      const int key = static_cast<int>(std::lround(line.size * 2));
      letters[key] += static_cast<int64_t>(line.text.size());
      fonts[line.font] += static_cast<int64_t>(line.text.size());
      if (line.bold) bold[key] += static_cast<int64_t>(line.text.size());
    }
  }
  PdfBody body;
  if (letters.empty()) return body;
  const auto most = [](const auto& counts) {
    return std::max_element(counts.begin(), counts.end(), [](auto& a, auto& b) {
             return a.second < b.second;
           })->first;
  };
  const int key = most(letters);
  body.size = static_cast<float>(key) / 2;
  body.bold = bold[key] * 2 > letters[key];
  body.font = static_cast<uint16_t>(most(fonts));
  for (const PdfPage& page : pages) {
    for (size_t i = 1; i < page.lines.size(); ++i) {
      const PdfLine& a = page.lines[i - 1];
      const PdfLine& b = page.lines[i];
      if (!SameSize(a.size, body.size) || !SameSize(b.size, body.size)) continue;
      const float step = (b.baseline - a.baseline) / body.size;
      if (step > 0.8f && step < 3.0f) ++leadings[static_cast<int>(std::lround(step * 20))];
    }
  }
  if (!leadings.empty()) body.leading = static_cast<float>(most(leadings)) / 20;
  return body;
}

std::vector<PdfParagraph> MakeParagraphs(const std::vector<PdfPage>& pages, const PdfBody& body) {
  std::vector<PdfParagraph> paragraphs;
  ParagraphMaker maker(body, paragraphs);
  for (const PdfPage& page : pages) maker.AddPage(page);
  return paragraphs;
}

void JoinBroken(std::vector<PdfParagraph>& paragraphs) {
  constexpr size_t kReach = 40;  // paragraphs set between the two halves
  for (size_t i = 0; i < paragraphs.size(); ++i) {
    PdfParagraph& open = paragraphs[i];
    if (open.kind == text::BlockKind::kCaption && i + 1 < paragraphs.size()) {
      GrowCaption(open, paragraphs[i + 1]);
    }
    if (open.lines.empty() || (open.kind != text::BlockKind::kParagraph && !open.reference))
      continue;
    while (!open.lines.empty()) {
      const PdfLine& last = *open.lines.back();
      if (Terminated(last.text)) break;
      size_t j = i + 1;
      for (; j < paragraphs.size() && j <= i + kReach; ++j) {
        const PdfParagraph& next = paragraphs[j];
        if (next.lines.empty()) continue;
        if (next.kind == text::BlockKind::kHeading) {
          j = paragraphs.size();
        } else if (next.kind == open.kind && next.reference == open.reference &&
                   SameSize(next.lines.front()->size, last.size)) {
          break;  // smaller letters are a footnote's
        }
      }
      if (j >= paragraphs.size() || j > i + kReach) break;
      const PdfLine& first = *paragraphs[j].lines.front();
      const bool moved = first.page != last.page || first.baseline < last.baseline;
      const bool flows = StartsLower(first.text) || EndsWithHyphen(last.text);
      // A capital continues only right behind, over a column or page end, and not as a list entry.
      const bool capital = moved && j == i + 1 && !Numbered(first.text) && !Bulleted(first.text) &&
                           open.lines.size() > 1;
      if (!flows && !capital) break;
      if (first.page > last.page + 1) break;
      open.lines.insert(open.lines.end(), paragraphs[j].lines.begin(), paragraphs[j].lines.end());
      paragraphs[j].lines.clear();
    }
  }
  std::erase_if(paragraphs, [](const PdfParagraph& p) { return p.lines.empty(); });
}

}  // namespace weir::ingest
