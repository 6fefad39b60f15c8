// How one option reads in help, man page and completions: the pieces that these share.
#pragma once

#include <string>
#include <string_view>

#include "base/options.h"

namespace weir {

// "--top-k N", "--planner NAME", "--verbose", "--[no-]dedupe" (a switch that is on by default).
std::string FlagText(const OptionField& field);
// The same flag's value alone: "N", "X", "TEXT", "A,B"; "" for a switch.
std::string_view ValueName(const OptionField& field);
// "integer from 1 to 1000, default 10 hits"; choices are listed.
std::string ValueText(const OptionField& field);
// The one-sentence help without its full stop, for completion menus.
std::string_view ShortHelp(const OptionField& field);
// Whether the switch is on by default, so that --no-NAME is the flag one would type.
bool OnByDefault(const OptionField& field);

// Fills `text` into lines of at most `width` columns, each after `indent` spaces and with a
// newline. Words are never split. Columns are counted as UTF-8 code points.
std::string Wrap(std::string_view text, size_t indent, size_t width);

}  // namespace weir
