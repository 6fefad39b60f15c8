#include "tensor/rans.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "tensor/simd/rans.h"

namespace weir::tensor {
namespace {

constexpr size_t kStateBytes = kRansLanes * sizeof(uint32_t);
constexpr size_t kMaxTables = 65536;

}  // namespace

// Vose's construction: 2^symbol_bits buckets of equally many slots. A bucket whose own symbol does
// not fill it is topped up by a symbol that has more than a bucket's worth.
absl::StatusOr<RansTables> RansTables::Make(int symbol_bits,
                                            std::span<const uint16_t> frequencies) {
  const size_t symbols = symbol_bits >= 2 && symbol_bits <= 8 ? size_t{1} << symbol_bits : 0;
  if (symbols == 0 || frequencies.empty() || frequencies.size() % symbols != 0 ||
      frequencies.size() / symbols > kMaxTables) {
    return absl::InvalidArgumentError(absl::StrCat("rANS tables: ", frequencies.size(),
                                                   " frequencies of 2^", symbol_bits, " symbols"));
  }
  const size_t count = frequencies.size() / symbols;
  RansTables t;
  t.symbol_bits_ = symbol_bits;
  t.frequencies_.assign(frequencies.begin(), frequencies.end());
  t.dividers_.resize(count * symbols);
  t.words_.resize(2 * count * symbols);
  t.slots_.resize(count * kRansTotal);
  t.starts_.resize(count * symbols);
  const uint32_t room = kRansTotal / static_cast<uint32_t>(symbols);  // slots of a bucket
  for (size_t n = 0; n < count; ++n) {
    const std::span<const uint16_t> f = frequencies.subspan(n * symbols, symbols);
    uint32_t sum = 0;
    for (uint16_t x : f) sum += x;
    if (sum != kRansTotal) {
      return absl::InvalidArgumentError(
          absl::StrCat("rANS table ", n, ": frequencies sum to ", sum, "; expected ", kRansTotal));
    }
    std::vector<uint32_t> left(f.begin(), f.end()), given(symbols, 0);
    std::vector<uint32_t> owner(symbols), other(symbols), divider(symbols, room);
    for (size_t s = 0; s < symbols; ++s) owner[s] = other[s] = static_cast<uint32_t>(s);
    std::vector<size_t> small, large;
    for (size_t s = 0; s < symbols; ++s) (left[s] < room ? small : large).push_back(s);
    while (!small.empty()) {
      const size_t poor = small.back(), rich = large.back();
      small.pop_back();
      divider[poor] = left[poor];
      other[poor] = static_cast<uint32_t>(rich);
      left[rich] -= room - left[poor];
      if (left[rich] < room) {
        large.pop_back();
        small.push_back(rich);
      }
    }
    uint32_t start = 0;
    for (size_t s = 0; s < symbols; ++s) {
      t.starts_[n * symbols + s] = static_cast<uint16_t>(start);
      start += f[s];
    }
    for (size_t b = 0; b < symbols; ++b) {
      t.dividers_[n * symbols + b] = divider[b];
      const uint32_t first_slot = static_cast<uint32_t>(b) * room;
      for (uint32_t second = 0; second < 2; ++second) {
        const uint32_t symbol = second == 0 ? owner[b] : other[b];
        const uint32_t begin = second == 0 ? 0 : divider[b];
        const uint32_t slots = second == 0 ? divider[b] : room - divider[b];
        const uint32_t bias = (given[symbol] - (first_slot + begin)) & (kRansTotal - 1);
        const uint32_t frequency = std::max<uint32_t>(f[symbol], 1);
        t.words_[2 * (n * symbols + b) + second] = symbol | (frequency - 1) << 8 | bias << 20;
        for (uint32_t i = 0; i < slots; ++i) {
          t.slots_[n * kRansTotal + t.starts_[n * symbols + symbol] + given[symbol] + i] =
              static_cast<uint16_t>(first_slot + begin + i);
        }
        given[symbol] += slots;
      }
    }
  }
  return t;
}

void RansEncoder::Add(const RansTables& tables, const uint16_t* lanes, const uint8_t* symbols) {
  Row& row = rows_.emplace_back();
  row.tables = &tables;
  row.lanes = lanes;
  std::memcpy(row.symbols, symbols, kRansLanes);
}

// Backwards, as every ANS coder: the last symbol's state is where decoding ends.
std::string RansEncoder::Finish() {
  uint32_t states[kRansLanes];
  std::fill_n(states, kRansLanes, kRansLow);
  std::vector<uint16_t> words;
  for (auto row = rows_.rbegin(); row != rows_.rend(); ++row) {
    const RansTables& t = *row->tables;
    for (int lane = kRansLanes - 1; lane >= 0; --lane) {
      const size_t at = (size_t{row->lanes[lane]} << t.symbol_bits_) + row->symbols[lane];
      const uint32_t frequency = t.frequencies_[at];
      uint32_t& state = states[lane];
      // A state below 2^20 * frequency stays below 2^32 after the symbol.
      if (state >= uint64_t{frequency} << (32 - kRansBits)) {
        words.push_back(static_cast<uint16_t>(state));
        state >>= 16;
      }
      const uint16_t* slots = &t.slots_[row->lanes[lane] * size_t{kRansTotal} + t.starts_[at]];
      state = (state / frequency << kRansBits) + slots[state % frequency];
    }
  }
  rows_.clear();
  std::string stream(kStateBytes + 2 * words.size(), '\0');
  std::memcpy(stream.data(), states, kStateBytes);
  std::reverse(words.begin(), words.end());
  std::memcpy(stream.data() + kStateBytes, words.data(), 2 * words.size());
  return stream;
}

absl::StatusOr<RansDecoder> RansDecoder::Open(std::string_view stream) {
  if (stream.size() < kStateBytes || stream.size() % 2 != 0) {
    return absl::DataLossError(absl::StrCat("rANS stream: ", stream.size(), " bytes"));
  }
  RansDecoder d;
  d.kernel_ = RansKernelOf(Kernels());
  std::memcpy(d.states_, stream.data(), kStateBytes);
  for (uint32_t state : d.states_) {
    if (state < kRansLow) return absl::DataLossError("rANS stream: a state out of range");
  }
  d.next_ = stream.data() + kStateBytes;
  d.end_ = stream.data() + stream.size();
  return d;
}

absl::Status RansDecoder::Decode(const RansTables& tables, const uint16_t* lanes, size_t rows,
                                 uint8_t* out) {
  RansRun run{.symbol_bits = tables.symbol_bits_,
              .dividers = tables.dividers_.data(),
              .words = tables.words_.data(),
              .lanes = lanes,
              .rows = rows,
              .states = states_,
              .next = next_,
              .end = end_,
              .out = out};
  if (!kernel_(run)) return absl::DataLossError("rANS stream: it ends before its last symbol");
  next_ = run.next;
  return absl::OkStatus();
}

void RansRunOn(RansDecoder& decoder, const KernelSet& kernels) {
  decoder.kernel_ = RansKernelOf(kernels);
}

absl::Status RansDecoder::Finish() const {
  const bool home = std::all_of(states_, states_ + kRansLanes,
                                [](uint32_t state) { return state == kRansLow; });
  if (next_ == end_ && home) return absl::OkStatus();
  return absl::DataLossError("rANS stream: bytes are left after its last symbol, or it is damaged");
}

}  // namespace weir::tensor
