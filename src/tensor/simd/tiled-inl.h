// The functions of TiledKernels in 16-lane vectors (included once inside a target's namespace,
// after ops-inl.h). The target sets kTiledRows, the rows of a register tile of 32 columns.

template <int R>
inline void TiledTile(const float* a, size_t a_stride, const float* b, size_t depth, bool fresh,
                      float* c, size_t c_stride) {
  Floats sum[R][2];
  WEIR_UNROLL
  for (int r = 0; r < R; ++r) {
    sum[r][0] = fresh ? Set(0.0f) : Load(c + r * c_stride);
    sum[r][1] = fresh ? Set(0.0f) : Load(c + r * c_stride + 16);
  }
  for (size_t k = 0; k < depth; ++k) {
    const Floats b0 = Load(b + k * kTiledPanel), b1 = Load(b + k * kTiledPanel + 16);
    WEIR_UNROLL
    for (int r = 0; r < R; ++r) {
      const Floats x = Set(a[r * a_stride + k]);
      sum[r][0] = Fma(x, b0, sum[r][0]);
      sum[r][1] = Fma(x, b1, sum[r][1]);
    }
  }
  WEIR_UNROLL
  for (int r = 0; r < R; ++r) {
    Store(c + r * c_stride, sum[r][0]);
    Store(c + r * c_stride + 16, sum[r][1]);
  }
}

template <int R>
inline void TiledTileUpTo(size_t rows, const float* a, size_t a_stride, const float* b,
                          size_t depth, bool fresh, float* c, size_t c_stride) {
  if constexpr (R > 1) {
    if (rows < R) return TiledTileUpTo<R - 1>(rows, a, a_stride, b, depth, fresh, c, c_stride);
  }
  TiledTile<R>(a, a_stride, b, depth, fresh, c, c_stride);
}

inline void TiledProduct(size_t rows, const float* a, size_t a_stride, const float* b, size_t depth,
                         bool fresh, float* c, size_t c_stride) {
  for (size_t r = 0; r < rows; r += kTiledRows) {
    TiledTileUpTo<kTiledRows>(rows - r, a + r * a_stride, a_stride, b, depth, fresh,
                              c + r * c_stride, c_stride);
  }
}

inline uint32_t TiledLanes(size_t first, size_t visible) {
  return visible >= first + 16 ? 0xffffu
                               : visible <= first ? 0u : (1u << (visible - first)) - 1u;
}

inline float TiledPeak(const float* scores, size_t visible) {
  Floats most = Set(-INFINITY);
  for (size_t i = 0; i < visible; i += 16) {
    most = Max(most, Select(TiledLanes(i, visible), Load(scores + i), Set(-INFINITY)));
  }
  return ReduceMax(most);
}

inline void TiledScale(const float* x, float factor, size_t n, float* out) {
  size_t i = 0;
  for (; i + 16 <= n; i += 16) Store(out + i, Mul(Load(x + i), Set(factor)));
  if (i < n) StoreSome(out + i, Mul(LoadSome(x + i, n - i), Set(factor)), n - i);
}

// 2^(old - now), and 0 for a row that saw nothing before.
inline float TiledFactor(float old_peak, float peak) {
  return old_peak == -INFINITY ? 0.0f : First(ExpTwo(Set(old_peak - peak)));
}

inline void TiledWeigh(float* scores, size_t visible, size_t n, float* peak, float* sum, float* acc,
                       size_t width) {
  const float largest = TiledPeak(scores, visible);
  if (largest > *peak) {
    const float factor = TiledFactor(*peak, largest);
    TiledScale(acc, factor, width, acc);
    *sum *= factor;
    *peak = largest;
  }
  Floats total = Set(0.0f);
  const size_t seen = *peak == -INFINITY ? 0 : visible;
  for (size_t i = 0; i < n; i += 16) {
    const Floats p = ExpTwo(Sub(Load(scores + i), Set(*peak)));
    const Floats kept = Select(TiledLanes(i, seen), p, Set(0.0f));
    total = Add(total, kept);
    Store(scores + i, kept);
  }
  *sum += ReduceAdd(total);
}

inline void TiledObserve(const float* scores, size_t visible, float* peak, float* sum) {
  const float largest = TiledPeak(scores, visible);
  if (largest > *peak) {
    *sum *= TiledFactor(*peak, largest);
    *peak = largest;
  }
  if (*peak == -INFINITY) return;
  Floats total = Set(0.0f);
  for (size_t i = 0; i < visible; i += 16) {
    const Floats p = ExpTwo(Sub(Load(scores + i), Set(*peak)));
    total = Add(total, Select(TiledLanes(i, visible), p, Set(0.0f)));
  }
  *sum += ReduceAdd(total);
}

inline void TiledExponentiate(const float* scores, size_t visible, size_t n, float peak,
                              float factor, float* p) {
  const size_t seen = peak == -INFINITY ? 0 : visible;
  for (size_t i = 0; i < n; i += 16) {
    const Floats x = Mul(ExpTwo(Sub(Load(scores + i), Set(peak))), Set(factor));
    Store(p + i, Select(TiledLanes(i, seen), x, Set(0.0f)));
  }
}
