// How a language is analysed: one entry a file of src/text/languages, collected by the build. To
// add a language, add its file: a function named as the file in PascalCase.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"
#include "text/analysis.h"

namespace weir::text {

struct Language {
  std::string_view name;             // "german", as --language takes it
  std::string_view codes = {};       // of ISO 639-1, the detector's answers, separated by spaces
  std::string_view stemmer = {};     // Snowball's name of it, "" for none
  std::string_view stop_words = {};  // separated by white space
  std::string_view elisions = {};    // "l qu": what an apostrophe ties to the word behind it
  bool turkic = false;               // I is the capital of a dotless i
  bool cut_at_apostrophe = false;    // Ankara'nin is a form of Ankara
  bool possessive = false;           // dog's is a form of dog
  // A chain of its own in place of fold, stop, stem. `variant` is what follows the colon of the
  // analyser's name, "" for the best that this machine has; kNotFound when it is not there.
  absl::StatusOr<std::unique_ptr<Analyzer>> (*make)(const Language& language,
                                                    std::string_view variant) = nullptr;
};

// All entries, ascending by name.
std::span<const Language> Languages();
// By name or code; null when there is none.
const Language* FindLanguage(std::string_view name_or_code);

}  // namespace weir::text
