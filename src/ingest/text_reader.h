// Readers of plain text and of source code, known by its name: blank lines separate paragraphs,
// form feeds separate pages. Code is marked to be analysed as code.
#pragma once

#include "ingest/reader.h"

namespace weir::ingest {

std::unique_ptr<Reader> MakeTextReader();
std::unique_ptr<Reader> MakeCodeReader();

}  // namespace weir::ingest
