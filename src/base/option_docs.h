// Everything that is written about a verb, made from its option table: help, man page, completions.
// Nothing here is typed twice; a flag that exists is documented, and no other is.
// All functions are pure and keep the order in which verbs and options are given.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/options.h"

namespace weir {

// A command of the binary. A verb of two words ("model add") is completed word by word.
struct VerbDoc {
  std::string name;         // "search", "model add"
  std::string summary;      // one line: "Find passages in the store."
  std::string arguments;    // after the options: "QUERY", "PATH...", "FILE|NAME", "" for none
  std::string example;      // whole command lines, one a line: "weir search 'notice period'"
  std::string description;  // paragraphs, an empty line between; may be ""
  OptionTable options;
};

// The short form has usage, an example and one line an option; the long form adds the description
// and, for each option, its range, choices, default and environment variable. 80 columns.
std::string HelpText(const VerbDoc& verb, bool long_form);

// weir(1) in man macros, clean under `mandoc -T lint -W warning`, exit codes included.
std::string ManPage(std::span<const VerbDoc> verbs, std::string_view version);

// A completion script for "bash", "zsh" or "fish"; "" for another shell. Verbs, flags and the
// values of options with choices are completed, paths elsewhere.
std::string Completion(std::string_view shell, std::span<const VerbDoc> verbs);

}  // namespace weir
