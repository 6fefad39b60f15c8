#include "model/tokenizer/unicode_tables.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

namespace weir::model {
namespace {

constexpr int kPageBits = 7;
constexpr size_t kPageSize = size_t{1} << kPageBits;
constexpr size_t kPages = 0x110000 >> kPageBits;

// Rows unpacked into shared pages, so that a lookup is two loads.
struct Pages {
  std::array<uint16_t, kPages> page;
  std::vector<uint8_t> values;

  Pages() {
    std::array<uint8_t, kPageSize> current;
    int row = 0;
    for (size_t p = 0; p < kPages; ++p) {
      for (size_t i = 0; i < kPageSize; ++i) {
        const uint32_t c = static_cast<uint32_t>(p << kPageBits | i);
        while (row + 1 < kCategoryRowsCount && kCategoryRows[row + 1] >> 8 <= c) ++row;
        current[i] = static_cast<uint8_t>(kCategoryRows[row]);
      }
      page[p] = Find(current);
    }
  }

  uint16_t Find(const std::array<uint8_t, kPageSize>& wanted) {
    const size_t count = values.size() / kPageSize;
    for (size_t i = 0; i < count; ++i) {
      if (std::memcmp(&values[i * kPageSize], wanted.data(), kPageSize) == 0) return i;
    }
    values.insert(values.end(), wanted.begin(), wanted.end());
    return count;
  }
};

uint8_t Value(char32_t c) {
  static const Pages& pages = *new Pages();
  return pages.values[pages.page[c >> kPageBits] * kPageSize + (c & (kPageSize - 1))];
}

// Code points that Unicode moved to another group after the version asked for.
bool Moved(char32_t c, UnicodeVersion version, Category& category) {
  const bool first = version == UnicodeVersion::kV8;
  if (first && (c == 0x166D || c == 0x111C9)) {
    category = Category::kPunctuation;
  } else if ((first && c == 0x1734) || (c == 0x1171E && version < UnicodeVersion::kV16)) {
    category = Category::kNonspacingMark;
  } else {
    return false;
  }
  return true;
}

}  // namespace

Category CategoryOf(char32_t c, UnicodeVersion version) {
  if (c > 0x10FFFF) return Category::kUnassigned;
  Category category;
  if (Moved(c, version, category)) return category;
  const uint8_t value = Value(c);
  if (value >> 4 > static_cast<int>(version)) return Category::kUnassigned;
  return static_cast<Category>(value & 15);
}

bool IsWhiteSpace(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 9 && c <= 13);
  if (c < 0x1680) return c == 0x85 || c == 0xA0;
  return c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

char32_t ToLower(char32_t c, UnicodeVersion version) {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  const LowerRun* end = kLowerRuns + kLowerRunsCount;
  const LowerRun* run = std::upper_bound(
      kLowerRuns, end, c, [](char32_t value, const LowerRun& r) { return value < r.start; });
  // Runs of stride 2 may interleave with their neighbours, so look back a few.
  for (int back = 0; back < 4 && run != kLowerRuns; ++back) {
    --run;
    const uint32_t distance = c - run->start;
    if (distance % run->stride == 0 && distance / run->stride < run->count) {
      if (CategoryOf(c, version) == Category::kUnassigned) return c;
      return static_cast<char32_t>(static_cast<int64_t>(c) + run->delta);
    }
  }
  return c;
}

bool IsBertHan(char32_t c) {
  if (c < 0x3400) return false;
  return c <= 0x4DBF || (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0xF900 && c <= 0xFAFF) ||
         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
         (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0x2F800 && c <= 0x2FA1F);
}

}  // namespace weir::model
