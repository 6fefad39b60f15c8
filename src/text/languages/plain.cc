// Case folding only: for texts in a language without an entry, and as the baseline of the others.
#include "text/language.h"

namespace weir::text::languages {

Language Plain() { return {.name = "plain"}; }

}  // namespace weir::text::languages
