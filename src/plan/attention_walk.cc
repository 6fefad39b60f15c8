#include "plan/attention_walk.h"

#include <algorithm>

namespace weir::plan {
namespace {

// Calls body(first, count) for each tile of [0, n).
template <class Body>
void ForTiles(int64_t n, int64_t size, Body body) {
  for (int64_t first = 0; first < n; first += size) body(first, std::min(size, n - first));
}

class Walker {
 public:
  Walker(const AttentionShape& shape, const Tiles& tiles, int64_t cache_words,
         AttentionMachine& machine)
      : s_(shape), t_(tiles), cache_words_(cache_words), m_(machine) {}

  void RowOuter() {
    const int64_t d = s_.head_dim;
    const bool whole = t_.columns >= s_.keys;  // keys and values stay for good
    ForTiles(s_.rows(), t_.rows, [&](int64_t row, int64_t rows) {
      m_.Load(Slot::kQueries, Array::kQueries, {row, rows, 0, d});
      m_.Clear(Slot::kOutputs, rows, d);
      m_.Clear(Slot::kStatistics, rows, 2);
      const int64_t visible = whole ? s_.keys : s_.VisibleTo(row + rows);
      ForTiles(visible, t_.columns, [&](int64_t key, int64_t keys) {
        const Block tile = {row, rows, key, keys};
        if (!whole || row == 0) m_.Load(Slot::kKeys, Array::kKeys, {key, keys, 0, d});
        m_.Clear(Slot::kScores, rows, keys);
        m_.Compute(Step::kScores, tile);
        m_.Compute(Step::kWeigh, tile);
        if (!whole || row == 0) m_.Load(Slot::kValues, Array::kValues, {key, keys, 0, d});
        m_.Compute(Step::kAddValues, tile);
      });
      m_.Compute(Step::kDivide, {row, rows, 0, 0});
      m_.Store(Slot::kOutputs, Array::kOutputs, {row, rows, 0, d});
    });
  }

  void ColumnOuter() {
    const int64_t d = s_.head_dim;
    ForTiles(s_.keys, t_.columns, [&](int64_t key, int64_t keys) {
      m_.Load(Slot::kKeys, Array::kKeys, {key, keys, 0, d});
      m_.Load(Slot::kValues, Array::kValues, {key, keys, 0, d});
      ForTiles(s_.rows(), t_.rows, [&](int64_t row, int64_t rows) {
        const int64_t visible = s_.VisibleTo(row + rows);
        if (visible <= key) return;
        const Block tile = {row, rows, key, std::min(keys, visible - key)};
        m_.Load(Slot::kQueries, Array::kQueries, {row, rows, 0, d});
        if (key == 0) {
          m_.Clear(Slot::kOutputs, rows, d);
          m_.Clear(Slot::kStatistics, rows, 2);
        } else {
          m_.Load(Slot::kOutputs, Array::kOutputs, {row, rows, 0, d});
          m_.Load(Slot::kStatistics, Array::kStatistics, {row, rows, 0, 2});
        }
        m_.Clear(Slot::kScores, rows, tile.columns);
        m_.Compute(Step::kScores, tile);
        m_.Compute(Step::kWeigh, tile);
        m_.Compute(Step::kAddValues, tile);
        if (key + keys >= visible) {
          m_.Compute(Step::kDivide, {row, rows, 0, 0});
        } else {
          m_.Store(Slot::kStatistics, Array::kStatistics, {row, rows, 0, 2});
        }
        m_.Store(Slot::kOutputs, Array::kOutputs, {row, rows, 0, d});
      });
    });
  }

  void TwoPhase() {
    ForTiles(s_.rows(), t_.rows, [&](int64_t row, int64_t rows) {
      m_.Clear(Slot::kStatistics, rows, 2);
      ScoresOfRowTile(row, rows, true);
      m_.Store(Slot::kStatistics, Array::kStatistics, {row, rows, 0, 2});
    });
    m_.Drop(Slot::kStatistics);
    OutputTiles(true);
  }

  void Unfused() {
    ForTiles(s_.rows(), t_.rows,
             [&](int64_t row, int64_t rows) { ScoresOfRowTile(row, rows, false); });
    ForTiles(s_.rows(), t_.rows, [&](int64_t row, int64_t rows) {
      for (int64_t r = row; r < row + rows; ++r) SoftmaxRow(r, s_.VisibleTo(row + rows));
    });
    m_.Drop(Slot::kStatistics);
    OutputTiles(false);
  }

 private:
  void ScoresOfRowTile(int64_t row, int64_t rows, bool observe) {
    ForTiles(s_.VisibleTo(row + rows), t_.rows, [&](int64_t key, int64_t keys) {
      const Block tile = {row, rows, key, keys};
      m_.Clear(Slot::kScores, rows, keys);
      ForTiles(s_.head_dim, t_.slab, [&](int64_t c, int64_t width) {
        m_.Load(Slot::kQueries, Array::kQueries, {row, rows, c, width});
        m_.Load(Slot::kKeys, Array::kKeys, {key, keys, c, width});
        m_.Compute(Step::kScores, tile);
      });
      m_.Drop(Slot::kQueries);
      m_.Drop(Slot::kKeys);
      if (observe) m_.Compute(Step::kObserve, tile);
      m_.Store(Slot::kScores, Array::kScores, tile);
      m_.Drop(Slot::kScores);
    });
  }

  void SoftmaxRow(int64_t row, int64_t visible) {
    const int64_t room = cache_words_ - 2;
    m_.Clear(Slot::kStatistics, 1, 2);
    if (s_.keys <= room) {
      const Block all = {row, 1, 0, visible};
      m_.Load(Slot::kScores, Array::kScores, all);
      m_.Compute(Step::kRowMaximum, all);
      m_.Compute(Step::kRowSum, all);
      m_.Compute(Step::kExponentiate, all);
      m_.Store(Slot::kScores, Array::kScores, all);
    } else {
      for (const Step step : {Step::kRowMaximum, Step::kRowSum, Step::kExponentiate}) {
        ForTiles(visible, room, [&](int64_t key, int64_t keys) {
          const Block piece = {row, 1, key, keys};
          m_.Load(Slot::kScores, Array::kScores, piece);
          m_.Compute(step, piece);
          if (step == Step::kExponentiate) m_.Store(Slot::kScores, Array::kScores, piece);
        });
      }
    }
    m_.Drop(Slot::kScores);
  }

  // `weigh`: scores still have to become weights by the stored statistics.
  void OutputTiles(bool weigh) {
    ForTiles(s_.rows(), t_.rows, [&](int64_t row, int64_t rows) {
      ForTiles(s_.head_dim, t_.rows, [&](int64_t c, int64_t width) {
        m_.Clear(Slot::kOutputs, rows, width);
        if (weigh) m_.Load(Slot::kStatistics, Array::kStatistics, {row, rows, 0, 2});
        ForTiles(s_.VisibleTo(row + rows), t_.slab, [&](int64_t key, int64_t keys) {
          const Block tile = {row, rows, key, keys};
          m_.Load(Slot::kScores, Array::kScores, tile);
          m_.Load(Slot::kValues, Array::kValues, {key, keys, c, width});
          if (weigh) m_.Compute(Step::kExponentiate, tile);
          m_.Compute(Step::kAddValues, tile);
        });
        m_.Drop(Slot::kScores);
        m_.Drop(Slot::kValues);
        m_.Store(Slot::kOutputs, Array::kOutputs, {row, rows, c, width});
        m_.Drop(Slot::kOutputs);
        m_.Drop(Slot::kStatistics);
      });
    });
  }

  const AttentionShape& s_;
  const Tiles& t_;
  int64_t cache_words_;
  AttentionMachine& m_;
};

double Count(int64_t n, int64_t size) { return static_cast<double>((n + size - 1) / size); }

}  // namespace

void Walk(const AttentionShape& shape, Schedule schedule, const Tiles& tiles, int64_t cache_words,
          AttentionMachine& machine) {
  Walker walker(shape, tiles, cache_words, machine);
  switch (schedule) {
    case Schedule::kRowOuter: return walker.RowOuter();
    case Schedule::kColumnOuter: return walker.ColumnOuter();
    case Schedule::kTwoPhase: return walker.TwoPhase();
    case Schedule::kUnfused: return walker.Unfused();
  }
}

double WalkCalls(const AttentionShape& shape, Schedule schedule, const Tiles& t,
                 int64_t cache_words) {
  const double row_tiles = Count(shape.rows(), t.rows);
  const double tiles = row_tiles * Count(shape.keys, t.columns);
  if (schedule == Schedule::kRowOuter) return 6 * tiles + 5 * row_tiles;
  if (schedule == Schedule::kColumnOuter) return 9 * tiles + 2 * Count(shape.keys, t.columns);
  const double scores = tiles * (3 * Count(shape.head_dim, t.slab) + 6);
  const double outputs = row_tiles * Count(shape.head_dim, t.rows) *
                         (4 * Count(shape.keys, t.slab) + 6);
  if (schedule == Schedule::kTwoPhase) return scores + outputs;
  return scores + outputs + shape.rows() * (7 * Count(shape.keys, cache_words - 2) + 2);
}

}  // namespace weir::plan
