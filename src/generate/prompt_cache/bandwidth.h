// What a link gives over time: piecewise constant, the last piece goes on for ever.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace weir::generate {

struct BandwidthTrace {
  double step_s = 0.1;
  std::vector<double> bytes_per_s = {};  // empty: no limit

  bool unlimited() const { return bytes_per_s.empty(); }
  // Bytes that pass in [from, to) seconds.
  double Bytes(double from_s, double to_s) const;
  // When `bytes` that begin at `from` have passed; infinity if never.
  double Arrival(double bytes, double from_s) const;

  // "100,50,0": Mbit/s for a step each. kInvalidArgument names the item.
  static absl::StatusOr<BandwidthTrace> Parse(std::string_view text, double step_s);
  // A walk in the logarithm between 0.1 and 10 Gbit/s, as those that the paper's authors draw, with
  // outages of up to a second; times `scale`. Same seed, same trace.
  static BandwidthTrace Random(uint64_t seed, double seconds, double scale);
};

}  // namespace weir::generate
