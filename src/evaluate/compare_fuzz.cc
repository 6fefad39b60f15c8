// Bytes as a file of per-query values: read or refused, never a crash.
#include <cstddef>
#include <cstdint>
#include <span>

#include "evaluate/compare.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto lines =
      weir::evaluate::LineReader::OverBytes("values.tsv", bytes, {.line_bytes = 1 << 16});
  const auto read = weir::evaluate::ReadQueryValues(*lines);
  if (read.ok()) {
    for (const auto& [query, row] : *read) {
      if (row.empty()) __builtin_trap();
    }
  }
  return 0;
}
