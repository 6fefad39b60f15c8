#include "ingest/pdf_reader.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <map>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "ingest/document_builder.h"
#include "ingest/paths.h"
#include "ingest/pdf_layout.h"
#include "ingest/pdfium.h"
#include "text/unicode.h"

namespace weir::ingest {
namespace {

constexpr int kMaxGlyphs = 1 << 20;  // a page; a dense page of print has 10,000

// fpdfview.h: FPDF_GetLastError.
absl::Status LoadError(unsigned long code) {
  switch (code) {
    case 3:
      return absl::DataLossError("PDF: malformed, or not a PDF");
    case 4:
      return absl::PermissionDeniedError("PDF: protected by a password");
    case 5:
      return absl::UnimplementedError("PDF: encrypted in a way that is not supported");
    default:
      return absl::DataLossError(absl::StrCat("PDF: cannot be opened, code ", code));
  }
}

struct Style {
  bool bold = false, italic = false;
  uint16_t font = 0;
};

constexpr float kQuarter = 1.5707964f;  // radians
constexpr float kSideRoom = 0.12f;      // of the size, between one letter's ink and the next
constexpr float kUpright = 0.1f;  // radians that text may slant against the page

// Fonts of a document, numbered as they come.
using FontNumbers = std::map<FpdfFont, uint16_t>;

// One page's glyphs. Remembers the style of the text object it saw last.
class PageGlyphs {
 public:
  PageGlyphs(const Pdfium& pdfium, FpdfPage page, FontNumbers& fonts)
      : p_(pdfium), fonts_(fonts) {
    text_ = p_.LoadTextPage(page);
    rotation_ = p_.GetRotation(page) & 3;
    if (!p_.GetPageBoundingBox(page, &bounds_)) {
      bounds_ = {0, p_.GetPageHeightF(page), p_.GetPageWidthF(page), 0};
    }
  }
  ~PageGlyphs() {
    if (text_ != nullptr) p_.CloseTextPage(text_);
  }
  PageGlyphs(const PageGlyphs&) = delete;
  PageGlyphs& operator=(const PageGlyphs&) = delete;

  // False when the page has more glyphs than are read. A page most of whose text runs up or down (a
  // wide table) is read as if it were turned; boxes are then in the turned page.
  bool Read(std::vector<PdfGlyph>& out) {
    if (text_ == nullptr) return true;
    const bool whole = ReadTurned(out);
    int most = rotation_;
    for (int turn = 0; turn < 4; ++turn) {
      if (turns_[turn] > turns_[most]) most = turn;
    }
    if (most == rotation_) return whole;
    rotation_ = most;
    last_object_ = nullptr;
    return ReadTurned(out);
  }

 private:
  bool ReadTurned(std::vector<PdfGlyph>& out) {
    out.clear();
    turns_ = {};
    const int all = p_.CountChars(text_);
    const int count = std::clamp(all, 0, kMaxGlyphs);
    out.reserve(static_cast<size_t>(count));
    for (int i = 0; i < count; ++i) {
      PdfGlyph g;
      g.c = p_.GetUnicode(text_, i);
      if (g.c > ' ' || g.c == 0x02) {
        Look(i);
        ++turns_[turn_];
        if (!upright_ || !Place(i, g)) continue;
        g.bold = last_style_.bold;
        g.italic = last_style_.italic;
        g.font = last_style_.font;
      } else {
        g.c = ' ';
      }
      out.push_back(g);
    }
    return all <= kMaxGlyphs;
  }

  // False when the glyph does not stand upright on the page as it is shown.
  bool Place(int i, PdfGlyph& g) {
    double x = 0, y = 0;
    if (!p_.GetCharOrigin(text_, i, &x, &y)) return false;
    if (rotation_ == 0) {
      FpdfRect r{};
      if (!p_.GetLooseCharBox(text_, i, &r)) return false;
      g.x0 = r.left - bounds_.left;
      g.x1 = r.right - bounds_.left;
      g.baseline = bounds_.top - static_cast<float>(y);
      g.size = r.top - r.bottom;
      return g.size > 0;
    }
    double left = 0, right = 0, bottom = 0, top = 0;
    if (!p_.GetCharBox(text_, i, &left, &right, &bottom, &top)) return false;
    float x1 = 0, y1 = 0, x2 = 0, y2 = 0, unused = 0;
    Turn(left, bottom, x1, y1);
    Turn(right, top, x2, y2);
    Turn(x, y, unused, g.baseline);
    g.x0 = std::min(x1, x2);
    // A tight box says little about the font size; heights of one line vary by what it spells. It
    // also leaves out the room beside the letter.
    g.size = rotated_size_ = std::max(std::fabs(y2 - y1), rotated_size_ * 0.98f);
    g.x1 = std::max(x1, x2) + kSideRoom * g.size;
    return g.size > 0;
  }

  // From the page's own space to the page as shown, origin at the top left.
  void Turn(double x, double y, float& to_x, float& to_y) const {
    switch (rotation_) {
      case 1:
        to_x = static_cast<float>(y) - bounds_.bottom;
        to_y = static_cast<float>(x) - bounds_.left;
        return;
      case 2:
        to_x = bounds_.right - static_cast<float>(x);
        to_y = static_cast<float>(y) - bounds_.bottom;
        return;
      default:
        to_x = bounds_.top - static_cast<float>(y);
        to_y = bounds_.right - static_cast<float>(x);
        return;
    }
  }

  // Sets upright_ and last_style_ for glyph i; both hold for a text object as a whole.
  void Look(int i) {
    const FpdfObject object = p_.GetTextObject(text_, i);
    if (object == last_object_ && object != nullptr) return;
    last_object_ = object;
      const float angle = -p_.GetCharAngle(text_, i);  // PDFium counts clockwise
    if (!std::isfinite(angle)) {
      upright_ = false;
    } else {
      const float quarters = std::round(angle / kQuarter);
      turn_ = (static_cast<int>(std::fmod(quarters, 4.0f)) + 4) & 3;
      upright_ = turn_ == rotation_ && std::fabs(angle - quarters * kQuarter) < kUpright;
    }
    const FpdfFont font = object == nullptr ? nullptr : p_.GetFont(object);
    if (font == last_font_) return;
    last_font_ = font;
    last_style_ = {};
    if (font == nullptr) return;
    last_style_.font = fonts_.emplace(font, static_cast<uint16_t>(fonts_.size() + 1)).first->second;
    char name[128] = {};
    const size_t n = p_.GetBaseFontName(font, name, sizeof(name));
    const std::string_view view(name,
                                n == 0 || n > sizeof(name) ? strnlen(name, sizeof(name)) : n - 1);
    const auto has = [&](std::string_view part) { return view.find(part) != view.npos; };
    last_style_.bold = p_.GetFontWeight(font) >= 600 || has("Bold") || has("bold") ||
                       has("Black") || has("Heavy") || has("CMBX") || has("-Semi") || has("Medi");
    last_style_.italic = has("Ital") || has("Obli") || has("CMTI");
  }

  const Pdfium& p_;
  FpdfTextPage text_ = nullptr;
  FpdfRect bounds_{};
  int rotation_ = 0;
  float rotated_size_ = 0;
  FontNumbers& fonts_;
  bool upright_ = true;
  int turn_ = 0;                  // quarters that the last text object runs against the page
  std::array<int, 4> turns_{};    // glyphs by that
  FpdfObject last_object_ = nullptr;
  FpdfFont last_font_ = nullptr;
  Style last_style_;
};

std::string MetaText(const Pdfium& p, FpdfDocument document, const char* tag) {
  unsigned char utf16[4096];
  const unsigned long bytes = p.GetMetaText(document, tag, utf16, sizeof(utf16));
  if (bytes < 4 || bytes > sizeof(utf16)) return "";
  std::string out;
  for (unsigned long i = 0; i + 1 < bytes; i += 2) {
    char32_t c = static_cast<char32_t>(utf16[i] | utf16[i + 1] << 8);
    if (c >= 0xD800 && c < 0xDC00 && i + 3 < bytes) {
      const char32_t low = static_cast<char32_t>(utf16[i + 2] | utf16[i + 3] << 8);
      if (low >= 0xDC00 && low < 0xE000) {
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
        i += 2;
      }
    }
    if (c != 0) text::AppendUtf8(c, out);
  }
  return CleanInline(out);
}

class PdfReader final : public Reader {
 public:
  std::string_view format() const override { return "pdf"; }

  int Claims(std::string_view path, std::string_view head) const override {
    if (head.substr(0, 1024).find("%PDF-") != std::string_view::npos) return 100;
    return Extension(path) == "pdf" ? 50 : 0;
  }

  absl::Status Prepare() override {
    WEIR_ASSIGN_OR_RETURN(pdfium_, LoadPdfium(PdfiumPath()));
    return absl::OkStatus();
  }

  absl::StatusOr<text::Document> Read(std::string_view bytes, const ReadLimits& limits) override {
    if (pdfium_ == nullptr) WEIR_RETURN_IF_ERROR(Prepare());
    const Pdfium& p = *pdfium_;
    FpdfDocument document = p.LoadMemDocument64(bytes.data(), bytes.size(), nullptr);
    if (document == nullptr) return LoadError(p.GetLastError());
    PdfContent content;
    ReadPages(p, document, limits, content);
    for (const char* tag : {"Title", "Author", "Subject", "Keywords", "CreationDate", "ModDate"}) {
      std::string value = MetaText(p, document, tag);
      if (!value.empty()) content.meta[tag] = std::move(value);
    }
    p.CloseDocument(document);
    return LayoutPdf(std::move(content), limits.text_mb << 20);
  }

 private:
  static void ReadPages(const Pdfium& p, FpdfDocument document, const ReadLimits& limits,
                        PdfContent& content) {
    const int count = std::max(p.GetPageCount(document), 0);
    const int read = static_cast<int>(std::min<int64_t>(count, limits.pages));
    if (read < count) {
      content.warnings.push_back(
          absl::StrCat("page limit reached: ", read, " of ", count, " pages were read"));
    }
    int64_t text_bytes = 0;
    int skipped = 0;
    std::vector<PdfGlyph> glyphs;
    FontNumbers fonts;
    for (int i = 0; i < read && text_bytes <= limits.text_mb << 20; ++i) {
      FpdfPage page = p.LoadPage(document, i);
      if (page == nullptr) {
        if (++skipped <= 20)
          content.warnings.push_back(absl::StrCat("page ", i + 1, " is malformed"));
        continue;
      }
      PdfPage out;
      out.number = i + 1;
      out.width = p.GetPageWidthF(page);
      out.height = p.GetPageHeightF(page);
      if (!PageGlyphs(p, page, fonts).Read(glyphs)) {
        content.warnings.push_back(absl::StrCat("page ", i + 1, " is cut: too many glyphs"));
      }
      p.ClosePage(page);
      out.lines = MakeLines(glyphs, out.number);
      for (const PdfLine& line : out.lines) text_bytes += static_cast<int64_t>(line.text.size());
      content.pages.push_back(std::move(out));
    }
    if (text_bytes == 0 && read > 0) {
      content.warnings.push_back("no text: the pages may be scanned pictures");
    }
  }

  const Pdfium* pdfium_ = nullptr;
};

}  // namespace

std::unique_ptr<Reader> MakePdfReader() { return std::make_unique<PdfReader>(); }

}  // namespace weir::ingest
