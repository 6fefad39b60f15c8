// For tests: the machine that computes. Slots are real tiles in f32, so a schedule that loads too
// little, or in the wrong order, gives a wrong output.
#pragma once

#include <algorithm>
#include <cmath>
#include <random>
#include <span>
#include <vector>

#include "plan/attention_walk.h"

namespace weir::plan {

class Arithmetic : public AttentionMachine {
 public:
  explicit Arithmetic(const AttentionShape& shape, uint32_t seed = 5) : s_(shape) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    const int64_t d = s_.head_dim, rows = s_.rows();
    const int64_t sizes[kArrays] = {rows * d, s_.keys * d, s_.keys * d,
                                    rows * d, rows * s_.keys, rows * 2};
    for (int a = 0; a < kArrays; ++a) slow_[a].assign(sizes[a], NAN);
    for (const Array a : {Array::kQueries, Array::kKeys, Array::kValues}) {
      for (float& x : Slow(a)) x = normal(random);
    }
  }

  void Load(Slot slot, Array array, const Block& b) override {
    Tile& tile = At(slot);
    tile.Resize(b.rows, b.columns);
    for (int64_t r = 0; r < b.rows; ++r) {
      std::copy_n(&Slow(array)[(b.row + r) * Stride(array) + b.column], b.columns, tile.Row(r));
    }
  }
  void Clear(Slot slot, int64_t rows, int64_t columns) override {
    Tile& tile = At(slot);
    tile.Resize(rows, columns);
    std::fill(tile.x.begin(), tile.x.end(), 0.0f);
    if (slot != Slot::kStatistics) return;
    for (int64_t r = 0; r < rows; ++r) tile.Row(r)[0] = -INFINITY;
  }
  void Store(Slot slot, Array array, const Block& b) override {
    for (int64_t r = 0; r < b.rows; ++r) {
      std::copy_n(At(slot).Row(r), b.columns,
                  &Slow(array)[(b.row + r) * Stride(array) + b.column]);
    }
  }
  void Drop(Slot slot) override { At(slot).Resize(0, 0); }

  void Compute(Step step, const Block& b) override {
    Tile& s = At(Slot::kScores);
    if (step == Step::kScores) return Scores();
    if (step == Step::kAddValues) return AddValues();
    const int64_t rows = step == Step::kDivide ? At(Slot::kOutputs).rows : s.rows;
    for (int64_t r = 0; r < rows; ++r) {
      float* statistics = At(Slot::kStatistics).Row(r);
      if (step == Step::kDivide) {
        for (float& x : At(Slot::kOutputs).Span(r)) x /= statistics[1];
      } else {
        const int64_t seen =
            std::clamp<int64_t>(s_.VisibleTo(b.row + r + 1) - b.column, 0, s.columns);
        Softmax(step, s.Row(r), seen, s.columns, statistics, r);
      }
    }
  }

  // float64, straight from the definition; the largest error relative to the largest output.
  double ErrorOfOutputs() {
    const int64_t d = s_.head_dim;
    double error = 0, most = 0;
    for (int64_t i = 0; i < s_.rows(); ++i) {
      const int64_t seen = s_.causal ? s_.keys - s_.queries + i / s_.group() + 1 : s_.keys;
      std::vector<double> p(seen), out(d, 0.0);
      double peak = -INFINITY, sum = 0;
      for (int64_t j = 0; j < seen; ++j) {
        for (int64_t c = 0; c < d; ++c) {
          p[j] += static_cast<double>(Slow(Array::kQueries)[i * d + c]) *
                  Slow(Array::kKeys)[j * d + c];
        }
        peak = std::max(peak, p[j] *= scale());
      }
      for (double& x : p) sum += x = std::exp(x - peak);
      for (int64_t j = 0; j < seen; ++j) {
        for (int64_t c = 0; c < d; ++c) out[c] += p[j] / sum * Slow(Array::kValues)[j * d + c];
      }
      for (int64_t c = 0; c < d; ++c) {
        const float got = Slow(Array::kOutputs)[i * d + c];
        if (!std::isfinite(got)) return INFINITY;
        error = std::max(error, std::fabs(got - out[c]));
        most = std::max(most, std::fabs(out[c]));
      }
    }
    return error / most;
  }

 private:
  struct Tile {
    int64_t rows = 0, columns = 0;
    std::vector<float> x;
    void Resize(int64_t r, int64_t c) {
      rows = r;
      columns = c;
      x.assign(r * c, NAN);
    }
    float* Row(int64_t r) { return x.data() + r * columns; }
    std::span<float> Span(int64_t r) { return {Row(r), static_cast<size_t>(columns)}; }
  };

  double scale() const { return 1 / std::sqrt(static_cast<double>(s_.head_dim)); }
  std::vector<float>& Slow(Array a) { return slow_[static_cast<int>(a)]; }
  Tile& At(Slot slot) { return slots_[static_cast<int>(slot)]; }
  int64_t Stride(Array a) const {
    return a == Array::kScores ? s_.keys : a == Array::kStatistics ? 2 : s_.head_dim;
  }

  void Scores() {
    Tile &s = At(Slot::kScores), &q = At(Slot::kQueries), &k = At(Slot::kKeys);
    for (int64_t r = 0; r < s.rows; ++r) {
      for (int64_t j = 0; j < s.columns; ++j) {
        for (int64_t c = 0; c < q.columns; ++c) {
          s.Row(r)[j] += q.Row(r)[c] * static_cast<float>(scale()) * k.Row(j)[c];
        }
      }
    }
  }
  void AddValues() {
    Tile &s = At(Slot::kScores), &o = At(Slot::kOutputs), &v = At(Slot::kValues);
    for (int64_t r = 0; r < o.rows; ++r) {
      for (int64_t j = 0; j < s.columns; ++j) {
        for (int64_t c = 0; c < o.columns; ++c) o.Row(r)[c] += s.Row(r)[j] * v.Row(j)[c];
      }
    }
  }

  // `seen` of the n scores count. statistics: maximum, sum.
  void Softmax(Step step, float* s, int64_t seen, int64_t n, float* statistics, int64_t row) {
    const float old = statistics[0];
    float peak = old;
    if (step == Step::kWeigh || step == Step::kObserve || step == Step::kRowMaximum) {
      for (int64_t j = 0; j < seen; ++j) peak = std::max(peak, s[j]);
      statistics[0] = peak;
    }
    if (step == Step::kRowMaximum) return;
    if (step == Step::kWeigh || step == Step::kObserve) {
      const float factor = old == -INFINITY ? 0.0f : std::exp(old - peak);
      statistics[1] *= factor;
      if (step == Step::kWeigh) {
        for (float& x : At(Slot::kOutputs).Span(row)) x *= factor;
      }
    }
    for (int64_t j = 0; j < n; ++j) {
      const float p = j < seen ? std::exp(s[j] - peak) : 0.0f;
      if (step != Step::kExponentiate) statistics[1] += p;
      if (step == Step::kWeigh) s[j] = p;
      if (step == Step::kExponentiate) s[j] = p / statistics[1];
    }
  }

  AttentionShape s_;
  std::vector<float> slow_[kArrays];
  Tile slots_[kSlots];
};

}  // namespace weir::plan
