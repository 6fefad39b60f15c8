#include <cstddef>
#include <cstdint>
#include <string>

#include "generate/speculate/cited_prompts.h"

// What was read is written and read again as the same.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weir::generate;
  const auto prompts = ParseCitedPrompts("fuzz", {reinterpret_cast<const char*>(data), size});
  if (!prompts.ok()) return 0;
  for (const CitedPrompt& prompt : *prompts) {
    const std::string line = CitedPromptLine(prompt);
    const auto again = ParseCitedPrompts("again", line);
    if (!again.ok() || again->size() != 1 || CitedPromptLine((*again)[0]) != line) {
      __builtin_trap();
    }
  }
  return 0;
}
