#include "model/tokenizer/charsmap.h"

namespace weir::model {

absl::StatusOr<CharsMap> CharsMap::Parse(std::string_view bytes) {
  CharsMap map;
  if (bytes.empty()) return map;
  uint32_t size = 0;
  if (bytes.size() < 4) return absl::DataLossError("precompiled_charsmap: shorter than its header");
  for (int i = 3; i >= 0; --i) size = size << 8 | static_cast<uint8_t>(bytes[i]);
  if (size % 4 != 0 || size > bytes.size() - 4) {
    return absl::DataLossError(
        "precompiled_charsmap: trie size does not fit; expected at most the rest");
  }
  map.units_.resize(size / 4);
  for (size_t i = 0; i < map.units_.size(); ++i) {
    uint32_t unit = 0;
    for (int b = 3; b >= 0; --b) unit = unit << 8 | static_cast<uint8_t>(bytes[4 + i * 4 + b]);
    map.units_[i] = unit;
  }
  map.replacements_ = std::string(bytes.substr(4 + size));
  return map;
}

CharsMap::Match CharsMap::Longest(std::string_view text) const {
  Match match;
  if (units_.empty()) return match;
  const auto base = [](uint32_t unit) { return (unit >> 10) << ((unit & (1u << 9)) >> 6); };
  uint32_t node = base(units_[0]);
  for (size_t i = 0; i < text.size(); ++i) {
    const uint8_t c = static_cast<uint8_t>(text[i]);
    node ^= c;
    if (c == 0 || node >= units_.size()) break;
    const uint32_t unit = units_[node];
    if ((unit & (1u << 31 | 0xFF)) != c) break;
    node ^= base(unit);
    if (node >= units_.size()) break;
    if ((unit >> 8 & 1) == 0) continue;
    const size_t at = units_[node] & ((1u << 31) - 1);
    const size_t end = at < replacements_.size() ? replacements_.find('\0', at) : std::string::npos;
    if (end == std::string::npos) break;
    match = {i + 1, std::string_view(replacements_).substr(at, end - at)};
  }
  return match;
}

}  // namespace weir::model
