// Sentence boundaries in running English text (abbreviations, initials, decimal numbers,
// citations).
#pragma once

#include <string_view>
#include <vector>

#include "text/records.h"

namespace weir::text {

// Non-overlapping, in order, without leading or trailing white space; every non-space byte is
// covered. Blank lines end a sentence.
std::vector<Span> Sentences(std::string_view utf8);

}  // namespace weir::text
