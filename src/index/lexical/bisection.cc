#include "index/lexical/bisection.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numeric>
#include <span>

#include "base/status.h"
#include "base/threads.h"

namespace weir::index {
namespace {

// Of a halving: rounds at most, and the share of its rows of which fewer must change for it to end.
constexpr int kRounds = 20;
constexpr size_t kFewSwaps = 1000;
constexpr size_t kLeastHalved = 32;  // rows; a quarter of a block
// Parts that are handed to threads whole; before there are so many, a part's rows are.
constexpr size_t kParts = 32;
constexpr int kUnit = 512;  // of gains: 1/512 bit, so that h of 2^32 rows fits 16 bits
constexpr int kThreshold = 100;  // times the round, from 1: what a pair must gain

// h(d) of the formulas.
class Bits {
 public:
  Bits() {
    const auto f = [](double d) { return d * std::log2(d + 1); };
    for (size_t d = 1; d < kExact; ++d) exact_[d] = Round(f(double(d)) - f(double(d) - 1));
    for (size_t m = 0; m < kExact; ++m)
      logarithm_[m] = Round(std::log2(1 + static_cast<double>(m) / kExact));
  }
  int16_t operator()(uint32_t d) const {
    if (d < kExact) return exact_[d];
    // log2(d) + log2(e), less than 1/4096 off
    const int whole = std::bit_width(d) - 1;
    const uint32_t part = (d >> (whole - 12)) % kExact;
    return static_cast<int16_t>(whole * kUnit + logarithm_[part] + kLog2E);
  }

 private:
  static constexpr uint32_t kExact = 4096;
  static constexpr int kLog2E = 739;  // 1.4427 * kUnit
  static int16_t Round(double bits) { return static_cast<int16_t>(std::lround(bits * kUnit)); }
  std::array<int16_t, kExact> exact_{}, logarithm_{};
};

// What one thread needs for one part.
struct Scratch {
  explicit Scratch(uint32_t term_count) {
    for (int side : {0, 1}) {
      counts[side].resize(term_count);
      gains[side].resize(term_count);
    }
  }
  std::array<std::vector<uint32_t>, 2> counts;  // of each term in each half
  std::array<std::vector<int16_t>, 2> gains;    // of leaving a half, by term
  std::vector<uint32_t> terms;                  // of the part
  std::vector<uint64_t> keys, selected;
};

struct Part {
  size_t begin, end;
};

class Bisection {
 public:
  Bisection(const ForwardIndex& forward, const Context& context)
      : forward_(forward), context_(context), order_(forward.starts.size() - 1) {
    std::iota(order_.begin(), order_.end(), 0u);
  }

  absl::StatusOr<std::vector<uint32_t>> Run() {
    const int workers = context_.threads == nullptr ? 1 : context_.threads->count();
    std::vector<Scratch> scratch(static_cast<size_t>(workers), Scratch(forward_.term_count));
    std::vector<Part> parts = {{0, order_.size()}};
    while (parts.size() < kParts && order_.size() / parts.size() > kLeastHalved) {
      std::vector<Part> halves;
      for (const Part& part : parts) {
        Halve(part, context_.threads, scratch[0]);
        const size_t middle = Middle(part);
        halves.push_back({part.begin, middle});
        halves.push_back({middle, part.end});
      }
      parts = std::move(halves);
    }
    ParallelShare(context_.threads, parts.size(), 1, [&](size_t begin, size_t end, int worker) {
      for (size_t i = begin; i < end; ++i)
        Descend(parts[i], scratch[static_cast<size_t>(worker)]);
    });
    WEIR_RETURN_IF_ERROR(context_.CheckCancelled());
    return std::move(order_);
  }

 private:
  static size_t Middle(const Part& part) { return part.begin + (part.end - part.begin) / 2; }

  std::span<const uint32_t> Terms(uint32_t row) const {
    return std::span(forward_.terms)
        .subspan(forward_.starts[row], forward_.starts[row + 1] - forward_.starts[row]);
  }

  void Descend(const Part& part, Scratch& scratch) {
    if (part.end - part.begin <= kLeastHalved) {
      std::sort(order_.begin() + static_cast<ptrdiff_t>(part.begin),
                order_.begin() + static_cast<ptrdiff_t>(part.end));
      return;
    }
    if (!context_.CheckCancelled().ok()) return;
    Halve(part, nullptr, scratch);
    const size_t middle = Middle(part);
    Descend({part.begin, middle}, scratch);
    Descend({middle, part.end}, scratch);
  }

  void Halve(const Part& part, Threads* threads, Scratch& scratch) {
    const size_t middle = Middle(part);
    scratch.terms.clear();
    for (size_t place = part.begin; place < part.end; ++place) {
      for (const uint32_t term : Terms(order_[place])) {
        if (scratch.counts[0][term] + scratch.counts[1][term] == 0) scratch.terms.push_back(term);
        ++scratch.counts[place >= middle][term];
      }
    }
    for (int round = 0; round < kRounds && context_.CheckCancelled().ok(); ++round) {
      for (const uint32_t term : scratch.terms) {
        const uint32_t left = scratch.counts[0][term], right = scratch.counts[1][term];
        scratch.gains[0][term] = static_cast<int16_t>(bits_(right + 1) - bits_(left));
        scratch.gains[1][term] = static_cast<int16_t>(bits_(left + 1) - bits_(right));
      }
      FillKeys(part, threads, kThreshold * (round + 1), scratch);
      const size_t swapped = Swap(part, scratch);
      if (swapped == 0 || swapped * kFewSwaps < part.end - part.begin) break;
    }
    for (const uint32_t term : scratch.terms) scratch.counts[0][term] = scratch.counts[1][term] = 0;
  }

  // A key for each place of the part: the higher, the more its row belongs into the right half; of
  // equal ones each stays. `threshold`: what a change must gain.
  void FillKeys(const Part& part, Threads* threads, int threshold, Scratch& scratch) {
    const size_t middle = Middle(part);
    scratch.keys.resize(part.end - part.begin);
    ParallelFor(threads, scratch.keys.size(), 64, [&](size_t begin, size_t end, int) {
      for (size_t i = begin; i < end; ++i) {
        const int right = part.begin + i >= middle;
        const int16_t* gains = scratch.gains[right].data();
        int64_t gain = 0;
        for (const uint32_t term : Terms(order_[part.begin + i])) gain += gains[term];
        constexpr int64_t kMost = int64_t{1} << 30;
        gain = std::clamp(right == 0 ? gain : threshold - gain, -kMost, kMost);
        scratch.keys[i] = static_cast<uint64_t>(gain + kMost) << 32 | i;
      }
    });
  }

  // How many pairs changed sides.
  size_t Swap(const Part& part, Scratch& scratch) {
    const size_t half = Middle(part) - part.begin;
    scratch.selected = scratch.keys;
    const auto middle = scratch.selected.begin() + static_cast<ptrdiff_t>(half);
    std::nth_element(scratch.selected.begin(), middle, scratch.selected.end());
    const uint64_t least = *middle;  // of the right half
    size_t swapped = 0, other = half;
    for (size_t i = 0; i < half; ++i) {
      if (scratch.keys[i] < least) continue;
      while (scratch.keys[other] >= least) ++other;
      uint32_t& left = order_[part.begin + i];
      uint32_t& right = order_[part.begin + other++];
      for (const uint32_t term : Terms(left)) --scratch.counts[0][term], ++scratch.counts[1][term];
      for (const uint32_t term : Terms(right)) ++scratch.counts[0][term], --scratch.counts[1][term];
      std::swap(left, right);
      ++swapped;
    }
    return swapped;
  }

  const ForwardIndex& forward_;
  const Context& context_;
  const Bits bits_;
  std::vector<uint32_t> order_;
};

}  // namespace

absl::StatusOr<std::vector<uint32_t>> BisectRows(const ForwardIndex& forward,
                                                 const Context& context) {
  if (forward.starts.size() < 2) return std::vector<uint32_t>();
  return Bisection(forward, context).Run();
}

}  // namespace weir::index
