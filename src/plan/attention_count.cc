#include "plan/attention_count.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace weir::plan {
namespace {

class Counter : public AttentionMachine {
 public:
  void Load(Slot slot, Array, const Block& block) override {
    counted_.words.loads += block.words();
    Hold(slot, block.words());
  }
  void Clear(Slot slot, int64_t rows, int64_t columns) override { Hold(slot, rows * columns); }
  void Store(Slot, Array, const Block& block) override { counted_.words.stores += block.words(); }
  void Drop(Slot slot) override { Hold(slot, 0); }
  void Compute(Step, const Block&) override {}

  const CountedWords& counted() const { return counted_; }

 private:
  void Hold(Slot slot, int64_t words) {
    int64_t& held = held_[static_cast<int>(slot)];
    resident_ += words - held;
    held = words;
    counted_.peak_resident = std::max(counted_.peak_resident, resident_);
  }

  CountedWords counted_;
  int64_t held_[kSlots] = {};
  int64_t resident_ = 0;
};

}  // namespace

absl::StatusOr<CountedWords> CountByWalking(const AttentionShape& shape, Schedule schedule,
                                            const Tiles& tiles, int64_t cache_words) {
  const double calls = WalkCalls(shape, schedule, tiles, cache_words);
  if (calls > kMaxWalkCalls) {
    return absl::InvalidArgumentError(
        absl::StrFormat("counting %s: %.1e loads and stores of tiles; at most %.1e (a smaller n, "
                        "or a larger cache)",
                        NameOf(schedule), calls, kMaxWalkCalls));
  }
  Counter counter;
  Walk(shape, schedule, tiles, cache_words, counter);
  if (counter.counted().peak_resident > cache_words) {
    return absl::InternalError(absl::StrCat(NameOf(schedule), " holds ",
                                            counter.counted().peak_resident, " words of ",
                                            cache_words));
  }
  return counter.counted();
}

}  // namespace weir::plan
