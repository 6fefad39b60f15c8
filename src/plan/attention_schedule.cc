#include "plan/attention_schedule.h"

#include <algorithm>
#include <cmath>

namespace weir::plan {
namespace {

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The largest b >= 0 with b * b + linear * b <= limit.
int64_t LargestSquare(int64_t limit, int64_t linear) {
  const double half = linear / 2.0;
  int64_t b = static_cast<int64_t>(std::sqrt(static_cast<double>(limit) + half * half) - half);
  while (b > 0 && b * b + linear * b > limit) --b;
  while ((b + 1) * (b + 1) + linear * (b + 1) <= limit) ++b;
  return b;
}

// Sums over the row tiles i = 1..T of `size` rows: b_i rows each, V_i keys visible to the last one.
class RowTiles {
 public:
  RowTiles(const AttentionShape& shape, int64_t size)
      : shape_(shape),
        size_(size),
        full_(CeilDiv(shape.rows(), size) - 1),
        last_(shape.rows() - full_ * size) {}

  int64_t Visible() const { return CeilSum(1) + shape_.keys; }                    // sum V_i
  int64_t RowsTimesVisible() const { return size_ * CeilSum(1) + last_ * shape_.keys; }
  // sum b_i ceil(V_i / columns)
  int64_t RowsTimesTiles(int64_t columns) const {
    return size_ * CeilSum(columns) + last_ * CeilDiv(shape_.keys, columns);
  }

 private:
  // Sum over the tiles before the last of ceil(V_i / columns), with V_i = keys - queries +
  // ceil(i size / group).
  int64_t CeilSum(int64_t columns) const {
    if (!shape_.causal) return full_ * CeilDiv(shape_.keys, columns);
    const int64_t divisor = shape_.group() * columns;
    const int64_t offset = (shape_.keys - shape_.queries) * shape_.group();
    return FloorSum(full_, size_, offset + divisor - 1, divisor);
  }

  const AttentionShape& shape_;
  int64_t size_, full_, last_;
};

Words RowOuterWords(const AttentionShape& s, const Tiles& t) {
  const int64_t d = s.head_dim;
  const int64_t visible = t.columns >= s.keys ? s.keys : RowTiles(s, t.rows).Visible();
  return {s.rows() * d + 2 * d * visible, s.rows() * d};
}

// Every visit of a row tile but the first loads its output, maximum and sum; every visit stores the
// output, and all but the last the other two.
Words ColumnOuterWords(const AttentionShape& s, const Tiles& t) {
  const int64_t d = s.head_dim, rows = s.rows();
  const int64_t visits = RowTiles(s, t.rows).RowsTimesTiles(t.columns);
  return {2 * s.keys * d + visits * d + (visits - rows) * (d + 2),
          visits * d + (visits - rows) * 2};
}

// S = Q K^T and O = P V in tiles of b x b: each operand is loaded once a tile of the other.
Words ProductWords(const AttentionShape& s, int64_t b) {
  const int64_t d = s.head_dim;
  const RowTiles tiles(s, b);
  const int64_t pairs = tiles.RowsTimesVisible();
  const int64_t scores = d * tiles.RowsTimesTiles(b) + d * tiles.Visible();
  const int64_t outputs = CeilDiv(d, b) * pairs + d * tiles.Visible();
  return {scores + outputs, pairs + s.rows() * d};
}

Words TwoPhaseWords(const AttentionShape& s, const Tiles& t) {
  Words words = ProductWords(s, t.rows);
  words.loads += 2 * s.rows() * CeilDiv(s.head_dim, t.rows);
  words.stores += 2 * s.rows();
  return words;
}

// Maximum, sum and division are a pass each, unless a whole row of scores fits beside them.
Words UnfusedWords(const AttentionShape& s, const Tiles& t, int64_t cache_words) {
  Words words = ProductWords(s, t.rows);
  const int64_t pairs = RowTiles(s, t.rows).RowsTimesVisible();
  words.loads += (s.keys <= cache_words - 2 ? 1 : 3) * pairs;
  words.stores += pairs;
  return words;
}

std::optional<Tiles> BestRowOuter(const AttentionShape& s, int64_t m) {
  const int64_t d = s.head_dim, rows = s.rows();
  const auto resident = [&](const Tiles& t) { return ResidentWords(s, Schedule::kRowOuter, t); };
  if (Tiles whole = {1, s.keys, d}; resident(whole) <= m) {  // keys and values stay: read once
    whole.rows = std::min(rows, (m - 2 * s.keys * d) / (2 * d + s.keys + 2));
    return whole;
  }
  const int64_t most = std::min(rows, (m - 2 * d) / (2 * d + 3));
  if (most < 1) return std::nullopt;
  // Tiles of equal size: the fewest passes, and what is left over widens the key tile.
  Tiles t = {CeilDiv(rows, CeilDiv(rows, most)), 1, d};
  t.columns = std::clamp<int64_t>((m - t.rows * (2 * d + 2)) / (2 * d + t.rows), 1, s.keys);
  return t;
}

std::optional<Tiles> BestColumnOuter(const AttentionShape& s, int64_t m) {
  const auto shaped = [&](int64_t columns) {
    return Tiles{std::min({columns, s.head_dim, s.rows()}), columns, s.head_dim};
  };
  int64_t low = 0, high = s.keys;  // residency grows with columns
  while (low < high) {
    const int64_t middle = (low + high + 1) / 2;
    ResidentWords(s, Schedule::kColumnOuter, shaped(middle)) <= m ? low = middle
                                                                  : high = middle - 1;
  }
  if (low == 0) return std::nullopt;
  return shaped(low);
}

// `linear`: words beside the tile and its two slabs, for each row of the tile.
std::optional<Tiles> BestSquare(const AttentionShape& s, int64_t m, int64_t linear) {
  const int64_t largest = std::max({s.rows(), s.keys, s.head_dim});
  const int64_t b = std::min(largest, LargestSquare(m, 2 + linear));
  if (b < 1) return std::nullopt;
  const int64_t slab = (m - b * b - linear * b) / (2 * b);
  return Tiles{b, b, std::min(slab, largest)};
}

}  // namespace

std::string_view NameOf(Schedule schedule) {
  switch (schedule) {
    case Schedule::kRowOuter: return "row-outer";
    case Schedule::kColumnOuter: return "column-outer";
    case Schedule::kTwoPhase: return "two-phase";
    case Schedule::kUnfused: return "unfused";
  }
  return "";
}

int64_t FloorSum(int64_t n, int64_t a, int64_t b, int64_t m) {
  // Whole parts come out; what is left is the same sum with axes exchanged, as in Euclid.
  b += a;  // i from 0
  int64_t sum = 0;
  while (n > 0) {
    sum += (n - 1) * n / 2 * (a / m) + n * (b / m);
    a %= m;
    b %= m;
    const int64_t top = a * n + b;
    if (top < m) break;
    n = top / m;
    b = top % m;
    std::swap(a, m);
  }
  return sum;
}

int64_t ResidentWords(const AttentionShape& shape, Schedule schedule, const Tiles& t) {
  const int64_t d = shape.head_dim;
  switch (schedule) {
    case Schedule::kRowOuter:
    case Schedule::kColumnOuter:
      return 2 * t.columns * d + t.rows * (2 * d + t.columns + 2);
    case Schedule::kTwoPhase: return t.rows * (t.rows + 2 * t.slab + 2);
    case Schedule::kUnfused: return t.rows * (t.rows + 2 * t.slab);
  }
  return 0;
}

std::optional<Tiles> BestTiles(const AttentionShape& shape, Schedule schedule,
                               int64_t cache_words) {
  switch (schedule) {
    case Schedule::kRowOuter: return BestRowOuter(shape, cache_words);
    case Schedule::kColumnOuter: return BestColumnOuter(shape, cache_words);
    case Schedule::kTwoPhase: return BestSquare(shape, cache_words, 2);
    case Schedule::kUnfused: return BestSquare(shape, cache_words, 0);
  }
  return std::nullopt;
}

Words CountWords(const AttentionShape& shape, Schedule schedule, const Tiles& tiles,
                 int64_t cache_words) {
  switch (schedule) {
    case Schedule::kRowOuter: return RowOuterWords(shape, tiles);
    case Schedule::kColumnOuter: return ColumnOuterWords(shape, tiles);
    case Schedule::kTwoPhase: return TwoPhaseWords(shape, tiles);
    case Schedule::kUnfused: return UnfusedWords(shape, tiles, cache_words);
  }
  return {};
}

}  // namespace weir::plan
