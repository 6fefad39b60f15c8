// Reader of plain text: blank lines separate paragraphs, form feeds separate pages.
#pragma once

#include "ingest/reader.h"

namespace weir::ingest {

std::unique_ptr<Reader> MakeTextReader();

}  // namespace weir::ingest
