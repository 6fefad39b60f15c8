// Included once inside a target's namespace, after its vec16 header; it sets kInt8TileRows, the
// activation rows of a register tile, and kInt8TileGroups, its groups of 16 weight rows. The sums
// run over all columns in integers, so nothing but the last line rounds.

template <int M, int G>
inline void Int8RowsDots(const Int8Rows& p, size_t row, size_t group, Ints (&dot)[M][G]) {
  const size_t columns = 4 * p.steps;
  const std::byte* weights = p.weights + group * p.steps * 64;
  const int8_t* codes = p.codes + row * columns;
  WEIR_UNROLL
  for (int m = 0; m < M; ++m) {
    WEIR_UNROLL
    for (int g = 0; g < G; ++g) dot[m][g] = KeyStart(p.negative_sums[row + m]);
  }
  for (size_t s = 0; s < p.steps; ++s) {
    Ints line[G];
    WEIR_UNROLL
    for (int g = 0; g < G; ++g) line[g] = LoadLine(weights + (g * p.steps + s) * 64);
    WEIR_UNROLL
    for (int m = 0; m < M; ++m) {
      WEIR_UNROLL
      for (int g = 0; g < G; ++g) {
        dot[m][g] = DotKeys(dot[m][g], line[g], codes + m * columns + 4 * s);
      }
    }
  }
}

template <int M, int G>
inline void Int8RowsTile(const Int8Rows& p, size_t row, size_t group) {
  Ints dot[M][G];
  Int8RowsDots<M, G>(p, row, group, dot);
  const size_t last = p.rows - (group + G - 1) * kGroupRows;  // of the last group; 16 or fewer
  WEIR_UNROLL
  for (int m = 0; m < M; ++m) {
    const Floats x_scale = Set(p.x_scales[row + m]);
    float* y = p.y + (row + m) * p.rows + group * kGroupRows;
    WEIR_UNROLL
    for (int g = 0; g < G; ++g) {
      const size_t at = (group + g) * kGroupRows;
      const Floats scale = Mul(Load(p.scales + at), x_scale);
      const Floats sum = Fma(ToFloats(dot[m][g]), scale, Load(p.bias + at));
      if (g + 1 == G && last < kGroupRows) {
        StoreSome(y + g * kGroupRows, sum, last);
      } else {
        Store(y + g * kGroupRows, sum);
      }
    }
  }
}

template <int M, int G>
inline void Int8RowsUpTo(const Int8Rows& p, size_t row, size_t group) {
  if constexpr (M > 1) {
    if (p.n - row < M) return Int8RowsUpTo<M - 1, G>(p, row, group);
  }
  Int8RowsTile<M, G>(p, row, group);
}

template <int G>
inline void Int8RowsGroups(const Int8Rows& p, size_t group) {
  for (size_t row = 0; row < p.n; row += kInt8TileRows) {
    Int8RowsUpTo<kInt8TileRows, G>(p, row, group);
  }
}

inline void MultiplyInt8Rows(const Int8Rows& p, size_t begin, size_t end) {
  size_t g = begin;
  for (; g + kInt8TileGroups <= end; g += kInt8TileGroups) Int8RowsGroups<kInt8TileGroups>(p, g);
  for (; g < end; ++g) Int8RowsGroups<1>(p, g);
}

template <int M, int G>
inline void Int8PeaksTile(const Int8Rows& p, size_t row, size_t group, Floats (&peaks)[G]) {
  Ints dot[M][G];
  Int8RowsDots<M, G>(p, row, group, dot);
  WEIR_UNROLL
  for (int g = 0; g < G; ++g) {
    const size_t at = (group + g) * kGroupRows;
    const Floats scale = Load(p.scales + at), bias = Load(p.bias + at);
    WEIR_UNROLL
    for (int m = 0; m < M; ++m) {
      const Floats x_scale = Set(p.x_scales[row + m]);
      peaks[g] = Max(peaks[g], Fma(ToFloats(dot[m][g]), Mul(scale, x_scale), bias));
    }
  }
}

template <int M, int G>
inline void Int8PeaksUpTo(const Int8Rows& p, size_t row, size_t left, size_t group,
                          Floats (&peaks)[G]) {
  if constexpr (M > 1) {
    if (left < M) return Int8PeaksUpTo<M - 1, G>(p, row, left, group, peaks);
  }
  Int8PeaksTile<M, G>(p, row, group, peaks);
}

template <int G>
inline void Int8PeaksGroups(const Int8Rows& p, size_t group) {
  for (size_t s = 0; s < p.parts; ++s) {
    Floats peaks[G];
    WEIR_UNROLL
    for (int g = 0; g < G; ++g) peaks[g] = Set(0.0f);
    const size_t end = static_cast<size_t>(p.offsets[s + 1]);
    for (size_t row = static_cast<size_t>(p.offsets[s]); row < end; row += kInt8TileRows) {
      Int8PeaksUpTo<kInt8TileRows, G>(p, row, end - row, group, peaks);
    }
    float* y = p.y + s * p.rows + group * kGroupRows;
    WEIR_UNROLL
    for (int g = 0; g < G; ++g) {
      StoreSome(y + g * kGroupRows, peaks[g], p.rows - (group + g) * kGroupRows);
    }
  }
}

inline void PeaksInt8Rows(const Int8Rows& p, size_t begin, size_t end) {
  size_t g = begin;
  for (; g + kInt8TileGroups <= end; g += kInt8TileGroups) Int8PeaksGroups<kInt8TileGroups>(p, g);
  for (; g < end; ++g) Int8PeaksGroups<1>(p, g);
}
