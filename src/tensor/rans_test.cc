// Symbols survive the coder bit for bit, on every target, and cost what their distributions say.
#include "tensor/rans.h"

#include <cmath>
#include <random>

#include "gtest/gtest.h"
#include "tensor/simd/rans.h"

namespace weir::tensor {
namespace {

// Rows of frequencies that sum to 4,096: flat, certain, steep, with zeros.
std::vector<uint16_t> Frequencies(int symbol_bits, int count, std::mt19937& random) {
  const size_t symbols = size_t{1} << symbol_bits;
  std::vector<uint16_t> all;
  for (int n = 0; n < count; ++n) {
    std::vector<uint16_t> row(symbols, 0);
    if (n == 0) {
      std::fill(row.begin(), row.end(), static_cast<uint16_t>(kRansTotal / symbols));
    } else if (n == 1) {
      row[symbols / 2] = kRansTotal;
    } else {
      std::geometric_distribution<int> steps(1.0 / (1 + n));
      for (uint32_t i = 0; i < kRansTotal; ++i) {
        ++row[std::min<size_t>(static_cast<size_t>(steps(random)), symbols - 1)];
      }
    }
    all.insert(all.end(), row.begin(), row.end());
  }
  return all;
}

struct Message {
  RansTables tables;
  std::vector<uint16_t> lanes;   // [16]
  std::vector<uint8_t> symbols;  // [rows][16]
  double bits = 0;               // what the distributions say
};

Message RandomMessage(int symbol_bits, size_t rows, uint32_t seed) {
  std::mt19937 random(seed);
  constexpr int kCount = 9;
  const auto frequencies = Frequencies(symbol_bits, kCount, random);
  Message m{.tables = *RansTables::Make(symbol_bits, frequencies)};
  const size_t symbols = size_t{1} << symbol_bits;
  for (int lane = 0; lane < kRansLanes; ++lane) m.lanes.push_back(random() % kCount);
  for (size_t i = 0; i < rows * kRansLanes; ++i) {
    const uint16_t* row = &frequencies[m.lanes[i % kRansLanes] * symbols];
    uint32_t slot = random() % kRansTotal;
    size_t symbol = 0;
    while (slot >= row[symbol]) slot -= row[symbol++];
    m.symbols.push_back(static_cast<uint8_t>(symbol));
    m.bits += std::log2(double{kRansTotal} / row[symbol]);
  }
  return m;
}

std::string Encoded(const Message& m) {
  RansEncoder encoder;
  for (size_t i = 0; i < m.symbols.size(); i += kRansLanes) {
    encoder.Add(m.tables, m.lanes.data(), &m.symbols[i]);
  }
  return encoder.Finish();
}

TEST(RansTest, SymbolsComeBackAndCostTheirEntropy) {
  for (int symbol_bits = 2; symbol_bits <= 8; ++symbol_bits) {
    for (const size_t rows : {0, 1, 2, 77, 3000}) {
      const Message m = RandomMessage(symbol_bits, rows, 17 * symbol_bits + rows);
      const std::string stream = Encoded(m);
      auto decoder = RansDecoder::Open(stream);
      ASSERT_TRUE(decoder.ok());
      std::vector<uint8_t> out(m.symbols.size());
      ASSERT_TRUE(decoder->Decode(m.tables, m.lanes.data(), rows, out.data()).ok());
      EXPECT_TRUE(decoder->Finish().ok());
      EXPECT_EQ(out, m.symbols);
      // States, their last words, and the 12-bit state arithmetic: less than 0.5% on long streams.
      EXPECT_LE(8.0 * stream.size(), 1.005 * m.bits + 16 * 32 + 16 * 16);
    }
  }
}

TEST(RansTest, TargetsDecodeTheSameBytes) {
  for (int symbol_bits : {4, 6, 8}) {
    const Message m = RandomMessage(symbol_bits, 500, symbol_bits);
    const std::string stream = Encoded(m);
    // Every length short of the whole must be noticed by every target.
    for (const size_t cut : {0, 2, 4, 6, 30, 32, 34, 200}) {
      for (const KernelSet* set : AllKernels()) {
        // In memory of its own, so that a sanitizer sees reads past the end.
        const std::string part(stream.data(), stream.size() - cut);
        std::vector<uint8_t> out(m.symbols.size());
        auto decoder = *RansDecoder::Open(part);
        RansRunOn(decoder, *set);
        const bool ok = decoder.Decode(m.tables, m.lanes.data(), 500, out.data()).ok();
        EXPECT_EQ(ok, cut == 0) << set->name << " cut " << cut;
        EXPECT_TRUE(!ok || (out == m.symbols && decoder.Finish().ok())) << set->name;
      }
    }
  }
}

// Damage gives other symbols or an error, and the same ones on every target.
TEST(RansTest, DamageIsTheSameEverywhere) {
  std::mt19937 random(5);
  const Message m = RandomMessage(6, 200, 99);
  const std::string stream = Encoded(m);
  for (int i = 0; i < 300; ++i) {
    std::string bad = stream;
    bad[random() % bad.size()] ^= static_cast<char>(1 << random() % 8);
    if (!RansDecoder::Open(bad).ok()) continue;
    std::vector<std::vector<uint8_t>> outs;
    std::vector<bool> ok;
    for (const KernelSet* set : AllKernels()) {
      auto decoder = *RansDecoder::Open(bad);
      RansRunOn(decoder, *set);
      outs.emplace_back(m.symbols.size());
      ok.push_back(decoder.Decode(m.tables, m.lanes.data(), 200, outs.back().data()).ok() &&
                   decoder.Finish().ok());
    }
    for (size_t k = 1; k < outs.size(); ++k) {
      EXPECT_EQ(ok[k], ok[0]);
      EXPECT_TRUE(!ok[0] || outs[k] == outs[0]);
    }
  }
}

TEST(RansTest, BadTablesAndStreams) {
  std::vector<uint16_t> flat(64, 64);
  EXPECT_TRUE(RansTables::Make(6, flat).ok());
  flat[3] = 65;
  EXPECT_EQ(RansTables::Make(6, flat).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(RansTables::Make(6, {}).ok());
  EXPECT_FALSE(RansTables::Make(9, flat).ok());
  EXPECT_FALSE(RansTables::Make(5, std::span(flat).first(33)).ok());
  EXPECT_EQ(RansDecoder::Open("short").status().code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE(RansDecoder::Open(std::string(64, '\0')).ok());  // states below 2^16
  EXPECT_FALSE(RansDecoder::Open(std::string(67, '\1')).ok());
}

}  // namespace
}  // namespace weir::tensor
