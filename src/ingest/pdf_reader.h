// Reader of PDF through PDFium: glyphs with their places, then lines (pdf_lines.h), then running
// text (pdf_layout.h). Text that is not upright on the page (margin stamps) is left out.
#pragma once

#include "ingest/reader.h"

namespace weir::ingest {

std::unique_ptr<Reader> MakePdfReader();

}  // namespace weir::ingest
