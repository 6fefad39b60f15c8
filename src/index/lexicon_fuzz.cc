// A line of a lexicon file, and bytes as the given terms of the catalogue.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "index/lexicon.h"
#include "index/sparse/given_terms.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weir::index;
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (const auto terms = UnpackTerms(bytes); terms.ok() && PackTerms(*terms) != bytes)
    __builtin_trap();
  LexiconParser parser({.most_terms = data[0] % 8, .scale = data[0] < 128 ? 1.0 : 0.25});
  const auto record = parser.Parse(bytes);
  if (!record.ok()) return 0;
  if (record->id.empty()) __builtin_trap();
  if (record->deleted) return 0;
  if (!record->terms.has_value()) __builtin_trap();
  if (!CheckGivenTerms(*record->terms).ok()) __builtin_trap();
  const auto again = UnpackTerms(PackTerms(*record->terms));
  if (!again.ok() || *again != *record->terms) __builtin_trap();
  return 0;
}
