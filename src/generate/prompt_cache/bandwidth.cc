#include "generate/prompt_cache/bandwidth.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "generate/sample/random.h"

namespace weir::generate {
namespace {

constexpr double kBitsPerMegabit = 1e6;
constexpr double kLow = 0.1e9 / 8, kHigh = 10e9 / 8;  // bytes a second
constexpr double kOutage = 0.01;                      // chance that one begins in a step
constexpr int kOutageSteps = 10;                      // at most
constexpr size_t kMaxSteps = 100000;

}  // namespace

double BandwidthTrace::Bytes(double from_s, double to_s) const {
  double sum = 0, at = from_s;
  for (size_t i = static_cast<size_t>(from_s / step_s); at < to_s; ++i) {
    const bool last = i + 1 >= bytes_per_s.size();
    const double end = last ? to_s : std::min(to_s, (i + 1) * step_s);
    if (end > at) sum += (end - at) * (last ? bytes_per_s.back() : bytes_per_s[i]);
    at = std::max(at, end);
  }
  return sum;
}

double BandwidthTrace::Arrival(double bytes, double from_s) const {
  if (unlimited()) return from_s;
  double at = from_s;
  for (size_t i = static_cast<size_t>(from_s / step_s); bytes > 0; ++i) {
    const bool last = i + 1 >= bytes_per_s.size();
    const double rate = last ? bytes_per_s.back() : bytes_per_s[i];
    if (last) return rate > 0 ? at + bytes / rate : std::numeric_limits<double>::infinity();
    const double end = (i + 1) * step_s;
    if (rate > 0 && bytes <= (end - at) * rate) return at + bytes / rate;
    bytes -= std::max(0.0, end - at) * rate;
    at = std::max(at, end);
  }
  return at;
}

absl::StatusOr<BandwidthTrace> BandwidthTrace::Parse(std::string_view text, double step_s) {
  BandwidthTrace trace{.step_s = step_s};
  if (text.empty()) return trace;
  for (std::string_view item : absl::StrSplit(text, ',')) {
    double megabits = 0;
    if (!absl::SimpleAtod(item, &megabits) || !(megabits >= 0 && megabits <= 1e7) ||
        trace.bytes_per_s.size() >= kMaxSteps) {
      return absl::InvalidArgumentError(absl::StrCat(
          "bandwidth: \"", item, "\"; expected Mbit/s from 0 to 10000000, at most ", kMaxSteps,
          " of them, with commas between"));
    }
    trace.bytes_per_s.push_back(megabits * kBitsPerMegabit / 8);
  }
  return trace;
}

BandwidthTrace BandwidthTrace::Random(uint64_t seed, double seconds, double scale) {
  BandwidthTrace trace;
  const auto steps = static_cast<size_t>(std::ceil(seconds / trace.step_s));
  double level = UniformAt(seed, 0);  // of the logarithm's range
  int outage = 0;
  for (size_t i = 0; i < steps; ++i) {
    level += 0.3 * (UniformAt(seed, 3 * i + 1) - 0.5);
    level = level < 0 ? -level : level > 1 ? 2 - level : level;
    if (outage == 0 && UniformAt(seed, 3 * i + 2) < kOutage) {
      outage = 1 + static_cast<int>(UniformAt(seed, 3 * i + 3) * kOutageSteps);
    }
    const double rate = kLow * std::pow(kHigh / kLow, level);
    trace.bytes_per_s.push_back(outage > 0 ? 0 : rate * scale);
    outage = std::max(0, outage - 1);
  }
  return trace;
}

}  // namespace weir::generate
