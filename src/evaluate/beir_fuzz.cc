#include <cstddef>
#include <cstdint>
#include <span>

#include "evaluate/topics.h"

// The first byte chooses the parser; the rest is a corpus, queries or qrels file, plain or
// compressed.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weir::evaluate;
  if (size < 1) return 0;
  const LineLimits limits{.line_bytes = 1 << 16, .total_bytes = 1 << 20};
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
  const auto lines = LineReader::OverBytes("fuzz", bytes, limits);
  constexpr QueryForm kForms[] = {QueryForm::kBeir, QueryForm::kTabs, QueryForm::kTopics};
  if (data[0] % 4 == 3) {
    (void)ReadQrels(*lines);
  } else {
    (void)ReadQueries(*lines, kForms[data[0] % 4], [](BeirRecord record) {
      if (record.id.empty()) __builtin_trap();
      return absl::OkStatus();
    });
  }
  return 0;
}
