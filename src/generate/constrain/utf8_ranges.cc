#include "generate/constrain/utf8_ranges.h"

namespace weir::generate {
namespace {

int EncodedLength(char32_t c) { return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4; }

void EncodeBytes(char32_t c, int length, uint8_t* out) {
  static constexpr uint8_t kLead[5] = {0, 0x00, 0xC0, 0xE0, 0xF0};
  for (int i = length - 1; i > 0; --i, c >>= 6) out[i] = static_cast<uint8_t>(0x80 | (c & 0x3F));
  out[0] = static_cast<uint8_t>(kLead[length] | c);
}

// REQUIRES: both ends have the same encoded length. Splits until every byte but the first that
// differs runs over all continuation values; then the ends' bytes are the ranges.
void Split(char32_t low, char32_t high, int length, std::vector<Utf8Sequence>& out) {
  for (int i = 1; i < length; ++i) {
    const char32_t mask = (char32_t{1} << (6 * i)) - 1;  // the last i bytes
    if ((low & ~mask) == (high & ~mask)) continue;
    if ((low & mask) != 0) {
      Split(low, low | mask, length, out);
      return Split((low | mask) + 1, high, length, out);
    }
    if ((high & mask) != mask) {
      Split(low, (high & ~mask) - 1, length, out);
      return Split(high & ~mask, high, length, out);
    }
  }
  Utf8Sequence sequence{.length = length};
  uint8_t first[4], last[4];
  EncodeBytes(low, length, first);
  EncodeBytes(high, length, last);
  for (int i = 0; i < length; ++i) sequence.bytes[i] = {first[i], last[i]};
  out.push_back(sequence);
}

}  // namespace

void AppendUtf8Sequences(char32_t low, char32_t high, std::vector<Utf8Sequence>& out) {
  static constexpr char32_t kParts[][2] = {
      {0, 0x7F}, {0x80, 0x7FF}, {0x800, 0xD7FF}, {0xE000, 0xFFFF}, {0x10000, 0x10FFFF}};
  for (const auto& [first, last] : kParts) {
    const char32_t from = low > first ? low : first, to = high < last ? high : last;
    if (from <= to) Split(from, to, EncodedLength(from), out);
  }
}

}  // namespace weir::generate
