// From a page's glyphs to its lines, in the order of the page's content. Coordinates are points
// with the origin at the page's top left.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "text/records.h"

namespace weir::ingest {

struct PdfGlyph {
  char32_t c = 0;  // white space only marks that a word ended
  float x0 = 0, x1 = 0;
  float baseline = 0;
  float size = 0;  // effective font size
  bool bold = false;
  bool italic = false;
  uint16_t font = 0;  // a number for each font of the document
};

struct PdfLine {
  std::string text;         // clean UTF-8, single spaces
  std::vector<int> cells;   // byte offsets in text where a wide gap begins a further cell
  text::Box box;
  float baseline = 0;
  float size = 0;           // of most of its letters
  bool bold = false;        // nearly all of its letters are
  bool italic = false;
  uint16_t font = 0;        // of most of its letters
  int page = 0;
};

// Hostile values (not finite, huge, reversed boxes) are allowed and bounded. Time: linear but for
// a sort of the lines.
std::vector<PdfLine> MakeLines(const std::vector<PdfGlyph>& glyphs, int page);

}  // namespace weir::ingest
