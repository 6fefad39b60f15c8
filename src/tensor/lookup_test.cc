// Every target gives what a reader's loop gives.
#include "tensor/lookup.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "tensor/simd/lookup.h"

namespace weir::tensor {
namespace {

TEST(LookupTest, SumsReachTheirLeastOnEveryTarget) {
  std::mt19937 random(1);
  for (size_t parts : {4, 8, 64, 1036}) {
    for (size_t blocks : {1, 2, 3, 7}) {
      std::vector<uint8_t> codes(blocks * parts / 2 * kLookupRows), tables(parts * kCodewords);
      for (uint8_t& c : codes) c = static_cast<uint8_t>(random());
      for (uint8_t& t : tables) t = static_cast<uint8_t>(random() % (kLargestEntry + 1));
      std::vector<uint16_t> least(blocks * kLookupRows);
      std::vector<uint64_t> want(blocks), got(blocks);
      for (size_t row = 0; row < least.size(); ++row) {
        const size_t block = row / kLookupRows, r = row % kLookupRows;
        int sum = 0;
        for (size_t part = 0; part < parts; ++part) {
          const uint8_t byte = codes[(block * parts / 2 + part / 2) * kLookupRows + r];
          sum += tables[part * kCodewords + (part % 2 == 0 ? byte & 15 : byte >> 4)];
        }
        least[row] = static_cast<uint16_t>(sum + static_cast<int>(random() % 3) - 1);
        if (sum >= least[row]) want[block] |= uint64_t{1} << r;
      }
      for (const KernelSet* kernels : AllKernels()) {
        LookupKernelsOf(*kernels).scan(
            {codes.data(), tables.data(), parts, blocks, least.data(), got.data()});
        EXPECT_EQ(want, got) << kernels->name << " parts " << parts << " blocks " << blocks;
      }
    }
  }
}

TEST(LookupTest, TablesKeepTheOrderOfProductsOnEveryTarget) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  const size_t parts = 8;
  std::vector<float> x(parts * kPartWidth), books(x.size() * kCodewords);
  for (float& v : x) v = normal(random);
  for (float& v : books) v = normal(random);
  std::vector<uint8_t> first;
  for (const KernelSet* kernels : AllKernels()) {
    std::vector<float> products(parts * kCodewords);
    std::vector<uint8_t> tables(products.size());
    LookupTables made = {.x = x.data(),
                         .parts = parts,
                         .codebooks = books.data(),
                         .products = products.data(),
                         .tables = tables.data()};
    LookupKernelsOf(*kernels).tables(made);
    double base = 0;
    for (size_t part = 0; part < parts; ++part) {
      double want[kCodewords] = {}, least = 1e30;
      for (size_t c = 0; c < kCodewords; ++c) {
        for (size_t i = 0; i < kPartWidth; ++i) {
          const size_t axis = part * kPartWidth + i;
          want[c] += double{x[axis]} * books[axis * kCodewords + c];
        }
        least = std::min(least, want[c]);
      }
      base += least;
      for (size_t c = 0; c < kCodewords; ++c) {
        EXPECT_NEAR(tables[part * kCodewords + c], (want[c] - least) / made.step, 0.501);
        EXPECT_LE(tables[part * kCodewords + c], kLargestEntry);
      }
    }
    EXPECT_NEAR(made.base, base, 1e-4);
    if (first.empty()) first = tables;
    EXPECT_EQ(first, tables) << kernels->name;
  }
}

TEST(LookupTest, FirstLargestIsTheFirstOnEveryTarget) {
  std::mt19937 random(4);
  for (size_t n = 1; n < 70; ++n) {
    std::vector<float> x(n);
    for (float& v : x) v = static_cast<float>(static_cast<int>(random() % 9) - 4);
    const size_t want = static_cast<size_t>(std::max_element(x.begin(), x.end()) - x.begin());
    for (const KernelSet* kernels : AllKernels())
      EXPECT_EQ(LookupKernelsOf(*kernels).largest(x.data(), n), want) << kernels->name << " " << n;
  }
}

TEST(LookupTest, NearestCodewordIsTheSameOnEveryTarget) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  const size_t rows = 50, parts = 12;
  std::vector<float> x(rows * parts * kPartWidth), books(parts * kPartWidth * kCodewords);
  for (float& v : x) v = normal(random);
  for (float& v : books) v = normal(random);
  std::vector<float> half_norms(parts * kCodewords);
  auto word = [&](size_t part, size_t i, size_t c) {
    return books[(part * kPartWidth + i) * kCodewords + c];
  };
  for (size_t part = 0; part < parts; ++part) {
    for (size_t c = 0; c < kCodewords; ++c) {
      for (size_t i = 0; i < kPartWidth; ++i)
        half_norms[part * kCodewords + c] += 0.5f * word(part, i, c) * word(part, i, c);
    }
  }
  std::vector<uint8_t> want(rows * parts), got(rows * parts);
  for (size_t row = 0; row < rows; ++row) {
    for (size_t part = 0; part < parts; ++part) {
      double nearest = 1e30;
      for (size_t c = 0; c < kCodewords; ++c) {
        double distance = 0;
        for (size_t i = 0; i < kPartWidth; ++i) {
          const double step = x[(row * parts + part) * kPartWidth + i] - word(part, i, c);
          distance += step * step;
        }
        if (distance >= nearest) continue;
        nearest = distance;
        want[row * parts + part] = static_cast<uint8_t>(c);
      }
    }
  }
  for (const KernelSet* kernels : AllKernels()) {
    LookupKernelsOf(*kernels).nearest(x.data(), rows, parts, books.data(), half_norms.data(),
                                      got.data());
    EXPECT_EQ(want, got) << kernels->name;
  }
}

}  // namespace
}  // namespace weir::tensor
