// Any text through the detector and every analyser: tokens keep their contract.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "text/analysis.h"
#include "text/detect.h"
#include "text/language.h"
#include "text/unicode.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weir::text;
  static const std::vector<std::unique_ptr<Analyzer>> analyzers = [] {
    std::vector<std::unique_ptr<Analyzer>> made;
    for (const Language& language : Languages()) {
      made.push_back(*Analyzer::Make(language.name == "polish" ? "polish:rules" : language.name));
    }
    return made;
  }();
  if (size < 1) return 0;
  const std::string text =
      RepairUtf8(std::string_view(reinterpret_cast<const char*>(data) + 1, size - 1));
  const std::string_view language = DetectLanguage(text);
  if (!language.empty() && FindLanguage(language) == nullptr) __builtin_trap();
  std::vector<Token> tokens;
  analyzers[data[0] % analyzers.size()]->Analyze(text, tokens);
  int32_t position = 0;
  for (const Token& t : tokens) {
    const bool fine = t.position >= position && !t.term.empty() && t.span.start >= 0 &&
                      t.span.start < t.span.end && t.span.end <= static_cast<int64_t>(text.size());
    if (!fine) __builtin_trap();
    position = t.position;
  }
  return 0;
}
