// Symbol distributions of many channels, few enough to be stored: channels whose histograms are
// alike share one (k-means in relative entropy). A channel knows the number of its distribution.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/threads.h"
#include "generate/prompt_cache/packed_bytes.h"
#include "tensor/rans.h"

namespace weir::generate {

class ChannelModels {
 public:
  ChannelModels() = default;
  // counts: [channels][2^symbol_bits]. The last symbol is the escape: every distribution can code
  // it, and a symbol too rare for a frequency of its own must be coded by it. A channel without
  // counts is certain of `quiet`. Deterministic for any number of threads.
  static ChannelModels Fit(int symbol_bits, std::span<const uint32_t> counts, int most,
                           uint8_t quiet, Threads* threads);

  const tensor::RansTables& tables() const { return tables_; }
  const uint16_t* Lanes(size_t channel) const { return &of_channel_[channel]; }
  bool CanCode(size_t channel, uint8_t symbol) const {
    return tables_.frequencies()[(size_t{of_channel_[channel]} << tables_.symbol_bits()) + symbol] >
           0;
  }
  bool empty() const { return of_channel_.empty(); }

  void AppendTo(std::string& out) const;
  // kDataLoss unless there are `channels` channels whose distributions exist, sum to 4,096 and can
  // code the escape.
  static absl::StatusOr<ChannelModels> Read(PackedReader& reader, int symbol_bits, size_t channels);

 private:
  tensor::RansTables tables_;
  std::vector<uint16_t> of_channel_;
};

}  // namespace weir::generate
