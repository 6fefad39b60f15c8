// Made-up glyphs on made-up pages through line making and layout; invariants of the Document.
#include <cstdlib>
#include <cstring>

#include "ingest/chunk.h"
#include "ingest/pdf_layout.h"
#include "ingest/wire.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weir::ingest;
  PdfContent content;
  std::vector<PdfGlyph> glyphs;
  const auto end_page = [&] {
    PdfPage page;
    page.number = static_cast<int>(content.pages.size()) + 1;
    page.width = 612;
    page.height = 792;
    page.lines = MakeLines(glyphs, page.number);
    content.pages.push_back(std::move(page));
    glyphs.clear();
  };
  float x = 72, y = 72;
  // Eight bytes a glyph: an operation, a character, moves; some values are raw floats.
  for (size_t i = 0; i + 8 <= size && content.pages.size() < 20; i += 8) {
    const uint8_t op = data[i];
    if (op == 0xFF) {
      end_page();
      x = y = 72;
      continue;
    }
    if (op & 1) x = data[i + 2] * 2.4f, y += static_cast<int8_t>(data[i + 3]);
    float raw;
    std::memcpy(&raw, data + i + 4, 4);
    PdfGlyph g;
    g.c = op & 2 ? static_cast<char32_t>(data[i + 1] | data[i + 2] << 8) : data[i + 1];
    g.size = op & 4 ? 10 : data[i + 4] / 8.0f;
    g.x0 = op & 8 ? raw : x;
    g.x1 = g.x0 + g.size / 2;
    g.baseline = op & 16 ? raw : y;
    g.bold = op & 32;
    g.font = op & 64 ? 1 : 0;
    x = x + g.size / 2;
    glyphs.push_back(g);
  }
  end_page();
  content.meta["Title"] = "A title of some words";
  const auto d = LayoutPdf(std::move(content), 1 << 16);
  if (!CheckDocument(d, 1 << 16).ok()) std::abort();
  for (const auto& p : Chunk(d, {.words = 30, .overlap = 1})) {
    if (p.text != d.text.substr(p.span.start, p.span.size())) std::abort();
  }
  return 0;
}
