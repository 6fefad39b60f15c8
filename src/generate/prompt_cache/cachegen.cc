// The delta form. The encoder follows the decoder: differences are taken to what the decoder has.
#include "generate/prompt_cache/cachegen.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "generate/prompt_cache/channel_models.h"
#include "generate/prompt_cache/codec_samples.h"
#include "tensor/dtype.h"

namespace weir::generate {
namespace {

constexpr int kModels = 64;        // distributions of differences
constexpr int kAnchorModels = 24;  // of anchors, which have four times as many symbols
constexpr int kAnchorBits = 8, kAnchorCentre = 127;
constexpr int kMaxGroup = 256;
constexpr float kRhoSteps = 255.0f;
constexpr double kLeastStep = 1.0 / 2048;  // of the largest value of a part

// What the codec knows of every channel, padded; [parts][padded width] each.
struct ChannelTables {
  std::vector<float> mean, rho, step;
};

// Level 3 has so fine steps that its numbers need the symbols of a byte.
constexpr int SymbolBits(int level) { return level < 3 ? kSymbolBits : kAnchorBits; }
constexpr int CentreOf(int level) { return (1 << (SymbolBits(level) - 1)) - 1; }

struct LevelTables {
  float scale = 0;         // of all steps; 0: no such level
  float anchor_scale = 0;  // of the steps of anchors
  ChannelModels differences, anchors;
};

float Rounded(float x) { return tensor::HalfToFloat(tensor::FloatToHalf(x)); }

// Sixteen channels of a part at a level.
struct Lanes {
  float mean[kLanes], rho[kLanes], step[kLanes], anchor_step[kLanes];

  Lanes(const ChannelTables& t, const LevelTables& level, size_t first) {
    for (int i = 0; i < kLanes; ++i) {
      mean[i] = t.mean[first + i];
      rho[i] = t.rho[first + i];
      step[i] = t.step[first + i] * level.scale;
      anchor_step[i] = t.step[first + i] * level.anchor_scale;
    }
  }
  void Predict(const float* reference, float* prediction) const {
    for (int i = 0; i < kLanes; ++i)
      prediction[i] = mean[i] + rho[i] * (reference[i] - mean[i]);
  }
};

// Whole numbers of all tokens, anchors apart, with the reconstruction in step with the decoder's.
class Quantiser {
 public:
  Quantiser(int group, bool chain, const Lanes& lanes)
      : group_(group), chain_(chain), lanes_(lanes) {}
  std::vector<int32_t> anchors, differences;  // [n][16]

  // x: the first of the sixteen channels, `channels` of them real.
  void Run(int tokens, const float* x, size_t stride, int channels) {
    float reference[kLanes], prediction[kLanes], row[kLanes];
    std::copy_n(lanes_.mean, kLanes, reference);
    std::copy_n(lanes_.mean, kLanes, prediction);
    for (int t = 0; t < tokens; ++t) {
      std::copy_n(lanes_.mean, kLanes, row);
      std::copy_n(x + static_cast<size_t>(t) * stride, channels, row);
      if (t % group_ == 0) {
        Take(row, lanes_.mean, lanes_.anchor_step, reference, anchors);
        lanes_.Predict(reference, prediction);
        continue;
      }
      float rebuilt[kLanes];
      Take(row, prediction, lanes_.step, rebuilt, differences);
      if (chain_) lanes_.Predict(rebuilt, prediction);
    }
  }

 private:
  static void Take(const float* row, const float* prediction, const float* step, float* rebuilt,
                   std::vector<int32_t>& out) {
    for (int i = 0; i < kLanes; ++i) {
      const float wanted = (row[i] - prediction[i]) / step[i];
      const float number = std::nearbyint(std::clamp(wanted, -32767.0f, 32767.0f));
      rebuilt[i] = prediction[i] + number * step[i];
      out.push_back(static_cast<int32_t>(number));
    }
  }

  int group_;
  bool chain_;
  const Lanes& lanes_;
};

class DeltaCodec : public CodecFrame {
 public:
  DeltaCodec(const KvCodecShape& shape, int group, bool chain)
      : CodecFrame(CodecForm::kDelta, shape), group(group), chain(chain) {}

  ChannelTables channels;
  std::array<LevelTables, kCodecLevels> levels;
  int group;
  bool chain;

 protected:
  bool HasLevel(int level) const override { return levels[level - 1].scale > 0; }

  std::string EncodePart(int level, size_t part, int tokens, const float* x) const override {
    const size_t padded = PaddedWidth(shape());
    const LevelTables& tables = levels[level - 1];
    GroupWriter writer;
    for (size_t first = 0; first < padded; first += kLanes) {
      const size_t channel = part * padded + first;
      const Lanes lanes(channels, tables, channel);
      Quantiser q(group, chain, lanes);
      q.Run(tokens, x + first, shape().width(), RealLanes(first));
      writer.Add(tables.anchors, channel, kAnchorCentre, q.anchors);
      writer.Add(tables.differences, channel, CentreOf(level), q.differences);
    }
    std::string out;
    writer.AppendTo(out);
    return out;
  }

  absl::Status DecodePart(int level, size_t part, int tokens, std::string_view bytes,
                          float* x) const override {
    const size_t padded = PaddedWidth(shape());
    const LevelTables& tables = levels[level - 1];
    WEIR_ASSIGN_OR_RETURN(GroupReader reader, GroupReader::Open(bytes));
    const size_t anchors = (tokens + group - 1) / group;
    float anchor_rows[kCodecTokens * kLanes], rows[kCodecTokens * kLanes];
    for (size_t first = 0; first < padded; first += kLanes) {
      const size_t channel = part * padded + first;
      WEIR_RETURN_IF_ERROR(
          reader.Read(tables.anchors, channel, kAnchorCentre, anchors, anchor_rows));
      WEIR_RETURN_IF_ERROR(
          reader.Read(tables.differences, channel, CentreOf(level), tokens - anchors, rows));
      Rebuild(Lanes(channels, tables, channel), tokens, anchor_rows, rows, x + first,
              RealLanes(first));
    }
    return reader.Finish();
  }

  void SaveTables(int level, std::string& out) const override;

 private:
  int RealLanes(size_t first) const {
    return static_cast<int>(std::min<size_t>(kLanes, shape().width() - first));
  }

  void Rebuild(const Lanes& lanes, int tokens, const float* anchors, const float* differences,
               float* x, int real) const {
    float reference[kLanes], prediction[kLanes], row[kLanes];
    std::copy_n(lanes.mean, kLanes, prediction);
    for (int t = 0; t < tokens; ++t, x += shape().width()) {
      if (t % group == 0) {
        for (int i = 0; i < kLanes; ++i)
          reference[i] = lanes.mean[i] + anchors[i] * lanes.anchor_step[i];
        anchors += kLanes;
        std::copy_n(reference, real, x);
        lanes.Predict(reference, prediction);
        continue;
      }
      for (int i = 0; i < kLanes; ++i) row[i] = prediction[i] + differences[i] * lanes.step[i];
      differences += kLanes;
      std::copy_n(row, real, x);
      if (chain) lanes.Predict(row, prediction);
    }
  }
};

void DeltaCodec::SaveTables(int level, std::string& out) const {
  AppendNumber(out, static_cast<uint16_t>(group));
  AppendNumber(out, static_cast<uint16_t>(chain ? 1 : 0));
  for (const auto* numbers : {&channels.mean, &channels.step}) {
    for (float x : *numbers) AppendNumber(out, tensor::FloatToHalf(x));
  }
  for (float rho : channels.rho) {
    AppendNumber(out, static_cast<uint8_t>(std::lround(rho * kRhoSteps)));
  }
  for (int l = 1; l <= kCodecLevels; ++l) {
    if (!HasLevel(l) || (level != 0 && level != l)) continue;
    AppendNumber(out, levels[l - 1].scale);
    AppendNumber(out, levels[l - 1].anchor_scale);
    levels[l - 1].differences.AppendTo(out);
    levels[l - 1].anchors.AppendTo(out);
  }
}

class DeltaFit : public KvCodecFit {
 public:
  explicit DeltaFit(const CacheGenSteps& steps) : steps_(steps) {}
  absl::Status Begin(const KvCodecShape& shape) override { return samples_.Begin(shape); }
  absl::Status Add(int tokens, const float* k, const float* v) override {
    return samples_.Add(tokens, k, v);
  }
  absl::StatusOr<std::shared_ptr<const KvCodec>> Finish(Threads* threads) override;

 private:
  void FitPart(size_t part, ChannelTables& t) const;
  void FitChannel(size_t part, int c, float& mean, float& rho, double& variance,
                  double& peak) const;
  void Count(const DeltaCodec& codec, int level, size_t part, uint32_t* differences,
             uint32_t* anchors) const;

  CacheGenSteps steps_;
  CodecSamples samples_;
};

// Mean, and how far the reference foretells a token: the least-squares slope, from pairs.
void DeltaFit::FitChannel(size_t part, int c, float& mean, float& rho, double& variance,
                          double& peak) const {
  const size_t width = samples_.shape().width();
  double n = 0, sum = 0, squares = 0;
  for (size_t chunk = 0; chunk < samples_.chunks(); ++chunk) {
    const float* x = samples_.Part(chunk, part) + c;
    for (int t = 0; t < samples_.chunk_tokens(chunk); ++t, x += width) {
      n += 1, sum += *x, squares += static_cast<double>(*x) * *x;
      peak = std::max(peak, std::fabs(double{*x}));
    }
  }
  const double m = sum / n;
  variance = std::max(0.0, squares / n - m * m);
  mean = steps_.predict ? Rounded(static_cast<float>(m)) : 0.0f;
  double pairs = 0, own = 0;
  for (size_t chunk = 0; chunk < samples_.chunks(); ++chunk) {
    const float* x = samples_.Part(chunk, part) + c;
    for (int t = 1; t < samples_.chunk_tokens(chunk); ++t) {
      const int reference = steps_.chain ? t - 1 : t / steps_.group * steps_.group;
      if (t % steps_.group == 0) continue;
      const double a = x[reference * width] - m, b = x[t * width] - m;
      pairs += a * b, own += a * a;
    }
  }
  rho = steps_.predict ? static_cast<float>(own > 0 ? std::clamp(pairs / own, 0.0, 1.0) : 0) : 1;
  rho = std::round(rho * kRhoSteps) / kRhoSteps;
}

void DeltaFit::FitPart(size_t part, ChannelTables& t) const {
  const KvCodecShape& shape = samples_.shape();
  const size_t first = part * PaddedWidth(shape), width = shape.width();
  std::vector<double> variance(width);
  double all = 0, peak = 0;
  for (size_t c = 0; c < width; ++c) {
    FitChannel(part, static_cast<int>(c), t.mean[first + c], t.rho[first + c], variance[c],
               peak);
    all += variance[c] / static_cast<double>(width);
  }
  const bool key = part % 2 == 0;
  const double third = steps_.depth[std::min<size_t>(2, part / 2 * 3 / shape.layers)];
  const double adaptation = key ? steps_.key_adaptation : steps_.value_adaptation;
  for (size_t c = 0; c < width; ++c) {
    const double spread = std::pow(std::max(variance[c], 1e-4 * all), adaptation / 2) *
                          std::pow(all, (1 - adaptation) / 2);
    const double step = spread * third * (key ? steps_.key : steps_.value);
    // Escaped numbers have 15 bits: no step is so fine that they do not reach the largest value.
    // The other limits are half precision's.
    const double least = std::max(6.2e-5, peak * kLeastStep);
    t.step[first + c] = Rounded(static_cast<float>(std::clamp(step, least, 3e4)));
  }
}

void DeltaFit::Count(const DeltaCodec& codec, int level, size_t part, uint32_t* differences,
                     uint32_t* anchors) const {
  const size_t padded = PaddedWidth(samples_.shape()), width = samples_.shape().width();
  const int bits = SymbolBits(level);
  const auto count = [](std::span<const int32_t> numbers, int centre, int bits, uint32_t* out) {
    const int escape = (1 << bits) - 1;
    for (size_t i = 0; i < numbers.size(); ++i) {
      const int symbol = numbers[i] + centre;
      ++out[(i % kLanes << bits) + (symbol < 0 || symbol > escape ? escape : symbol)];
    }
  };
  for (size_t first = 0; first < padded; first += kLanes) {
    const Lanes lanes(codec.channels, codec.levels[level - 1], part * padded + first);
    const int real = static_cast<int>(std::min<size_t>(kLanes, width - first));
    uint32_t* d = differences + (first << bits);
    uint32_t* a = anchors + (first << kAnchorBits);
    for (size_t chunk = 0; chunk < samples_.chunks(); ++chunk) {
      Quantiser q(codec.group, codec.chain, lanes);
      q.Run(samples_.chunk_tokens(chunk), samples_.Part(chunk, part) + first, width, real);
      count(q.differences, CentreOf(level), bits, d);
      count(q.anchors, kAnchorCentre, kAnchorBits, a);
    }
    // Lanes without a channel are certain of 0.
    std::fill(d + (size_t(real) << bits), d + (size_t{kLanes} << bits), 0);
    std::fill(a + (size_t(real) << kAnchorBits), a + (size_t{kLanes} << kAnchorBits), 0);
  }
}

absl::StatusOr<std::shared_ptr<const KvCodec>> DeltaFit::Finish(Threads* threads) {
  if (samples_.tokens() == 0) return absl::InvalidArgumentError("KV codec fit: no samples");
  const KvCodecShape& shape = samples_.shape();
  const size_t parts = 2 * static_cast<size_t>(shape.layers), padded = PaddedWidth(shape);
  auto codec = std::make_shared<DeltaCodec>(shape, steps_.group, steps_.chain);
  ChannelTables& t = codec->channels;
  t.mean.assign(parts * padded, 0.0f);
  t.rho.assign(parts * padded, 0.0f);
  t.step.assign(parts * padded, 1.0f);
  ParallelFor(threads, parts, 1, [&](size_t begin, size_t end, int) {
    for (size_t part = begin; part < end; ++part) FitPart(part, t);
  });
  for (int l = 1; l <= kCodecLevels; ++l) {
    if (steps_.level[l - 1] <= 0) continue;
    LevelTables& level = codec->levels[l - 1];
    level.scale = static_cast<float>(steps_.level[l - 1]);
    level.anchor_scale = static_cast<float>(steps_.level[l - 1] * steps_.anchor[l - 1]);
    const int bits = SymbolBits(l);
    std::vector<uint32_t> differences(parts * padded << bits);
    std::vector<uint32_t> anchors(parts * padded << kAnchorBits);
    ParallelFor(threads, parts, 1, [&](size_t begin, size_t end, int) {
      for (size_t part = begin; part < end; ++part) {
        Count(*codec, l, part, &differences[part * padded << bits],
              &anchors[part * padded << kAnchorBits]);
      }
    });
    level.differences = ChannelModels::Fit(bits, differences, kModels,
                                           static_cast<uint8_t>(CentreOf(l)), threads);
    level.anchors =
        ChannelModels::Fit(kAnchorBits, anchors, kAnchorModels, kAnchorCentre, threads);
  }
  return std::shared_ptr<const KvCodec>(std::move(codec));
}

bool ReadHalves(PackedReader& reader, size_t count, std::vector<float>& out) {
  std::vector<uint16_t> halves;
  if (!reader.Numbers(count, halves)) return false;
  out.resize(count);
  for (size_t i = 0; i < count; ++i) out[i] = tensor::HalfToFloat(halves[i]);
  return std::all_of(out.begin(), out.end(), [](float x) { return std::isfinite(x); });
}

}  // namespace

std::unique_ptr<KvCodecFit> MakeDeltaFit(const CacheGenSteps& steps) {
  return std::make_unique<DeltaFit>(steps);
}

absl::StatusOr<std::shared_ptr<const KvCodec>> LoadDeltaCodec(const KvCodecShape& shape,
                                                              uint32_t levels,
                                                              PackedReader& reader) {
  uint16_t group = 0, chain = 0;
  if (!reader.Number(group) || !reader.Number(chain) || group < 1 || group > kMaxGroup ||
      chain > 1) {
    return absl::DataLossError(absl::StrCat("codec tables: groups of ", group, " tokens"));
  }
  const size_t count = 2 * static_cast<size_t>(shape.layers) * PaddedWidth(shape);
  auto codec = std::make_shared<DeltaCodec>(shape, group, chain == 1);
  std::vector<uint8_t> rho;
  if (!ReadHalves(reader, count, codec->channels.mean) ||
      !ReadHalves(reader, count, codec->channels.step) || !reader.Numbers(count, rho)) {
    return absl::DataLossError("codec tables: the channels are cut or not finite");
  }
  for (uint8_t r : rho) codec->channels.rho.push_back(r / kRhoSteps);
  for (int l = 1; l <= kCodecLevels; ++l) {
    if ((levels >> l & 1) == 0) continue;
    LevelTables& level = codec->levels[l - 1];
    if (!reader.Number(level.scale) || !reader.Number(level.anchor_scale) ||
        !(level.scale > 0 && level.scale < 1e6f) ||
        !(level.anchor_scale > 0 && level.anchor_scale < 1e6f)) {
      return absl::DataLossError(absl::StrCat("codec tables: the steps of level ", l));
    }
    WEIR_ASSIGN_OR_RETURN(level.differences, ChannelModels::Read(reader, SymbolBits(l), count));
    WEIR_ASSIGN_OR_RETURN(level.anchors, ChannelModels::Read(reader, kAnchorBits, count));
  }
  return std::shared_ptr<const KvCodec>(std::move(codec));
}

void RegisterCachegen(Registry& registry) {
  registry.Add<KvCodecFit>(
      "cachegen", "Differences to a reference, steps that grow with depth.",
      [](const OptionTable&) -> absl::StatusOr<std::unique_ptr<KvCodecFit>> {
        return MakeDeltaFit({});
      });
  registry.Add<KvCodecFit>(
      "cachegen-repository", "The form of the authors' repository: no differences.",
      [](const OptionTable&) -> absl::StatusOr<std::unique_ptr<KvCodecFit>> {
        return MakeRepositoryFit({});
      });
}

}  // namespace weir::generate
