// Sentences and words of arbitrary (repaired) bytes.
#include <cstdlib>

#include "text/analysis.h"
#include "text/sentences.h"
#include "text/unicode.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static auto& analyzer = *weir::text::Analyzer::Make("english").value().release();
  const std::string text =
      weir::text::RepairUtf8({reinterpret_cast<const char*>(data), size});
  if (!weir::text::IsValidUtf8(text)) std::abort();
  int64_t last = 0;
  for (const auto& s : weir::text::Sentences(text)) {
    if (s.start < last || s.end <= s.start || s.end > static_cast<int64_t>(text.size()))
      std::abort();
    if (!weir::text::IsValidUtf8(std::string_view(text).substr(s.start, s.size()))) std::abort();
    last = s.end;
  }
  std::vector<weir::text::Token> tokens;
  analyzer.Analyze(text, tokens);
  last = 0;
  for (const auto& t : tokens) {
    if (t.span.start < last || t.span.end > static_cast<int64_t>(text.size())) std::abort();
    last = t.span.end;
  }
  return 0;
}
