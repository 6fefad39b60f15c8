// The front matter of a Markdown file: YAML between lines of "---", or TOML between lines of "+++".
// Scalars and flat lists of its top level become fields; what is nested is passed over, and of TOML
// what is in tables or does not end on its line.
#pragma once

#include <cstddef>
#include <string_view>

#include "text/records.h"

namespace weir::ingest {

inline constexpr size_t kMaxFrontMatter = 64 << 10;  // bytes; longer ones are ordinary text

// Takes the front matter, if there is one, off the start of `markdown` and adds its fields to
// `document`, and to document.meta with the values of a list joined. Front matter that is
// malformed is taken off all the same; a warning says where it is wrong, and the fields before that
// place count. REQUIRES: valid UTF-8.
void TakeFrontMatter(std::string_view& markdown, text::Document& document);

}  // namespace weir::ingest
