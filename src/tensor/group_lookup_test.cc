// Every target gives what a reader's loop gives.
#include "tensor/group_lookup.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

#include "tensor/kernels.h"

namespace weir::tensor {
namespace {

struct Target {
  const char* name;
  const GroupLookupKernels* kernels;
};
std::vector<Target> Targets() {
  std::vector<Target> all = {{"scalar", &kScalarGroupLookup}};
  if (kAvx2Kernels.supported()) all.push_back({"avx2", &kAvx2GroupLookup});
  if (SupportsAvx512GroupLookup()) all.push_back({"avx512", &kAvx512GroupLookup});
  return all;
}

// Rows of codes, packed, and tables; the naive sum beside them.
struct Case {
  size_t parts, rows, queries;
  std::vector<std::vector<uint8_t>> codes;
  std::vector<uint8_t> packed, tables;

  Case(size_t parts, size_t rows, size_t queries, uint32_t seed)
      : parts(parts), rows(rows), queries(queries) {
    std::mt19937 random(seed);
    packed.resize((rows + kLookupGroup - 1) / kLookupGroup * LookupGroupBytes(parts));
    for (size_t r = 0; r < rows; ++r) {
      codes.emplace_back(parts);
      for (uint8_t& c : codes[r]) c = static_cast<uint8_t>(random() % 16);
      PackGroupRow(codes[r].data(), parts, r % kLookupGroup,
                   &packed[r / kLookupGroup * LookupGroupBytes(parts)]);
    }
    tables.resize(queries * parts * 16);
    for (uint8_t& t : tables) t = static_cast<uint8_t>(random() % (kLargestGroupEntry + 1));
  }
  int32_t Sum(size_t q, size_t r) const {
    int32_t sum = 0;
    for (size_t p = 0; p < parts; ++p) sum += tables[(q * parts + p) * 16 + codes[r][p]];
    return sum;
  }
};

TEST(GroupLookupTest, PackedCodesAreReadBack) {
  const Case c(24, 40, 1, 1);
  for (size_t r = 0; r < c.rows; ++r) {
    for (size_t p = 0; p < c.parts; ++p) {
      EXPECT_EQ(GroupCode(&c.packed[r / 16 * LookupGroupBytes(c.parts)], p, r % 16), c.codes[r][p]);
    }
  }
}

TEST(GroupLookupTest, SumsOnEveryTarget) {
  for (size_t parts : {8, 64, 72, 440}) {
    for (size_t groups : {1, 3, 4, 9}) {
      const Case c(parts, groups * kLookupGroup, 1, 2);
      for (const Target& target : Targets()) {
        std::vector<int32_t> sums(c.rows);
        target.kernels->sums(c.packed.data(), groups, c.tables.data(), parts, sums.data());
        for (size_t r = 0; r < c.rows; ++r) ASSERT_EQ(sums[r], c.Sum(0, r)) << target.name;
      }
    }
  }
}

TEST(GroupLookupTest, LargestOfAnyRangeOnEveryTarget) {
  for (size_t parts : {8, 72, 136}) {
    for (size_t queries : {1, 2, 7}) {
      const Case c(parts, 100, queries, 3);
      std::mt19937 random(4);
      for (int i = 0; i < 40; ++i) {
        size_t begin = random() % c.rows, end = random() % c.rows;
        if (begin > end) std::swap(begin, end);
        ++end;
        for (const Target& target : Targets()) {
          std::vector<int32_t> most(queries);
          alignas(64) int32_t scratch[16 * 7];
          target.kernels->largest(c.packed.data(), begin, end, c.tables.data(), parts, queries,
                                  scratch, most.data());
          for (size_t q = 0; q < queries; ++q) {
            int32_t want = c.Sum(q, begin);
            for (size_t r = begin; r < end; ++r) want = std::max(want, c.Sum(q, r));
            ASSERT_EQ(most[q], want) << target.name << " " << begin << " " << end;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace weir::tensor
