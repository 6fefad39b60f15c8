// Products with F32, F16 and BF16 matrices (included once inside a target's namespace, which sets
// kFloatRows, the activation rows of a register tile, and kFloatGroups, its groups of 16 weight
// rows). Columns go by panels that stay in L1; between panels the sums rest in y.

inline constexpr size_t kPanelColumns = 128;

// Groups [0, G) at `weights`, `group_stride` floats apart, times M rows of x.
template <int M, int G>
inline void FloatTile(const float* weights, size_t group_stride, size_t columns, const float* x,
                      size_t x_stride, bool fresh, float* y, size_t y_stride, size_t last_rows) {
  Floats sum[M][G];
  WEIR_UNROLL
  for (int m = 0; m < M; ++m) {
    WEIR_UNROLL
    for (int g = 0; g < G; ++g) {
      const float* from = y + m * y_stride + g * kGroupRows;
      sum[m][g] = fresh ? Set(0.0f) : g + 1 == G ? LoadSome(from, last_rows) : Load(from);
    }
  }
  for (size_t c = 0; c < columns; ++c) {
    Floats w[G];
    WEIR_UNROLL
    for (int g = 0; g < G; ++g) w[g] = Load(weights + g * group_stride + c * kGroupRows);
    WEIR_UNROLL
    for (int m = 0; m < M; ++m) {
      const Floats xm = Set(x[m * x_stride + c]);
      WEIR_UNROLL
      for (int g = 0; g < G; ++g) sum[m][g] = Fma(w[g], xm, sum[m][g]);
    }
  }
  WEIR_UNROLL
  for (int m = 0; m < M; ++m) {
    WEIR_UNROLL
    for (int g = 0; g < G; ++g) {
      float* to = y + m * y_stride + g * kGroupRows;
      g + 1 == G ? StoreSome(to, sum[m][g], last_rows) : Store(to, sum[m][g]);
    }
  }
}

template <int M, int G>
inline void FloatTileUpTo(size_t rows, const float* weights, size_t group_stride, size_t columns,
                          const float* x, size_t x_stride, bool fresh, float* y, size_t y_stride,
                          size_t last_rows) {
  if constexpr (M > 1) {
    if (rows < M) {
      return FloatTileUpTo<M - 1, G>(rows, weights, group_stride, columns, x, x_stride, fresh, y,
                                     y_stride, last_rows);
    }
  }
  FloatTile<M, G>(weights, group_stride, columns, x, x_stride, fresh, y, y_stride, last_rows);
}

inline void FloatPanel(DType type, const std::byte* from, size_t columns, float* to) {
  for (size_t c = 0; c < columns; ++c) {
    const std::byte* p = from + c * kGroupRows * 2;
    Store(to + c * kGroupRows, type == DType::kF16 ? LoadHalf(p) : LoadBf16(p));
  }
}

// G groups from g on.
template <int G>
inline void FloatGroups(const PackedMatrix& w, size_t g, const Activations& a, float* y) {
  alignas(64) float panel[G][kPanelColumns * kGroupRows];
  const size_t last_rows = std::min(kGroupRows, w.rows - (g + G - 1) * kGroupRows);
  float* y_here = y + g * kGroupRows;
  for (size_t c = 0; c < w.columns || c == 0; c += kPanelColumns) {
    const size_t columns = std::min(kPanelColumns, w.columns - c);
    const float* weights = panel[0];
    size_t stride = kPanelColumns * kGroupRows;
    if (w.type == DType::kF32) {
      weights = reinterpret_cast<const float*>(w.group(g)) + c * kGroupRows;
      stride = w.group_bytes / sizeof(float);
    } else {
      for (int j = 0; j < G; ++j)
        FloatPanel(w.type, w.group(g + j) + c * kGroupRows * 2, columns, panel[j]);
    }
    for (size_t i = 0; i < a.n; i += kFloatRows) {
      FloatTileUpTo<kFloatRows, G>(a.n - i, weights, stride, columns, a.x + i * w.columns + c,
                                   w.columns, c == 0, y_here + i * w.rows, w.rows, last_rows);
    }
  }
}

inline void MultiplyFloats(const PackedMatrix& w, size_t begin, size_t end, const Activations& a,
                           float* y) {
  size_t g = begin;
  for (; g + kFloatGroups <= end; g += kFloatGroups) FloatGroups<kFloatGroups>(w, g, a, y);
  if constexpr (kFloatGroups > 1) {
    for (; g < end; ++g) FloatGroups<1>(w, g, a, y);
  }
}
