#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "evaluate/fold.h"
#include "evaluate/questions.h"
#include "text/unicode.h"

// A question file; and the foldings over its bytes, repaired as all text inside is.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weir::evaluate;
  const auto lines =
      LineReader::OverBytes("fuzz", {reinterpret_cast<const std::byte*>(data), size},
                            {.line_bytes = 1 << 16, .total_bytes = 1 << 20});
  (void)ReadQuestions(*lines);
  if (size > 4096) return 0;
  const std::string text =
      weir::text::RepairUtf8({reinterpret_cast<const char*>(data), size});
  const Letters letters = LettersOf(text);
  if (letters.folded.size() != letters.source.size()) __builtin_trap();
  const std::string phrase = FoldPhrase(text);
  (void)ContainsPhrase(phrase, weir::text::RepairUtf8(phrase.substr(0, phrase.size() / 2)));
  const weir::text::Span all{0, static_cast<int64_t>(text.size())};
  if (!letters.folded.empty() && CoverageOf(letters, letters, {&all, 1}) != 1) __builtin_trap();
  return 0;
}
