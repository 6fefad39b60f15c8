#include "index/lexical/codec.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace weir::index {
namespace {

TEST(Codec, PackedValuesComeBackAtEveryWidth) {
  std::mt19937 random(1);
  for (int bits = 0; bits <= 32; ++bits) {
    uint32_t values[kBlockSize];
    for (uint32_t& v : values) v = bits == 0 ? 0 : static_cast<uint32_t>(random()) >> (32 - bits);
    std::string packed;
    Pack(values, kBlockSize, bits, packed);
    ASSERT_EQ(packed.size(), PackedBytes(bits));
    // An exact copy on the heap: a read past the end shows under ASan.
    std::vector<uint8_t> bytes(packed.begin(), packed.end());
    uint32_t plain[kBlockSize], plus_one[kBlockSize], gaps[kBlockSize];
    Unpack128(bytes.data(), bits, plain);
    UnpackPlusOne128(bytes.data(), bits, plus_one);
    UnpackGaps128(bytes.data(), bits, 7, gaps);
    uint32_t sum = 7;
    for (uint32_t i = 0; i < kBlockSize; ++i) {
      sum += values[i] + 1;
      ASSERT_EQ(plain[i], values[i]) << bits << " bits, value " << i;
      ASSERT_EQ(plus_one[i], values[i] + 1);
      ASSERT_EQ(gaps[i], sum) << bits << " bits, value " << i;
    }
    EXPECT_LE(BitsNeeded(values, kBlockSize), bits);
  }
}

TEST(Codec, PlainValuesAreReadOneByOneAtEveryWidth) {
  std::mt19937 random(3);
  for (int bits = 0; bits <= 32; ++bits) {
    std::vector<uint32_t> values(1 + random() % 300);
    for (uint32_t& v : values) v = bits == 0 ? 0 : static_cast<uint32_t>(random()) >> (32 - bits);
    std::string plain;
    PutPlain(values.data(), values.size(), bits, plain);
    ASSERT_EQ(plain.size(), PlainBytes(values.size(), bits));
    const std::vector<uint8_t> bytes(plain.begin(), plain.end());
    for (size_t i = 0; i < values.size(); ++i)
      ASSERT_EQ(PlainAt(bytes.data(), i, bits), values[i]) << bits << " bits, value " << i;
  }
}

TEST(Codec, PatchedBlocksComeBackAtEverySize) {
  std::mt19937 random(2);
  for (int round = 0; round < 4000; ++round) {
    const size_t n = round % 4 == 0 ? kBlockSize : 1 + random() % kBlockSize;
    const int bits = static_cast<int>(random() % 33), wide = static_cast<int>(random() % 33);
    std::vector<uint32_t> values(n);
    for (uint32_t& v : values) {
      const int width = random() % 40 == 0 ? wide : bits;
      v = width == 0 ? 0 : static_cast<uint32_t>(random()) >> (32 - width);
    }
    std::string packed;
    const uint8_t head = PackPatched(values.data(), n, round % 2, kMaxPatches, packed);
    ASSERT_LE(packed.size(), PackedBytes(n, std::max(round % 2, BitsNeeded(values.data(), n))));
    const std::vector<uint8_t> bytes(packed.begin(), packed.end());
    PackedBlock block;
    ASSERT_TRUE(FindPacked(head, n, bytes.data(), bytes.data() + bytes.size(), block));
    ASSERT_EQ(block.end, bytes.data() + bytes.size());
    uint32_t out[kBlockSize];
    Unpack(block, n, out);
    for (size_t i = 0; i < n; ++i) ASSERT_EQ(out[i], values[i]) << n << " values, " << i;
    if (!bytes.empty()) {
      ASSERT_FALSE(FindPacked(head, n, bytes.data(), bytes.data() + bytes.size() - 1, block));
    }
    if (n < kBlockSize) continue;
    uint32_t gaps[kBlockSize], sum = 7;
    UnpackPlusOne(block, out);
    UnpackGaps(block, 7, gaps);
    for (size_t i = 0; i < n; ++i) {
      sum += values[i] + 1;
      ASSERT_EQ(out[i], values[i] + 1);
      ASSERT_EQ(gaps[i], sum);
    }
  }
}

TEST(Codec, OtherHeadsAreRefused) {
  const std::vector<uint8_t> bytes(600, 0xff);
  PackedBlock block;
  for (int head : {33, 0x3f, 0x80, 0xff, kPatched | 32, kPatched | 3}) {
    EXPECT_FALSE(FindPacked(static_cast<uint8_t>(head), kBlockSize, bytes.data(),
                            bytes.data() + bytes.size(), block))
        << head;
  }
}

TEST(Codec, VarintsComeBack) {
  std::string bytes;
  std::vector<uint64_t> values = {0, 1, 127, 128, 16383, 16384, ~0u, ~uint64_t{0}};
  for (uint64_t v : values) PutVarint(v, bytes);
  ByteReader reader(reinterpret_cast<const uint8_t*>(bytes.data()),
                    reinterpret_cast<const uint8_t*>(bytes.data()) + bytes.size());
  for (uint64_t v : values) EXPECT_EQ(reader.Varint(), v);
  EXPECT_TRUE(reader.ok());
  EXPECT_EQ(reader.Varint(), 0u);
  EXPECT_FALSE(reader.ok());
}

TEST(Codec, EndlessVarintIsRefused) {
  const std::vector<uint8_t> bytes(20, 0xff);
  ByteReader reader(bytes.data(), bytes.data() + bytes.size());
  reader.Varint();
  EXPECT_FALSE(reader.ok());
}

TEST(Codec, ByteCodesBoundTheirValue) {
  for (uint32_t v = 0; v < 70000; ++v) {
    ASSERT_LE(DecodeCode(FloorCode(v)), v);
    ASSERT_GE(DecodeCode(CeilCode(v)), v);
    if (v >= 32) {
      ASSERT_GE(DecodeCode(FloorCode(v)) * 17 / 16 + 1, v);
    }
  }
  EXPECT_EQ(CeilCode(600000), kUnboundedCode);
  EXPECT_EQ(CeilCode(~0u), kUnboundedCode);
  EXPECT_LE(DecodeCode(FloorCode(~0u)), ~0u);
  for (int c = 0; c < 256; ++c) EXPECT_EQ(FloorCode(DecodeCode(static_cast<uint8_t>(c))), c);
}

}  // namespace
}  // namespace weir::index
