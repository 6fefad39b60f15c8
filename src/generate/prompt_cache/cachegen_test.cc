// The codec on made-up caches: what the decoder gives is what the encoder meant, on any number of
// threads, and damage never passes as data.
#include "generate/prompt_cache/cachegen.h"

#include <cmath>
#include <random>

#include "generate/prompt_cache/channel_models.h"
#include "gtest/gtest.h"

namespace weir::generate {
namespace {

// Channels with means, outliers and slow drift, as keys and values have.
struct Sample {
  Sample(const KvCodecShape& shape, int tokens, uint32_t seed) : tokens(tokens) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    for (auto* rows : {&k, &v}) {
      for (int layer = 0; layer < shape.layers; ++layer) {
        std::vector<float> drift(shape.width());
        for (int t = 0; t < tokens; ++t) {
          for (int c = 0; c < shape.width(); ++c) {
            drift[c] = 0.9f * drift[c] + 0.4f * normal(random);
            const float scale = c % 7 == 3 ? 8.0f : 1.0f;
            rows->push_back(scale * (drift[c] + static_cast<float>(c % 5)));
          }
        }
      }
    }
  }
  int tokens;
  std::vector<float> k, v;
};

std::shared_ptr<const KvCodec> Fitted(KvCodecFit& fit, const KvCodecShape& shape,
                                      Threads* threads) {
  EXPECT_TRUE(fit.Begin(shape).ok());
  for (uint32_t seed : {1, 2, 3}) {
    const Sample s(shape, 200, seed);
    EXPECT_TRUE(fit.Add(s.tokens, s.k.data(), s.v.data()).ok());
  }
  return *fit.Finish(threads);
}

std::vector<std::unique_ptr<KvCodecFit>> Fits() {
  std::vector<std::unique_ptr<KvCodecFit>> fits;
  fits.push_back(MakeDeltaFit({}));
  fits.push_back(MakeDeltaFit({.key_adaptation = 0.5, .group = 256, .chain = true}));
  fits.push_back(MakeDeltaFit({.predict = false}));
  fits.push_back(MakeRepositoryFit({}));
  fits.push_back(MakeRepositoryFit({.scale = 3, .centred = true, .per_head = true}));
  return fits;
}

double RootMeanSquare(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(sum / static_cast<double>(a.size()));
}

TEST(CacheGenTest, EveryFormGoesThereAndBack) {
  Threads two(2);
  for (const KvCodecShape shape : {KvCodecShape{3, 1, 64}, {2, 1, 20}}) {
    for (const auto& fit : Fits()) {
      const auto codec = Fitted(*fit, shape, &two);
      const auto loaded = LoadKvCodec(codec->Save(0));
      ASSERT_TRUE(loaded.ok()) << loaded.status();
      for (const int tokens : {1, 10, 11, 256}) {
        const Sample s(shape, tokens, 50 + tokens);
        double before = 1e9;
        size_t smaller = 0;
        for (int level = 1; level <= kCodecLevels; ++level) {
          const auto bytes = codec->Encode(level, tokens, s.k.data(), s.v.data(), nullptr);
          ASSERT_TRUE(bytes.ok()) << bytes.status();
          EXPECT_EQ(*bytes, *codec->Encode(level, tokens, s.k.data(), s.v.data(), &two));
          EXPECT_EQ(*bytes, *(*loaded)->Encode(level, tokens, s.k.data(), s.v.data(), &two));
          std::vector<float> k(s.k.size()), v(k.size()), k2(k.size()), v2(k.size());
          ASSERT_TRUE(codec->Decode(*bytes, tokens, k.data(), v.data(), &two).ok());
          const size_t layer = k.size() / shape.layers;
          for (int l = 0; l < shape.layers; ++l) {
            ASSERT_TRUE((*loaded)->DecodeLayer(*bytes, l, tokens, &k2[l * layer], &v2[l * layer])
                            .ok());
          }
          EXPECT_TRUE(k == k2 && v == v2);
          const double off = RootMeanSquare(k, s.k) + RootMeanSquare(v, s.v);
          EXPECT_LE(off, before) << "level " << level;
          if (tokens == 256) {
            EXPECT_LT(off, 5.0 - level) << "level " << level;  // of spreads of about 7
            EXPECT_GT(bytes->size(), smaller);
          }
          before = off, smaller = bytes->size();
        }
      }
    }
  }
}

// The reconstruction is off by at most half a step, whatever was predicted: differences are taken
// to what the decoder has.
TEST(CacheGenTest, ErrorIsHalfAStep) {
  const KvCodecShape shape{1, 1, 32};
  for (const bool chain : {false, true}) {
    const auto fit = MakeDeltaFit({.level = {0.5, 0.25, 0.1}, .depth = {1, 1, 1}, .key = 1,
                                   .value = 1, .group = 10, .chain = chain, .anchor = {1, 1, 1}});
    const auto codec = Fitted(*fit, shape, nullptr);
    const Sample s(shape, 256, 77);
    std::vector<float> k(s.k.size()), v(k.size());
    double before = 0;
    for (int level = 1; level <= kCodecLevels; ++level) {
      const auto bytes = codec->Encode(level, 256, s.k.data(), s.v.data(), nullptr);
      ASSERT_TRUE(codec->Decode(*bytes, 256, k.data(), v.data(), nullptr).ok());
      double worst = 0;
      for (size_t i = 0; i < k.size(); ++i) {
        worst =
            std::max({worst, std::fabs(double(k[i]) - s.k[i]), std::fabs(double(v[i]) - s.v[i])});
      }
      // The worst of 16,384 numbers comes near to half a step, and half a step is 2, then 2.5 times
      // smaller.
      if (level > 1) {
        EXPECT_NEAR(before / worst, level == 2 ? 2 : 2.5, 0.05) << "level " << level;
      }
      before = worst;
    }
  }
}

// Numbers far beyond the symbols, a channel without any spread, and magnitudes of 0.
TEST(CacheGenTest, OutliersAndConstants) {
  const KvCodecShape shape{2, 2, 32};
  for (const auto& fit : Fits()) {
    ASSERT_TRUE(fit->Begin(shape).ok());
    const std::vector<float> flat(size_t{2} * 40 * 64, 3.0f);
    ASSERT_TRUE(fit->Add(40, flat.data(), flat.data()).ok());
    const auto codec = *fit->Finish(nullptr);
    std::vector<float> wild(flat), k(flat.size()), v(flat.size());
    wild[100] = 1e6f, wild[101] = -1e30f, wild[2000] = 0.0f;
    for (int level = 1; level <= kCodecLevels; ++level) {
      const auto bytes = codec->Encode(level, 40, wild.data(), flat.data(), nullptr);
      ASSERT_TRUE(bytes.ok());
      ASSERT_TRUE(codec->Decode(*bytes, 40, k.data(), v.data(), nullptr).ok());
      for (size_t i = 0; i < v.size(); ++i) ASSERT_NEAR(v[i], 3.0f, 0.01f) << level << " " << i;
    }
    const std::vector<float> zero(flat.size(), 0.0f);
    const auto bytes = codec->Encode(1, 40, zero.data(), zero.data(), nullptr);
    ASSERT_TRUE(codec->Decode(*bytes, 40, k.data(), v.data(), nullptr).ok());
    for (float x : k) ASSERT_TRUE(std::isfinite(x));
  }
}

TEST(CacheGenTest, RefusesWhatItCannotCode) {
  const KvCodecShape shape{2, 1, 32};
  const auto fit = MakeDeltaFit({});
  EXPECT_EQ(fit->Add(1, nullptr, nullptr).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(fit->Begin({0, 1, 32}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(fit->Begin({1, 20000, 20000}).code(), absl::StatusCode::kInvalidArgument);
  ASSERT_TRUE(fit->Begin(shape).ok());
  EXPECT_EQ(fit->Finish(nullptr).status().code(), absl::StatusCode::kInvalidArgument);
  const auto codec = Fitted(*fit, shape, nullptr);
  Sample s(shape, 20, 9);
  for (int level : {0, 4, -1}) {
    EXPECT_EQ(codec->Encode(level, 20, s.k.data(), s.v.data(), nullptr).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
  EXPECT_FALSE(codec->Encode(1, 0, s.k.data(), s.v.data(), nullptr).ok());
  EXPECT_FALSE(codec->Encode(1, 257, s.k.data(), s.v.data(), nullptr).ok());
  s.k[5] = NAN;
  EXPECT_FALSE(codec->Encode(1, 20, s.k.data(), s.v.data(), nullptr).ok());
  s.k[5] = 1;
  // Tables of one level refuse the others, in both directions.
  const auto one = *LoadKvCodec(codec->Save(2));
  EXPECT_TRUE(one->Encode(2, 20, s.k.data(), s.v.data(), nullptr).ok());
  EXPECT_FALSE(one->Encode(1, 20, s.k.data(), s.v.data(), nullptr).ok());
  const auto bytes = *codec->Encode(1, 20, s.k.data(), s.v.data(), nullptr);
  std::vector<float> k(s.k.size()), v(k.size());
  EXPECT_EQ(one->Decode(bytes, 20, k.data(), v.data(), nullptr).code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(codec->Decode(bytes, 21, k.data(), v.data(), nullptr).code(),
            absl::StatusCode::kDataLoss);
}

// Without checksums damage may pass as other numbers; it must never do worse.
TEST(CacheGenTest, DamagedBytesDoNoHarm) {
  const KvCodecShape shape{2, 2, 24};
  std::mt19937 random(3);
  for (const auto& fit : Fits()) {
    const auto codec = Fitted(*fit, shape, nullptr);
    const Sample s(shape, 33, 4);
    const std::string chunk = *codec->Encode(2, 33, s.k.data(), s.v.data(), nullptr);
    const std::string tables = codec->Save(2);
    std::vector<float> k(s.k.size()), v(k.size());
    for (size_t size = 0; size < chunk.size(); size += 1 + size / 8) {
      EXPECT_FALSE(
          codec->Decode(std::string(chunk, 0, size), 33, k.data(), v.data(), nullptr).ok());
    }
    for (int i = 0; i < 300; ++i) {
      std::string bad = chunk;
      bad[random() % bad.size()] ^= static_cast<char>(1 << random() % 8);
      (void)codec->Decode(bad, 33, k.data(), v.data(), nullptr);
      bad = tables;
      bad[random() % bad.size()] ^= static_cast<char>(1 << random() % 8);
      if (const auto other = LoadKvCodec(bad); other.ok() && (*other)->shape() == shape) {
        (void)(*other)->Decode(chunk, 33, k.data(), v.data(), nullptr);
      }
    }
    for (size_t size = 0; size < tables.size(); size += 1 + size / 8) {
      EXPECT_FALSE(LoadKvCodec(std::string(tables, 0, size)).ok());
    }
  }
}

// A file of real or random numbers costs what its distributions say.
TEST(CacheGenTest, LosslessStageIsExact) {
  std::mt19937 random(8);
  std::vector<uint32_t> counts(size_t{48} << kSymbolBits);
  std::vector<int32_t> numbers(size_t{500} * kLanes);
  for (size_t i = 0; i < numbers.size(); ++i) {
    std::normal_distribution<float> normal(0, 1.0f + static_cast<float>(i % kLanes));
    numbers[i] = static_cast<int32_t>(std::nearbyint(normal(random)));
    const int symbol = std::clamp(numbers[i] + kCentre, 0, kEscape);
    ++counts[((16 + i % kLanes) << kSymbolBits) + symbol];
  }
  numbers[77] = 30000, numbers[78] = -32767;
  const auto models = ChannelModels::Fit(kSymbolBits, counts, 8, kCentre, nullptr);
  GroupWriter writer;
  writer.Add(models, 16, kCentre, numbers);
  std::string bytes;
  writer.AppendTo(bytes);
  auto reader = GroupReader::Open(bytes);
  ASSERT_TRUE(reader.ok());
  std::vector<float> back(numbers.size());
  ASSERT_TRUE(reader->Read(models, 16, kCentre, 500, back.data()).ok());
  EXPECT_TRUE(reader->Finish().ok());
  for (size_t i = 0; i < numbers.size(); ++i) ASSERT_EQ(back[i], numbers[i]);
}

}  // namespace
}  // namespace weir::generate
