// Reader of HTML through Gumbo: the page's main content (html_content.h) as blocks.
#pragma once

#include "ingest/reader.h"

namespace weir::ingest {

std::unique_ptr<Reader> MakeHtmlReader();

}  // namespace weir::ingest
