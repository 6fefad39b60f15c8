#include <cstddef>
#include <cstdint>
#include <span>

#include "evaluate/rationales.h"

// The bytes as an evidence file and as a corpus; sentences that come out lie in their text.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weir::evaluate;
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  const LineLimits limits{.line_bytes = 1 << 16, .total_bytes = 1 << 20};
  const auto rationales = ReadRationales(*LineReader::OverBytes("fuzz", bytes, limits));
  if (rationales.ok()) {
    for (const Rationale& r : *rationales) {
      if (r.sentences.empty() || r.sentences.front() < 0) __builtin_trap();
    }
  }
  const auto documents = ReadCutDocuments(*LineReader::OverBytes("fuzz", bytes, limits), {"a"});
  if (!documents.ok()) return 0;
  for (const auto& [id, document] : *documents) {
    int64_t end = -1;  // one space before each sentence but the first
    for (const weir::text::Span& s : document.sentences) {
      if (s.start != end + 1 || s.end <= s.start) __builtin_trap();
      end = s.end;
    }
    if (end != static_cast<int64_t>(document.text.size())) __builtin_trap();
  }
  return 0;
}
