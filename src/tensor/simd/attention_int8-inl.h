// Attention over int8 blocks (attention.h has the layout), included after attention-inl.h. Both
// products are integer and exact, so every target gives the same bytes:
//   score_j = fma over parts of 32 channels(float(dot(key_j, q)), key_scale_j * q_scale, .)
//   w_j = 2^(score_j - peak) * value_scale_j, rounded to 14 bits of the block's largest
//   acc = fma(float(sum_j code_j * value_j), largest / 16383, acc)
// 14 bits are two u8 factors of 7 bits: their products with int8 never saturate vpmaddubsw.

// Blocks lie apart and are made of short streams, which the hardware follows badly: each line that
// is read asks for its twin in the block `ahead` (null: none), one by one, since a burst would be
// more than a core can track.
inline void AskAhead(const std::byte* ahead, size_t offset) {
  if (ahead != nullptr) __builtin_prefetch(ahead + offset);
}

// scores[r][0, 32) for R rows.
template <int R>
inline void Int8Scores(const Int8Tile& t, int row, const std::byte* head, const std::byte* ahead,
                       float* scores) {
  const int parts = t.head_dim / kInt8Part;
  const Int8Head layout(t.head_dim);
  const int8_t* q = t.q + row * t.head_dim;
  Floats s[R][2];
  WEIR_UNROLL
  for (int r = 0; r < R; ++r) s[r][0] = s[r][1] = Set(0.0f);
  for (int c = 0; c < parts; ++c) {
    const std::byte* keys = head + c * kInt8Part * 32;
    Ints dot[R][2];
    WEIR_UNROLL
    for (int r = 0; r < R; ++r) {
      dot[r][0] = dot[r][1] = KeyStart(t.q_negative_sums[(row + r) * parts + c]);
    }
    WEIR_UNROLL
    for (int i = 0; i < kInt8Part / 4; ++i) {
      const Ints k0 = LoadLine(keys + 128 * i), k1 = LoadLine(keys + 128 * i + 64);
      AskAhead(ahead, c * kInt8Part * 32 + 128 * i);
      AskAhead(ahead, c * kInt8Part * 32 + 128 * i + 64);
      WEIR_UNROLL
      for (int r = 0; r < R; ++r) {
        const int8_t* word = q + r * t.head_dim + c * kInt8Part + 4 * i;
        dot[r][0] = DotKeys(dot[r][0], k0, word);
        dot[r][1] = DotKeys(dot[r][1], k1, word);
      }
    }
    const std::byte* scales = head + layout.key_scales + c * 64;
    AskAhead(ahead, layout.key_scales + c * 64);
    const Floats f0 = LoadHalf(scales), f1 = LoadHalf(scales + 32);
    WEIR_UNROLL
    for (int r = 0; r < R; ++r) {
      const Floats x = Set(t.q_scales[(row + r) * parts + c]);
      s[r][0] = Fma(ToFloats(dot[r][0]), Mul(f0, x), s[r][0]);
      s[r][1] = Fma(ToFloats(dot[r][1]), Mul(f1, x), s[r][1]);
    }
  }
  WEIR_UNROLL
  for (int r = 0; r < R; ++r) {
    Store(scores + r * 32, s[r][0]);
    Store(scores + r * 32 + 16, s[r][1]);
  }
}

template <int R>
inline void Int8ScoresUpTo(int rows, const Int8Tile& t, int row, const std::byte* head,
                           const std::byte* ahead, float* scores) {
  if constexpr (R > 1) {
    if (rows < R) return Int8ScoresUpTo<R - 1>(rows, t, row, head, ahead, scores);
  }
  Int8Scores<R>(t, row, head, ahead, scores);
}

// Weights of 32 keys as 7 + 7 bits. Keys that the row does not see get exactly 0, whatever their
// scale holds.
struct WeightCodes {
  alignas(64) uint8_t high[kMaxTileRows][32];
  alignas(64) uint8_t low[kMaxTileRows][32];
  float scale[kMaxTileRows];
};

// Scores to weights, as UpdateRow does it, and weights to codes, for R rows at once: a row is one
// long chain of dependent operations, so rows in step keep the core busy.
template <int R>
inline void WeighRows(const Int8Tile& t, int row, const std::byte* value_scales, int64_t first_key,
                      const float* scores, WeightCodes* out) {
  const Floats zero = Set(0.0f), scale0 = LoadHalf(value_scales),
               scale1 = LoadHalf(value_scales + 32);
  uint32_t visible[R];
  Floats p0[R], p1[R];
  float peak[R], inverse[R];
  WEIR_UNROLL
  for (int r = 0; r < R; ++r) {
    visible[r] = VisibleKeys(first_key, t.begin[row + r], t.end[row + r]);
    p0[r] = Select(visible[r] & 0xffff, Load(scores + r * 32), Set(-INFINITY));
    p1[r] = Select(visible[r] >> 16, Load(scores + r * 32 + 16), Set(-INFINITY));
    const float largest = ReduceMax(Max(p0[r], p1[r]));
    const float old_peak = t.peak[row + r];
    peak[r] = largest > old_peak ? largest : old_peak;
  }
  WEIR_UNROLL
  for (int r = 0; r < R; ++r) {
    // Nothing seen yet: exactly no contribution.
    const uint32_t some = peak[r] == -INFINITY ? 0 : 0xffff;
    p0[r] = Select(some, ExpTwo(Sub(p0[r], Set(peak[r]))), zero);
    p1[r] = Select(some, ExpTwo(Sub(p1[r], Set(peak[r]))), zero);
  }
  WEIR_UNROLL
  for (int r = 0; r < R; ++r) {
    const float old_peak = t.peak[row + r];
    if (peak[r] == -INFINITY) continue;
    float* sums = t.sums + 16 * (row + r);
    float factor = 1.0f;
    if (peak[r] != old_peak) {
      factor = First(ExpTwo(Set(old_peak - peak[r])));
      ScaleRow(t.acc + (row + r) * t.head_dim, factor, t.head_dim);
      t.peak[row + r] = peak[r];
    }
    Store(sums, Fma(Load(sums), Set(factor), Add(p0[r], p1[r])));
  }
  WEIR_UNROLL
  for (int r = 0; r < R; ++r) {
    p0[r] = Select(visible[r] & 0xffff, Mul(p0[r], scale0), zero);
    p1[r] = Select(visible[r] >> 16, Mul(p1[r], scale1), zero);
    const float largest = ReduceMax(Max(p0[r], p1[r]));
    const bool some = largest > kSmallestPeak;
    inverse[r] = some ? kWeightSteps / largest : 0.0f;
    out->scale[row + r] = some ? largest / kWeightSteps : 0.0f;
  }
  WEIR_UNROLL
  for (int r = 0; r < R; ++r) {
    const Ints c0 = ToWeights(Mul(p0[r], Set(inverse[r])));
    const Ints c1 = ToWeights(Mul(p1[r], Set(inverse[r])));
    auto* high = reinterpret_cast<int8_t*>(out->high[row + r]);
    auto* low = reinterpret_cast<int8_t*>(out->low[row + r]);
    StoreBytes(high, ShiftRight7(c0));
    StoreBytes(high + 16, ShiftRight7(c1));
    StoreBytes(low, LowSeven(c0));
    StoreBytes(low + 16, LowSeven(c1));
  }
}

template <int R>
inline void WeighRowsUpTo(int rows, const Int8Tile& t, int row, const std::byte* value_scales,
                          int64_t first_key, const float* scores, WeightCodes* out) {
  if constexpr (R > 1) {
    if (rows < R) {
      return WeighRowsUpTo<R - 1>(rows, t, row, value_scales, first_key, scores, out);
    }
  }
  WeighRows<R>(t, row, value_scales, first_key, scores, out);
}

// acc[r][0, 16 V) += scale[r] * sum over keys j of code[r][j] * values[j][0, 16 V).
template <int R, int V>
inline void Int8Values(const WeightCodes& w, int row, const std::byte* values,
                       const std::byte* ahead, ValueRange keys, float* acc, int head_dim) {
  Ints high[R][V], low[R][V];
  WEIR_UNROLL
  for (int r = 0; r < R; ++r) {
    WEIR_UNROLL
    for (int v = 0; v < V; ++v) high[r][v] = low[r][v] = ZeroInts();
  }
  for (int j = keys.first / 4; 4 * j < keys.last; ++j) {
    const std::byte* from = values + static_cast<size_t>(j) * head_dim * 4;
    Ints line[V];
    WEIR_UNROLL
    for (int v = 0; v < V; ++v) {
      line[v] = LoadLine(from + 64 * v);
      AskAhead(ahead, static_cast<size_t>(j) * head_dim * 4 + 64 * v);
    }
    WEIR_UNROLL
    for (int r = 0; r < R; ++r) {
      WEIR_UNROLL
      for (int v = 0; v < V; ++v) {
        high[r][v] = DotValues(high[r][v], w.high[row + r] + 4 * j, line[v]);
        low[r][v] = DotValues(low[r][v], w.low[row + r] + 4 * j, line[v]);
      }
    }
  }
  WEIR_UNROLL
  for (int r = 0; r < R; ++r) {
    const Floats scale = Set(w.scale[row + r]);
    WEIR_UNROLL
    for (int v = 0; v < V; ++v) {
      float* to = acc + r * head_dim + 16 * v;
      Store(to, Fma(ToFloats(AddShifted7(high[r][v], low[r][v])), scale, Load(to)));
    }
  }
}

template <int R, int V>
inline void Int8ValuesUpTo(int rows, const WeightCodes& w, int row, const std::byte* values,
                           const std::byte* ahead, ValueRange keys, float* acc, int head_dim) {
  if constexpr (R > 1) {
    if (rows < R) return Int8ValuesUpTo<R - 1, V>(rows, w, row, values, ahead, keys, acc, head_dim);
  }
  Int8Values<R, V>(w, row, values, ahead, keys, acc, head_dim);
}

inline void Int8Block(const Int8Tile& t, const std::byte* head, const std::byte* ahead,
                      int64_t first_key) {
  alignas(64) float scores[kMaxTileRows * 32];
  WeightCodes weights;
  const ValueRange range = SeenKeys(t.rows, t.begin, t.end, first_key);
  if (range.last <= range.first) return;
  const Int8Head layout(t.head_dim);
  for (int r = 0; r < t.rows; r += kInt8ScoreRows) {
    Int8ScoresUpTo<kInt8ScoreRows>(std::min(kInt8ScoreRows, t.rows - r), t, r, head,
                                   r == 0 ? ahead : nullptr, scores + r * 32);
  }
  for (int r = 0; r < t.rows; r += kInt8WeighRows) {
    WeighRowsUpTo<kInt8WeighRows>(std::min(kInt8WeighRows, t.rows - r), t, r,
                                  head + layout.value_scales, first_key, scores + r * 32, &weights);
  }
  for (int r = 0; r < t.rows; r += kInt8ValueRows) {
    const int rows = std::min(kInt8ValueRows, t.rows - r);
    float* acc = t.acc + r * t.head_dim;
    const std::byte* values = head + layout.values;
    const auto next = [&](int d) {
      return r == 0 && ahead != nullptr ? ahead + layout.values + d * 4 : nullptr;
    };
    int d = 0;
    for (; d + 16 * kInt8ValueVectors <= t.head_dim; d += 16 * kInt8ValueVectors) {
      Int8ValuesUpTo<kInt8ValueRows, kInt8ValueVectors>(rows, weights, r, values + d * 4, next(d),
                                                        range, acc + d, t.head_dim);
    }
    for (; d < t.head_dim; d += 16) {
      Int8ValuesUpTo<kInt8ValueRows, 1>(rows, weights, r, values + d * 4, next(d), range, acc + d,
                                        t.head_dim);
    }
  }
}

inline void AttendInt8Tile(const Int8Tile& t) {
  for (size_t b = 0; b < t.blocks; ++b) {
    Int8Block(t, t.heads[b], t.heads[b + kAheadBlocks], t.first_key + 32 * static_cast<int64_t>(b));
  }
}

// One vector in int8 with one scale, max|x| / 127, that half precision can hold.
inline float QuantizeVector(const float* x, size_t n, int8_t* codes) {
  Ints most = ZeroInts();
  for (size_t i = 0; i < n; i += 16) most = MaxInts(most, AbsBits(Load(x + i)));
  const float peak = std::bit_cast<float>(ReduceMaxInts(most));
  const bool small = peak <= kSmallestPeak;
  const Floats inverse = Set(small ? 0.0f : 127.0f / peak);
  for (size_t i = 0; i < n; i += 16) StoreBytes(codes + i, ToCodes(Mul(Load(x + i), inverse)));
  return small ? 0.0f : peak / 127.0f;
}
