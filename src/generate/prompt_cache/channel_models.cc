#include "generate/prompt_cache/channel_models.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "absl/strings/str_cat.h"

namespace weir::generate {
namespace {

constexpr int kRounds = 8;  // of Lloyd's iteration; more gain below 0.1% (measured)
constexpr size_t kMaxModels = 256;

// Counts to frequencies that sum to 4,096: rounded; symbols too rare for one go to the escape,
// which has at least 1; what is missing or too much is set right at the largest.
void Normalise(std::span<const double> counts, uint16_t* out) {
  const double total = std::accumulate(counts.begin(), counts.end(), 0.0);
  const size_t escape = counts.size() - 1;
  int64_t sum = 0;
  double rare = counts[escape];
  for (size_t s = 0; s < escape; ++s) {
    out[s] = static_cast<uint16_t>(std::lround(counts[s] / total * tensor::kRansTotal));
    if (out[s] == 0) rare += counts[s];
    sum += out[s];
  }
  out[escape] = static_cast<uint16_t>(
      std::max<int64_t>(1, std::lround(rare / total * tensor::kRansTotal)));
  sum += out[escape];
  while (sum != tensor::kRansTotal) {
    auto* most = std::max_element(out, out + counts.size());
    const int64_t step = std::clamp<int64_t>(tensor::kRansTotal - sum, 1 - int64_t{*most}, 4096);
    *most = static_cast<uint16_t>(*most + step);
    sum += step;
  }
}

// Lloyd's iteration over the histograms, of which only symbols that occur are kept.
class Clusters {
 public:
  Clusters(size_t symbols, std::span<const uint32_t> counts, std::span<const size_t> channels,
           int most)
      : symbols_(symbols), count_(std::min<size_t>(most, channels.size())), of_(channels.size()) {
    std::vector<double> entropy;
    starts_.push_back(0);
    for (size_t channel : channels) {
      double total = 0, bits = 0;
      const auto row = counts.subspan(channel * symbols, symbols);
      for (uint32_t n : row) total += n;
      for (size_t s = 0; s < symbols; ++s) {
        if (row[s] == 0) continue;
        seen_.push_back({static_cast<uint32_t>(s), static_cast<float>(row[s])});
        bits -= row[s] / total * std::log2(row[s] / total);
      }
      starts_.push_back(seen_.size());
      entropy.push_back(bits);
    }
    // Start: channels in the order of their entropy, in equal parts.
    std::vector<size_t> order(channels.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return entropy[a] < entropy[b]; });
    for (size_t i = 0; i < order.size(); ++i) of_[order[i]] = i * count_ / order.size();
  }

  void Run(Threads* threads) {
    for (int round = 0; round < kRounds; ++round) {
      Means();
      std::vector<size_t> next(of_.size());
      ParallelFor(threads, of_.size(), 1, [&](size_t begin, size_t end, int) {
        for (size_t i = begin; i < end; ++i) next[i] = Nearest(i);
      });
      if (next == of_) return;
      of_ = std::move(next);
    }
    Means();
  }

  size_t count() const { return count_; }
  size_t of(size_t i) const { return of_[i]; }
  std::span<const double> mean(size_t k) const { return {&means_[k * symbols_], symbols_}; }
  bool used(size_t k) const { return weight_[k] > 0; }

 private:
  struct Seen {
    uint32_t symbol;
    float count;
  };
  std::span<const Seen> Row(size_t i) const {
    return std::span(seen_).subspan(starts_[i], starts_[i + 1] - starts_[i]);
  }

  void Means() {
    means_.assign(count_ * symbols_, 0.0);
    weight_.assign(count_, 0.0);
    for (size_t i = 0; i < of_.size(); ++i) {
      for (const Seen& s : Row(i)) {
        means_[of_[i] * symbols_ + s.symbol] += s.count;
        weight_[of_[i]] += s.count;
      }
    }
    // In bits; a symbol that a cluster has never seen costs what an escape does, about.
    costs_.resize(means_.size());
    for (size_t at = 0; at < means_.size(); ++at) {
      const double weight = weight_[at / symbols_];
      const double p = weight > 0 ? means_[at] / weight : 0;
      costs_[at] = static_cast<float>(-std::log2(std::max(p, 1.0 / (1 << 20))));
    }
  }

  size_t Nearest(size_t i) const {
    const auto row = Row(i);
    size_t best = of_[i];
    float least = Cost(row, best);
    for (size_t k = 0; k < count_; ++k) {
      if (!used(k)) continue;
      const float cost = Cost(row, k);
      if (cost < least) best = k, least = cost;
    }
    return best;
  }
  float Cost(std::span<const Seen> row, size_t k) const {
    const float* costs = &costs_[k * symbols_];
    float sum = 0;
    for (const Seen& s : row) sum += s.count * costs[s.symbol];
    return sum;
  }

  size_t symbols_, count_;
  std::vector<size_t> of_;
  std::vector<Seen> seen_;  // channel after channel
  std::vector<size_t> starts_;
  std::vector<double> means_, weight_;
  std::vector<float> costs_;
};

}  // namespace

ChannelModels ChannelModels::Fit(int symbol_bits, std::span<const uint32_t> counts, int most,
                                 uint8_t quiet, Threads* threads) {
  const size_t symbols = size_t{1} << symbol_bits, channels = counts.size() / symbols;
  std::vector<size_t> loud;
  for (size_t c = 0; c < channels; ++c) {
    const auto row = counts.subspan(c * symbols, symbols);
    if (std::any_of(row.begin(), row.end(), [](uint32_t n) { return n > 0; })) loud.push_back(c);
  }
  ChannelModels m;
  m.of_channel_.assign(channels, 0);
  // Distribution 0 is the quiet one.
  std::vector<uint16_t> frequencies(symbols, 0);
  frequencies[quiet] = tensor::kRansTotal - 1;
  frequencies[symbols - 1] += 1;
  if (!loud.empty()) {
    Clusters clusters(symbols, counts, loud, std::min<int>(most, kMaxModels - 1));
    clusters.Run(threads);
    std::vector<uint16_t> number(clusters.count(), 0);
    for (size_t k = 0; k < clusters.count(); ++k) {
      if (!clusters.used(k)) continue;
      number[k] = static_cast<uint16_t>(frequencies.size() / symbols);
      frequencies.resize(frequencies.size() + symbols);
      Normalise(clusters.mean(k), &frequencies[frequencies.size() - symbols]);
    }
    for (size_t i = 0; i < loud.size(); ++i) m.of_channel_[loud[i]] = number[clusters.of(i)];
  }
  m.tables_ = *tensor::RansTables::Make(symbol_bits, frequencies);  // sums are right by making
  return m;
}

void ChannelModels::AppendTo(std::string& out) const {
  AppendNumber(out, static_cast<uint16_t>(tables_.count()));
  AppendNumbers(out, tables_.frequencies());
  for (uint16_t model : of_channel_) AppendNumber(out, static_cast<uint8_t>(model));
}

absl::StatusOr<ChannelModels> ChannelModels::Read(PackedReader& reader, int symbol_bits,
                                                  size_t channels) {
  uint16_t count = 0;
  std::vector<uint16_t> frequencies;
  std::vector<uint8_t> of_channel;
  const size_t symbols = size_t{1} << symbol_bits;
  if (!reader.Number(count) || count == 0 || count > kMaxModels ||
      !reader.Numbers(count * symbols, frequencies) || !reader.Numbers(channels, of_channel)) {
    return absl::DataLossError("codec tables: the distributions are cut or have a wrong count");
  }
  for (size_t k = 0; k < count; ++k) {
    if (frequencies[k * symbols + symbols - 1] == 0) {
      return absl::DataLossError(absl::StrCat("codec tables: distribution ", k, " has no escape"));
    }
  }
  ChannelModels m;
  auto tables = tensor::RansTables::Make(symbol_bits, frequencies);
  if (!tables.ok()) return absl::DataLossError(tables.status().message());
  m.tables_ = *std::move(tables);
  for (size_t c = 0; c < channels; ++c) {
    if (of_channel[c] >= count) {
      return absl::DataLossError(absl::StrCat("codec tables: channel ", c, " has distribution ",
                                              of_channel[c], " of ", count));
    }
    m.of_channel_.push_back(of_channel[c]);
  }
  return m;
}

}  // namespace weir::generate
