#include "ingest/pdf_lines.h"

#include <algorithm>
#include <cmath>

#include "ingest/document_builder.h"
#include "text/unicode.h"

namespace weir::ingest {
namespace {

// All in units of the font size.
constexpr float kBaselineSlack = 0.5f;  // superscripts and subscripts stay on their line
constexpr float kSpaceGap = 0.19f;      // a gap that is a space although none was found
constexpr float kCellGap = 1.6f;        // a gap that begins another cell or column
constexpr float kLineGap = 12.0f;       // a gap that ends the line
constexpr float kBackward = 1.0f;       // overlap that kerning and accents may cause
constexpr float kFar = 1e5f;            // points; no page is that large

bool Sane(const PdfGlyph& g) {
  for (float v : {g.x0, g.x1, g.baseline, g.size}) {
    if (!std::isfinite(v) || std::fabs(v) > kFar) return false;
  }
  return g.size > 0.5f;
}

bool IsSpace(char32_t c) { return c == ' ' || (c >= 9 && c <= 13) || c == 0xA0 || c == 0x3000; }

void AppendGlyph(char32_t c, std::string& out) {
  switch (c) {
    case 0x02:    // PDFium's mark of a hyphen at a line's end
    case 0xFFFE:
    case 0xAD:
      out.push_back('-');
      return;
    case 0xFB00:
      out += "ff";
      return;
    case 0xFB01:
      out += "fi";
      return;
    case 0xFB02:
      out += "fl";
      return;
    case 0xFB03:
      out += "ffi";
      return;
    case 0xFB04:
      out += "ffl";
      return;
    case 0xFB05:
    case 0xFB06:
      out += "st";
      return;
    default:
      break;
  }
  // Unmapped glyphs and private characters say nothing to a reader of text.
  if (c < 0x20 || (c >= 0xE000 && c <= 0xF8FF) || c == 0xFFFD || c > 0x10FFFF) return;
  text::AppendUtf8(c, out);
}

// A rule drawn with characters ("......", "____") or dots that lead to nothing.
bool Leaders(std::string_view s) {
  return s.size() >= 5 && s.find_first_not_of("._-=* ") == std::string_view::npos;
}

class LineMaker {
 public:
  LineMaker(int page, std::vector<PdfLine>& out) : page_(page), out_(out) {}

  void Add(const PdfGlyph& g) {
    if (IsSpace(g.c)) {
      space_ = true;
      return;
    }
    if (!Sane(g)) return;
    if (open_ && !Continues(g)) Close();
    if (!open_) {
      Open(g);
    } else {
      const float gap = (g.x0 - end_) / std::max(g.size, line_size_);
      if (gap > kCellGap) {
        if (!text_.empty()) cells_.push_back(static_cast<int>(text_.size() + 1));
        space_ = true;
      }
      if ((space_ || gap > kSpaceGap) && !text_.empty()) text_.push_back(' ');
    }
    space_ = false;
    AppendGlyph(g.c, text_);
    Measure(g);
  }

  void Close() {
    if (!open_) return;
    open_ = false;
    PdfLine line;
    line.text = CleanInline(text_);
    if (line.text.empty() || Leaders(line.text)) return;
    if (line.text.size() == text_.size()) line.cells = cells_;  // else the offsets would be off
    line.box = {x0_, top_, x1_, bottom_};
    line.baseline = baseline_;
    line.size = static_cast<float>(Most(sizes_, static_cast<int>(line_size_ * 4))) / 4;
    line.bold = bold_ * 10 >= letters_ * 8;
    line.italic = italic_ * 10 >= letters_ * 8;
    line.font = static_cast<uint16_t>(Most(fonts_, 0));
    line.page = page_;
    out_.push_back(std::move(line));
  }

 private:
  bool Continues(const PdfGlyph& g) const {
    const float size = std::max(g.size, line_size_);
    if (std::fabs(g.baseline - baseline_) > kBaselineSlack * size) return false;
    const float gap = (g.x0 - end_) / size;
    return gap > -kBackward && gap < kLineGap;
  }

  void Open(const PdfGlyph& g) {
    open_ = true;
    text_.clear();
    cells_.clear();
    sizes_.clear();
    fonts_.clear();
    x0_ = g.x0;
    x1_ = g.x1;
    top_ = g.baseline - g.size;
    bottom_ = g.baseline;
    baseline_ = g.baseline;
    line_size_ = g.size;
    letters_ = bold_ = italic_ = 0;
  }

  void Measure(const PdfGlyph& g) {
    end_ = std::max(g.x1, g.x0);
    x0_ = std::min(x0_, g.x0);
    x1_ = std::max(x1_, end_);
    top_ = std::min(top_, g.baseline - 0.8f * g.size);
    bottom_ = std::max(bottom_, g.baseline + 0.2f * g.size);
    if (g.size > line_size_ * 1.05f) {  // the line began with a superscript
      line_size_ = g.size;
      baseline_ = g.baseline;
    }
    ++letters_;
    bold_ += g.bold;
    italic_ += g.italic;
    Count(static_cast<int>(std::lround(g.size * 4)), sizes_);
    Count(g.font, fonts_);
  }

  using Counts = std::vector<std::pair<int, int>>;  // value, letters; at most 16 values

  static void Count(int value, Counts& counts) {
    for (auto& [known, count] : counts) {
      if (known == value) {
        ++count;
        return;
      }
    }
    if (counts.size() < 16) counts.push_back({value, 1});
  }

  static int Most(const Counts& counts, int otherwise) {
    const auto best = std::max_element(counts.begin(), counts.end(), [](auto& a, auto& b) {
      return a.second < b.second;
    });
    return best == counts.end() ? otherwise : best->first;
  }

  const int page_;
  std::vector<PdfLine>& out_;
  bool open_ = false;
  bool space_ = false;
  std::string text_;
  std::vector<int> cells_;
  Counts sizes_, fonts_;  // sizes in quarter points
  float x0_ = 0, x1_ = 0, top_ = 0, bottom_ = 0, baseline_ = 0, end_ = 0, line_size_ = 0;
  int letters_ = 0, bold_ = 0, italic_ = 0;
};

// Content that climbs the page (text drawn sideways on a turned page) is put in order from the top.
void OrderClimbing(std::vector<PdfLine>& lines) {
  size_t up = 0, down = 0;
  for (size_t i = 1; i < lines.size(); ++i) {
    const PdfLine& a = lines[i - 1];
    const PdfLine& b = lines[i];
    if (std::min(a.box.x1, b.box.x1) <= std::max(a.box.x0, b.box.x0)) continue;
    up += b.baseline < a.baseline - 0.5f * b.size;
    down += b.baseline > a.baseline + 0.5f * b.size;
  }
  if (up < 2 || up <= down) return;
  std::stable_sort(lines.begin(), lines.end(), [](const PdfLine& a, const PdfLine& b) {
    return a.baseline != b.baseline ? a.baseline < b.baseline : a.box.x0 < b.box.x0;
  });
}

}  // namespace

std::vector<PdfLine> MakeLines(const std::vector<PdfGlyph>& glyphs, int page) {
  std::vector<PdfLine> lines;
  LineMaker maker(page, lines);
  for (const PdfGlyph& g : glyphs) maker.Add(g);
  maker.Close();
  OrderClimbing(lines);
  return lines;
}

}  // namespace weir::ingest
