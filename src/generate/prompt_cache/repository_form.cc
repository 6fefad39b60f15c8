// The form of the authors' repository (LMCache serde): a token's numbers are its values in units of
// its largest magnitude, in a few bins; no differences, no steps.
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "generate/prompt_cache/cachegen.h"
#include "generate/prompt_cache/channel_models.h"
#include "generate/prompt_cache/codec_samples.h"
#include "tensor/dtype.h"

namespace weir::generate {
namespace {

constexpr int kModels = 64;
constexpr int kMaxTop = 4096;  // bins to one side

class RepositoryCodec : public CodecFrame {
 public:
  RepositoryCodec(const KvCodecShape& shape, bool per_head)
      : CodecFrame(CodecForm::kRepository, shape), per_head(per_head) {}

  bool per_head;
  std::vector<float> mean;                         // [parts][padded]
  std::array<std::vector<uint16_t>, kCodecLevels> top;  // [parts] A; empty: no such level
  std::array<ChannelModels, kCodecLevels> models;

  int heads() const { return per_head ? shape().kv_heads : 1; }
  int head_width() const { return shape().width() / heads(); }

  // Largest magnitudes [tokens][heads] in half precision, as the decoder sees them.
  std::vector<uint16_t> Peaks(size_t part, int tokens, const float* x) const {
    const float* centre = &mean[part * PaddedWidth(shape())];
    std::vector<uint16_t> peaks;
    for (int t = 0; t < tokens; ++t) {
      for (int h = 0; h < heads(); ++h) {
        float peak = 0;
        for (int i = 0; i < head_width(); ++i) {
          const int c = h * head_width() + i;
          peak = std::max(peak, std::fabs(x[t * shape().width() + c] - centre[c]));
        }
        peaks.push_back(tensor::FloatToHalf(std::min(peak, 65504.0f)));
      }
    }
    return peaks;
  }

  // Numbers [tokens][16] of sixteen channels; a token of zeros is all 0.
  std::vector<int32_t> Numbers(int level, size_t part, size_t first, int tokens, const float* x,
                               std::span<const uint16_t> peaks) const {
    const float a = top[level - 1][part];
    std::vector<int32_t> numbers(static_cast<size_t>(tokens) * kLanes, 0);
    for (int t = 0; t < tokens; ++t) {
      for (int i = 0; i < RealLanes(first); ++i) {
        const size_t c = first + i;
        const float peak = tensor::HalfToFloat(peaks[t * heads() + c / head_width()]);
        if (peak == 0) continue;
        const float value = x[t * shape().width() + c] - mean[part * PaddedWidth(shape()) + c];
        numbers[t * kLanes + i] =
            static_cast<int32_t>(std::nearbyint(std::clamp(value * a / peak, -a, a)));
      }
    }
    return numbers;
  }

  int RealLanes(size_t first) const {
    return static_cast<int>(std::min<size_t>(kLanes, shape().width() - first));
  }

 protected:
  bool HasLevel(int level) const override { return !top[level - 1].empty(); }

  std::string EncodePart(int level, size_t part, int tokens, const float* x) const override {
    const std::vector<uint16_t> peaks = Peaks(part, tokens, x);
    std::string out;
    AppendNumbers(out, std::span<const uint16_t>(peaks));
    GroupWriter writer;
    const size_t padded = PaddedWidth(shape());
    for (size_t first = 0; first < padded; first += kLanes) {
      writer.Add(models[level - 1], part * padded + first, kCentre,
                 Numbers(level, part, first, tokens, x, peaks));
    }
    writer.AppendTo(out);
    return out;
  }

  absl::Status DecodePart(int level, size_t part, int tokens, std::string_view bytes,
                          float* x) const override {
    PackedReader packed(bytes);
    std::vector<uint16_t> peaks;
    if (!packed.Numbers(static_cast<size_t>(tokens) * heads(), peaks)) {
      return absl::DataLossError("codec chunk: its magnitudes are cut");
    }
    WEIR_ASSIGN_OR_RETURN(GroupReader reader, GroupReader::Open(packed.rest()));
    const size_t padded = PaddedWidth(shape());
    const float a = top[level - 1][part];
    float rows[kCodecTokens * kLanes];
    for (size_t first = 0; first < padded; first += kLanes) {
      WEIR_RETURN_IF_ERROR(
          reader.Read(models[level - 1], part * padded + first, kCentre, tokens, rows));
      for (int t = 0; t < tokens; ++t) {
        for (int i = 0; i < RealLanes(first); ++i) {
          const size_t c = first + i;
          const float peak = tensor::HalfToFloat(peaks[t * heads() + c / head_width()]);
          x[t * shape().width() + c] = mean[part * padded + c] + rows[t * kLanes + i] / a * peak;
        }
      }
    }
    return reader.Finish();
  }

  void SaveTables(int level, std::string& out) const override {
    AppendNumber(out, static_cast<uint32_t>(per_head ? 1 : 0));
    for (float m : mean) AppendNumber(out, tensor::FloatToHalf(m));
    for (int l = 1; l <= kCodecLevels; ++l) {
      if (!HasLevel(l) || (level != 0 && level != l)) continue;
      AppendNumbers(out, std::span<const uint16_t>(top[l - 1]));
      models[l - 1].AppendTo(out);
    }
  }
};

class RepositoryFit : public KvCodecFit {
 public:
  explicit RepositoryFit(const RepositoryBins& bins) : bins_(bins) {}
  absl::Status Begin(const KvCodecShape& shape) override { return samples_.Begin(shape); }
  absl::Status Add(int tokens, const float* k, const float* v) override {
    return samples_.Add(tokens, k, v);
  }

  absl::StatusOr<std::shared_ptr<const KvCodec>> Finish(Threads* threads) override {
    if (samples_.tokens() == 0) return absl::InvalidArgumentError("KV codec fit: no samples");
    const KvCodecShape& shape = samples_.shape();
    const size_t parts = 2 * static_cast<size_t>(shape.layers), padded = PaddedWidth(shape);
    auto codec = std::make_shared<RepositoryCodec>(shape, bins_.per_head);
    codec->mean.assign(parts * padded, 0.0f);
    if (bins_.centred) {
      for (size_t part = 0; part < parts; ++part) Centre(part, &codec->mean[part * padded]);
    }
    for (int level = 1; level <= kCodecLevels; ++level) {
      for (size_t part = 0; part < parts; ++part) {
        codec->top[level - 1].push_back(Top(level, part));
      }
      std::vector<uint32_t> counts(parts * padded << kSymbolBits);
      ParallelFor(threads, parts, 1, [&](size_t begin, size_t end, int) {
        for (size_t part = begin; part < end; ++part) {
          Count(*codec, level, part, &counts[part * padded << kSymbolBits]);
        }
      });
      codec->models[level - 1] =
          ChannelModels::Fit(kSymbolBits, counts, kModels, kCentre, threads);
    }
    return std::shared_ptr<const KvCodec>(std::move(codec));
  }

 private:
  uint16_t Top(int level, size_t part) const {
    const size_t layer = part / 2, layers = samples_.shape().layers;
    // The repository's layers 0-9, 10-19, 20-31 (keys) and 0-1 (values) of 32.
    const size_t at = layer * 32 / layers;
    const int bins = part % 2 == 0 ? bins_.key[level - 1][at < 10 ? 0 : at < 20 ? 1 : 2]
                                   : bins_.value[level - 1][at < 2 ? 0 : 1];
    const double top = std::lround((bins / 2 - 1) * bins_.scale);
    return static_cast<uint16_t>(std::clamp<double>(top, 1, kMaxTop));
  }

  void Centre(size_t part, float* mean) const {
    const size_t width = samples_.shape().width();
    for (size_t c = 0; c < width; ++c) {
      double sum = 0;
      for (size_t chunk = 0; chunk < samples_.chunks(); ++chunk) {
        const float* x = samples_.Part(chunk, part) + c;
        for (int t = 0; t < samples_.chunk_tokens(chunk); ++t) sum += x[t * width];
      }
      mean[c] = tensor::HalfToFloat(
          tensor::FloatToHalf(static_cast<float>(sum / static_cast<double>(samples_.tokens()))));
    }
  }

  void Count(const RepositoryCodec& codec, int level, size_t part, uint32_t* counts) const {
    for (size_t chunk = 0; chunk < samples_.chunks(); ++chunk) {
      const float* x = samples_.Part(chunk, part);
      const int tokens = samples_.chunk_tokens(chunk);
      const std::vector<uint16_t> peaks = codec.Peaks(part, tokens, x);
      for (size_t first = 0; first < PaddedWidth(samples_.shape()); first += kLanes) {
        const auto numbers = codec.Numbers(level, part, first, tokens, x, peaks);
        for (size_t i = 0; i < numbers.size(); ++i) {
          if (static_cast<int>(i % kLanes) >= codec.RealLanes(first)) continue;
          const int symbol = numbers[i] + kCentre;
          ++counts[((first + i % kLanes) << kSymbolBits) +
                   (symbol < 0 || symbol > kEscape ? kEscape : symbol)];
        }
      }
    }
  }

  RepositoryBins bins_;
  CodecSamples samples_;
};

}  // namespace

std::unique_ptr<KvCodecFit> MakeRepositoryFit(const RepositoryBins& bins) {
  return std::make_unique<RepositoryFit>(bins);
}

absl::StatusOr<std::shared_ptr<const KvCodec>> LoadRepositoryCodec(const KvCodecShape& shape,
                                                                   uint32_t levels,
                                                                   PackedReader& reader) {
  const size_t parts = 2 * static_cast<size_t>(shape.layers), padded = PaddedWidth(shape);
  uint32_t per_head = 0;
  std::vector<uint16_t> halves;
  if (!reader.Number(per_head) || per_head > 1 || !reader.Numbers(parts * padded, halves)) {
    return absl::DataLossError("codec tables: the channels are cut");
  }
  auto codec = std::make_shared<RepositoryCodec>(shape, per_head == 1);
  for (uint16_t half : halves) {
    codec->mean.push_back(tensor::HalfToFloat(half));
    if (!std::isfinite(codec->mean.back())) {
      return absl::DataLossError("codec tables: a mean is not finite");
    }
  }
  for (int l = 1; l <= kCodecLevels; ++l) {
    if ((levels >> l & 1) == 0) continue;
    if (!reader.Numbers(parts, codec->top[l - 1])) {
      return absl::DataLossError("codec tables: the bins are cut");
    }
    for (uint16_t top : codec->top[l - 1]) {
      if (top < 1 || top > kMaxTop) {
        return absl::DataLossError(absl::StrCat("codec tables: ", top, " bins to a side"));
      }
    }
    WEIR_ASSIGN_OR_RETURN(codec->models[l - 1],
                          ChannelModels::Read(reader, kSymbolBits, parts * padded));
  }
  return std::shared_ptr<const KvCodec>(std::move(codec));
}

}  // namespace weir::generate
