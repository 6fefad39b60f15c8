// Reader of Markdown (CommonMark with GitHub's tables, task lists and strike-through): the text
// without its markup, front matter as meta.
#pragma once

#include "ingest/reader.h"

namespace weir::ingest {

std::unique_ptr<Reader> MakeMarkdownReader();

}  // namespace weir::ingest
