// Verbs as documents: the input of help, man page and completion (base/option_docs.h).
#pragma once

#include "base/option_docs.h"
#include "cli/verb.h"

namespace weir::cli {

// The verb's table followed by the global options. `verb` must outlive the result.
VerbDoc DocOf(Verb& verb);

}  // namespace weir::cli
