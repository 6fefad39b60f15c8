// Interleaved range asymmetric numeral systems (Duda 2013): an entropy coder whose sixteen states
// advance together, one for each of sixteen neighbouring channels, so that a vector register
// decodes sixteen symbols at a time (Giesen, Interleaved entropy coders, 2014).
//
// States are 32 bits in [2^16, 2^32) between symbols and take in 16 bits at a time; frequencies
// have 12 bits. A stream is 16 states (u32), then u16 words in the order in which decoding reads
// them; little-endian. Distributions are kept in alias form (Vose): a table of 2 * symbols words
// instead of one of 4,096, so that sixteen different ones fit a first-level cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace weir::tensor {

inline constexpr int kRansLanes = 16;
inline constexpr int kRansBits = 12;
inline constexpr uint32_t kRansTotal = 1u << kRansBits;
inline constexpr uint32_t kRansLow = 1u << 16;  // smallest state between symbols

struct KernelSet;
struct RansRun;

// Distributions over 2^symbol_bits symbols. Immutable, thread-safe.
class RansTables {
 public:
  RansTables() = default;
  // frequencies: [n][2^symbol_bits]; a symbol of frequency 0 cannot be coded. kInvalidArgument:
  // symbol_bits outside [2, 8], no or more than 65,536 rows, or a row that does not sum to 4,096.
  static absl::StatusOr<RansTables> Make(int symbol_bits, std::span<const uint16_t> frequencies);

  int count() const { return static_cast<int>(frequencies_.size() >> symbol_bits_); }
  int symbol_bits() const { return symbol_bits_; }
  std::span<const uint16_t> frequencies() const { return frequencies_; }  // as given

 private:
  friend class RansEncoder;
  friend class RansDecoder;
  int symbol_bits_ = 2;
  std::vector<uint16_t> frequencies_;
  // [n][symbols]: slots of a bucket below its divider are the bucket's first word, the others its
  // second.
  std::vector<uint32_t> dividers_;
  // [n][symbols][2]: symbol (8 bits) | frequency - 1 (12) | bias (12); slot + bias modulo 4,096 is
  // the slot's number within its symbol.
  std::vector<uint32_t> words_;
  std::vector<uint16_t> slots_;   // [n][4096] symbol after symbol: the slots of each
  std::vector<uint16_t> starts_;  // [n][symbols] where a symbol's begin
};

// Rows of sixteen symbols are added in the order in which they will be decoded. Not thread-safe.
class RansEncoder {
 public:
  // `lanes`: [16] a distribution each, which with `tables` must live until Finish.
  // REQUIRES: symbols of frequency above 0.
  void Add(const RansTables& tables, const uint16_t* lanes, const uint8_t* symbols);
  // The stream; the encoder is empty again.
  std::string Finish();

 private:
  struct Row {
    const RansTables* tables;
    const uint16_t* lanes;
    uint8_t symbols[kRansLanes];
  };
  std::vector<Row> rows_;
};

// Reads a stream, which must outlive it. Decoding damaged bytes gives wrong symbols, never an
// access outside of stream, tables or `out`. Not thread-safe.
class RansDecoder {
 public:
  // kDataLoss: shorter than its states, of odd length, or a state out of range.
  static absl::StatusOr<RansDecoder> Open(std::string_view stream);
  // `rows` rows of sixteen symbols to out [rows][16]. REQUIRES: lanes [16] < tables.count().
  // kDataLoss: the stream ended.
  absl::Status Decode(const RansTables& tables, const uint16_t* lanes, size_t rows, uint8_t* out);
  // After the last symbol: kDataLoss unless every word was read and every state is where encoding
  // began. Finds most damage, not all: checksums are the caller's.
  absl::Status Finish() const;

 private:
  friend void RansRunOn(RansDecoder& decoder, const KernelSet& kernels);
  bool (*kernel_)(RansRun& run) = nullptr;
  uint32_t states_[kRansLanes];
  const char* next_ = nullptr;
  const char* end_ = nullptr;
};

}  // namespace weir::tensor
