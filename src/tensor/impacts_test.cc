#include "tensor/impacts.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace weir::tensor {
namespace {

struct alignas(64) Window {
  uint32_t sums[kImpactWindow];
};

struct Term {
  std::vector<uint64_t> masks;
  std::vector<uint32_t> starts;
  std::vector<uint8_t> impacts;
  MaskedTerm view;
};

constexpr size_t kWindows = 5;

// One of `rarity` positions has it; `dense`: the impact of each position, 0 where it has none.
Term MakeTerm(uint32_t rarity, std::mt19937& random, std::vector<uint8_t>& dense) {
  Term term;
  dense.assign(kWindows * kImpactWindow, 0);
  for (size_t w = 0; w < kWindows; ++w) {
    term.starts.push_back(static_cast<uint32_t>(term.impacts.size()));
    term.masks.push_back(0);
    for (uint32_t bit = 0; bit < kImpactWindow; ++bit) {
      if (random() % rarity != 0) continue;
      const uint8_t impact = static_cast<uint8_t>(random() % 4 == 0 ? 255 : 1 + random() % 255);
      term.masks.back() |= uint64_t{1} << bit;
      term.impacts.push_back(impact);
      dense[w * kImpactWindow + MaskBit(bit)] = impact;
    }
  }
  const uint32_t count = static_cast<uint32_t>(term.impacts.size());
  term.impacts.resize(count + kImpactWindow, 77);
  term.view = {term.masks.data(), term.starts.data(), term.impacts.data(), count,
               static_cast<uint32_t>(random() % 4 == 0 ? 127 : 1 + random() % 127)};
  return term;
}

std::vector<const ImpactKernels*> All() {
  std::vector<const ImpactKernels*> all = {&kScalarImpacts};
  if (SupportsAvx512Impacts()) all.push_back(&kAvx512Impacts);
  return all;
}

TEST(ImpactsTest, MaskBitIsItsOwnInverse) {
  for (uint32_t i = 0; i < 64; ++i) EXPECT_EQ(MaskBit(MaskBit(i)), i);
}

// Against the plain sum over positions, for 0 to 9 terms and limits that all, some and none reach.
TEST(ImpactsTest, WindowsEqualThePlainSum) {
  std::mt19937 random(1);
  for (size_t n = 0; n <= 9; ++n) {
    std::vector<Term> terms;
    std::vector<std::vector<uint8_t>> dense(n);
    std::vector<MaskedTerm> views;
    for (size_t t = 0; t < n; ++t) {
      terms.push_back(MakeTerm(t % 3 == 0 ? 1 : 1 + random() % 20, random, dense[t]));
    }
    for (const Term& term : terms) views.push_back(term.view);
    for (size_t w = 0; w < kWindows; ++w) {
      Window given{}, want{};
      for (uint32_t& s : given.sums) s = random() % 3 == 0 ? random() % 100000 : 0;
      uint32_t bound = 0, most = 0, most_given = 0;
      for (size_t i = 0; i < kImpactWindow; ++i) {
        uint32_t sum = given.sums[i], added = 0;
        for (size_t t = 0; t < n; ++t) {
          added += terms[t].view.weight * dense[t][w * kImpactWindow + i];
        }
        want.sums[i] = sum + added;
        bound = std::max(bound, added), most = std::max(most, sum + added);
        most_given = std::max(most_given, sum);
      }
      for (const uint32_t least : {1u, most / 2 + 1, std::max(1u, most), most + 1}) {
        uint64_t bits = 0;
        for (size_t i = 0; i < kImpactWindow; ++i) {
          bits |= uint64_t{want.sums[i] >= least} << i;
        }
        for (const ImpactKernels* kernels : All()) {
          // The window stands where its number says; those around it are never touched.
          const auto run = [&](uint32_t its_bound, uint32_t its_least, uint64_t* found) {
            std::vector<Window> sums(kWindows + 1, Window{{7}});
            sums[w] = given;
            std::vector<uint32_t> bounds(kWindows, its_bound);
            const size_t at = kernels->next_window(views.data(), n, bounds.data(), w, w + 1,
                                                   its_least, sums[0].sums, found);
            EXPECT_EQ(at, *found == 0 ? w + 1 : w);
            EXPECT_EQ(sums[w + 1].sums[0], 7u);
            return sums[w];
          };
          uint64_t found = 1;
          const Window sums = run(bound, least, &found);
          EXPECT_EQ(found, bits);
          for (size_t i = 0; i < kImpactWindow; ++i) {
            EXPECT_EQ(sums.sums[i], bits == 0 ? 0 : want.sums[i]) << n << " " << w << " " << i;
          }
          // A bound that cannot be reached: the terms are not looked at.
          EXPECT_EQ(run(0, most_given + 1, &found).sums[5], 0u);
          EXPECT_EQ(found, 0u);
        }
      }
    }
  }
}

// Without terms: the first window that has the limit, those before it zeroed.
TEST(ImpactsTest, PassesWindowsBelowTheLimit) {
  for (const ImpactKernels* kernels : All()) {
    std::vector<Window> sums(6, Window{{3, 4}});
    sums[4].sums[63] = 5;
    uint64_t found = 0;
    EXPECT_EQ(kernels->next_window(nullptr, 0, nullptr, 1, 6, 5, sums[0].sums, &found), 4u);
    EXPECT_EQ(found, uint64_t{1} << 63);
    EXPECT_EQ(sums[0].sums[1], 4u);
    EXPECT_EQ(sums[3].sums[1], 0u);
    EXPECT_EQ(sums[4].sums[1], 4u);
    EXPECT_EQ(sums[5].sums[1], 4u);
    EXPECT_EQ(kernels->next_window(nullptr, 0, nullptr, 5, 6, 5, sums[0].sums, &found), 6u);
    EXPECT_EQ(found, 0u);
    EXPECT_EQ(sums[5].sums[1], 0u);
  }
}

TEST(ImpactsTest, RowsAndMaximaEqualThePlainLoop) {
  std::mt19937 random(2);
  for (size_t n = 0; n <= 160; n += 16) {
    std::vector<uint8_t> impacts(n);
    std::vector<uint32_t> sums(n), want(n);
    uint32_t most = 0;
    for (size_t i = 0; i < n; ++i) {
      impacts[i] = static_cast<uint8_t>(random());
      sums[i] = random() % 1000000;
      want[i] = sums[i] + 127 * impacts[i];
      most = std::max(most, want[i]);
    }
    for (const ImpactKernels* kernels : All()) {
      std::vector<uint32_t> got = sums;
      kernels->add_row(impacts.data(), 127, n, got.data());
      EXPECT_EQ(got, want);
      EXPECT_EQ(kernels->largest(got.data(), n), most);
    }
  }
}

TEST(ImpactsTest, DotEqualsThePlainLoop) {
  std::mt19937 random(3);
  std::vector<uint8_t> weights(65536 + 3);
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<uint8_t>(random() % 128);
  for (size_t n = 0; n <= 70; ++n) {
    std::vector<uint16_t> terms(n);
    std::vector<uint8_t> impacts(n);
    uint32_t want = 0;
    for (size_t i = 0; i < n; ++i) {
      terms[i] = static_cast<uint16_t>(i == 0 ? 65535 : random());
      impacts[i] = static_cast<uint8_t>(random());
      want += uint32_t{weights[terms[i]]} * impacts[i];
    }
    for (const ImpactKernels* kernels : All()) {
      EXPECT_EQ(kernels->dot(terms.data(), impacts.data(), n, weights.data()), want) << n;
    }
  }
}

}  // namespace
}  // namespace weir::tensor
