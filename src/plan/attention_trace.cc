#include "plan/attention_trace.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "plan/lru_cache.h"

namespace weir::plan {
namespace {

// Where the words of a slot are: in an array of slow memory, or in the slot's scratch.
struct Place {
  int64_t base = 0;
  int64_t stride = 0;
  int64_t rows = 0, columns = 0;
};

// Addresses of arrays and scratch, each on lines of its own.
class AddressMap {
 public:
  AddressMap(const AttentionShape& s, Schedule schedule, const Tiles& t, int64_t line_words)
      : line_words_(line_words) {
    const int64_t d = s.head_dim;
    const bool scores = schedule == Schedule::kTwoPhase || schedule == Schedule::kUnfused;
    Put(Array::kQueries, s.rows(), d);
    Put(Array::kKeys, s.keys, d);
    Put(Array::kValues, s.keys, d);
    Put(Array::kOutputs, s.rows(), d);
    Put(Array::kScores, scores ? s.rows() : 0, s.keys);
    Put(Array::kStatistics, s.rows(), 2);
    scratch_ = at_;
    const int64_t rows = std::min(t.rows, s.rows());
    const int64_t tile = rows * std::min(t.columns, s.keys);
    for (int slot = 0; slot < kSlots; ++slot) {
      slots_[slot] = at_;
      const Slot which = static_cast<Slot>(slot);
      at_ += Whole(which == Slot::kScores    ? tile
                   : which == Slot::kOutputs ? rows * d
                   : which == Slot::kStatistics ? rows * 2
                                                : 0);
    }
  }

  Place At(Array array, const Block& b) const {
    const auto& [base, stride] = arrays_[static_cast<int>(array)];
    return {base + b.row * stride + b.column, stride, b.rows, b.columns};
  }
  Place Scratch(Slot slot, int64_t rows, int64_t columns) const {
    return {slots_[static_cast<int>(slot)], columns, rows, columns};
  }
  int64_t words() const { return at_; }
  int64_t scratch() const { return scratch_; }

 private:
  int64_t Whole(int64_t words) const {
    return (words + line_words_ - 1) / line_words_ * line_words_;
  }
  void Put(Array array, int64_t rows, int64_t columns) {
    arrays_[static_cast<int>(array)] = {at_, columns};
    at_ += Whole(rows * columns);
  }

  int64_t line_words_, at_ = 0, scratch_ = 0;
  std::pair<int64_t, int64_t> arrays_[kArrays];
  int64_t slots_[kSlots] = {};
};

class Tracer : public AttentionMachine {
 public:
  Tracer(const AddressMap& map, int64_t lru_words, int64_t line_words)
      : map_(map),
        line_words_(line_words),
        cache_(map.words() / line_words + 1, std::max<int64_t>(1, lru_words / line_words)) {}

  void Load(Slot slot, Array array, const Block& block) override {
    At(slot) = map_.At(array, block);
  }
  void Clear(Slot slot, int64_t rows, int64_t columns) override {
    At(slot) = map_.Scratch(slot, rows, columns);
    for (int64_t r = 0; r < rows; ++r) Row(At(slot), r, true);
  }
  void Store(Slot slot, Array array, const Block& block) override {
    const Place to = map_.At(array, block);
    if (to.base == At(slot).base) return;  // updated in place
    for (int64_t r = 0; r < block.rows; ++r) {
      Row(At(slot), r, false);
      Row(to, r, true);
    }
  }
  void Drop(Slot) override {}

  void Compute(Step step, const Block&) override {
    const Place &scores = At(Slot::kScores), &outputs = At(Slot::kOutputs);
    const Place& statistics = At(Slot::kStatistics);
    if (step == Step::kScores) return Product(scores, Slot::kQueries, Slot::kKeys);
    if (step == Step::kAddValues) return AddValues();
    const bool changes = step == Step::kWeigh || step == Step::kExponentiate;
    const int64_t rows = step == Step::kDivide ? outputs.rows : scores.rows;
    for (int64_t r = 0; r < rows; ++r) {
      if (step != Step::kDivide) Row(scores, r, changes);
      Row(statistics, r, step != Step::kExponentiate && step != Step::kDivide);
      if (step == Step::kWeigh || step == Step::kDivide) Row(outputs, r, true);
    }
  }

  SimulatedWords Finish() {
    cache_.Flush(map_.scratch() / line_words_);
    return {cache_.fetches() * line_words_, cache_.write_backs() * line_words_,
            cache_.touched() * line_words_};
  }

 private:
  Place& At(Slot slot) { return places_[static_cast<int>(slot)]; }

  void Touch(int64_t first, int64_t words, bool write) {
    const int64_t last = (first + words - 1) / line_words_;
    for (int64_t line = first / line_words_; line <= last; ++line) {
      cache_.Access(line, write, line_words_ > 1);
    }
  }
  void Row(const Place& p, int64_t r, bool write) {
    Touch(p.base + r * p.stride, p.columns, write);
  }

  // A row of the left operand rests in registers while the rows of the right one pass.
  void Product(const Place& scores, Slot left, Slot right) {
    for (int64_t r = 0; r < scores.rows; ++r) {
      Row(At(left), r, false);
      for (int64_t c = 0; c < scores.columns; ++c) Row(At(right), c, false);
      Row(scores, r, true);
    }
  }
  void AddValues() {
    const Place &scores = At(Slot::kScores), &outputs = At(Slot::kOutputs);
    for (int64_t r = 0; r < scores.rows; ++r) {
      Row(scores, r, false);
      for (int64_t c = 0; c < scores.columns; ++c) Row(At(Slot::kValues), c, false);
      Row(outputs, r, true);
    }
  }

  const AddressMap& map_;
  int64_t line_words_;
  LruCache cache_;
  Place places_[kSlots];
};

// About how many lines the products of a walk touch.
double Touches(const AttentionShape& s, Schedule schedule, const Tiles& t, int64_t line_words) {
  // Of head_dim words in pieces of `width`, and the word of the score that each piece adds to.
  const auto lines = [&](int64_t width) {
    const int64_t most = (width + line_words - 2) / line_words + 1;
    return static_cast<double>((s.head_dim + width - 1) / width) * (most + 1.0 / line_words);
  };
  const bool blocked = schedule == Schedule::kTwoPhase || schedule == Schedule::kUnfused;
  const double each = blocked ? lines(std::min(t.slab, s.head_dim)) +
                                    lines(std::min(t.rows, s.head_dim))
                              : 2 * lines(s.head_dim);
  return static_cast<double>(s.rows()) * s.keys * each;
}

}  // namespace

absl::StatusOr<SimulatedWords> SimulateLru(const AttentionShape& shape, Schedule schedule,
                                           const Tiles& tiles, int64_t cache_words,
                                           int64_t lru_words, int64_t line_words) {
  if (shape.keys > kMaxSimulatedKeys) {
    return absl::InvalidArgumentError(absl::StrCat("simulating a cache: n ", shape.keys,
                                                   "; at most ", kMaxSimulatedKeys));
  }
  if (lru_words < line_words || line_words < 1) {
    return absl::InvalidArgumentError(absl::StrCat("simulating a cache: ", lru_words,
                                                   " words; expected a line of ", line_words,
                                                   " at least"));
  }
  const double touches = Touches(shape, schedule, tiles, line_words);
  const AddressMap map(shape, schedule, tiles, line_words);
  if (touches > kMaxSimulatedTouches || map.words() > kMaxSimulatedWords ||
      WalkCalls(shape, schedule, tiles, cache_words) > kMaxSimulatedTouches) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "simulating a cache: %.1e accesses over %d words; at most %.1e over %d (a smaller n)",
        touches, map.words(), kMaxSimulatedTouches, kMaxSimulatedWords));
  }
  Tracer tracer(map, lru_words, line_words);
  Walk(shape, schedule, tiles, cache_words, tracer);
  return tracer.Finish();
}

}  // namespace weir::plan
