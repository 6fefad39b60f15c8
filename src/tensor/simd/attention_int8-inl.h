// Attention over int8 blocks (attention.h has the layout), included after attention-inl.h. Both
// products are integer and exact, so every target gives the same bytes:
//   score_j = fma over parts of 32 channels(float(dot(key_j, q)), key_scale_j * q_scale, .)
//   w_j = 2^(score_j - peak) * value_scale_j, rounded to 14 bits of the span's largest
//   acc = fma(float(sum_j code_j * value_j), largest / 16383, acc), once a span
// 14 bits are two u8 factors of 7 bits: their products with int8 never saturate vpmaddubsw.

// Blocks lie apart and are made of short streams, which the hardware follows badly: each line that
// is read asks for its twin in the block `ahead` (null: none), one by one, since a burst would be
// more than a core can track.
inline void AskAhead(const std::byte* ahead, size_t offset) {
  if (ahead != nullptr) __builtin_prefetch(ahead + offset);
}

// scores[r * kSpanKeys + (0 .. 31)] for R rows.
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
    Store(scores + r * kSpanKeys, s[r][0]);
    Store(scores + r * kSpanKeys + 16, s[r][1]);
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

// A span of blocks of one KV head.
struct Int8Span {
  const std::byte* const* heads;  // [blocks + kAheadBlocks]
  int blocks;
  int64_t first_key;
  ValueRange seen[kSpanBlocks];
  alignas(64) float value_scales[kSpanKeys];
};

// The weights of kInt8ScoreRows rows as 7 + 7 bits. Keys that the row does not see get exactly 0,
// whatever their scale holds.
struct WeightCodes {
  alignas(64) uint8_t high[kInt8ScoreRows][kSpanKeys];
  alignas(64) uint8_t low[kInt8ScoreRows][kSpanKeys];
  float scale[kInt8ScoreRows];
};

inline void MakeWeightCodes(const Int8Span& span, const SpanKeys& keys, float* p, int r,
                            WeightCodes* out) {
  Floats most = Set(0.0f);
  for (int i = 0; i < 2 * span.blocks; ++i) {
    const uint32_t visible = keys.visible[i / 2] >> (16 * (i % 2)) & 0xffff;
    const Floats w = Select(visible, Mul(Load(p + 16 * i), Load(span.value_scales + 16 * i)),
                            Set(0.0f));
    most = Max(most, w);
    Store(p + 16 * i, w);
  }
  const float largest = ReduceMax(most);
  const bool some = largest > kSmallestPeak;
  const Floats inverse = Set(some ? kWeightSteps / largest : 0.0f);
  for (int i = 0; i < 2 * span.blocks; ++i) {
    const Ints codes = ToWeights(Mul(Load(p + 16 * i), inverse));
    StoreBytes(reinterpret_cast<int8_t*>(out->high[r] + 16 * i), ShiftRight7(codes));
    StoreBytes(reinterpret_cast<int8_t*>(out->low[r] + 16 * i), LowSeven(codes));
  }
  out->scale[r] = some ? largest / kWeightSteps : 0.0f;
}

// acc[r][0, 16 V) += scale[r] * sum over keys j of code[r][j] * values[j][channel, + 16 V).
template <int R, int V>
inline void Int8Values(const WeightCodes& w, int row, const Int8Span& span, size_t values,
                       bool ask, int head_dim, float* acc) {
  Ints high[R][V], low[R][V];
  WEIR_UNROLL
  for (int r = 0; r < R; ++r) {
    WEIR_UNROLL
    for (int v = 0; v < V; ++v) high[r][v] = low[r][v] = ZeroInts();
  }
  for (int b = 0; b < span.blocks; ++b) {
    const std::byte* ahead = ask ? span.heads[b + kAheadBlocks] : nullptr;
    for (int j = span.seen[b].first / 4; 4 * j < span.seen[b].last; ++j) {
      const size_t at = values + static_cast<size_t>(j) * head_dim * 4;
      Ints line[V];
      WEIR_UNROLL
      for (int v = 0; v < V; ++v) {
        line[v] = LoadLine(span.heads[b] + at + 64 * v);
        AskAhead(ahead, at + 64 * v);
      }
      WEIR_UNROLL
      for (int r = 0; r < R; ++r) {
        WEIR_UNROLL
        for (int v = 0; v < V; ++v) {
          high[r][v] = DotValues(high[r][v], w.high[row + r] + 32 * b + 4 * j, line[v]);
          low[r][v] = DotValues(low[r][v], w.low[row + r] + 32 * b + 4 * j, line[v]);
        }
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
inline void Int8ValuesUpTo(int rows, const WeightCodes& w, int row, const Int8Span& span,
                           size_t values, bool ask, int head_dim, float* acc) {
  if constexpr (R > 1) {
    if (rows < R)
      return Int8ValuesUpTo<R - 1, V>(rows, w, row, span, values, ask, head_dim, acc);
  }
  Int8Values<R, V>(w, row, span, values, ask, head_dim, acc);
}

// Rows [first, first + rows) of a tile, at most kInt8ScoreRows: few enough that keys and values of
// the span stay in L1 from one product to the other.
inline void Int8Rows(const Int8Tile& t, const Int8Span& span, int first, int rows) {
  alignas(64) float scores[kInt8ScoreRows * kSpanKeys];
  WeightCodes weights;
  const bool ask = first == 0;
  for (int b = 0; b < span.blocks; ++b) {
    if (span.seen[b].last <= span.seen[b].first) continue;
    Int8ScoresUpTo<kInt8ScoreRows>(rows, t, first, span.heads[b],
                                   ask ? span.heads[b + kAheadBlocks] : nullptr,
                                   scores + 32 * b);
  }
  for (int r = 0; r < rows; ++r) {
    const int row = first + r;
    const SpanKeys keys = VisibleInSpan(span.first_key, span.blocks, t.begin[row], t.end[row]);
    float* p = scores + r * kSpanKeys;
    UpdateRow({t.acc + row * t.head_dim, t.peak + row, t.sums + 16 * row, t.head_dim}, keys,
              span.blocks, p);
    MakeWeightCodes(span, keys, p, r, &weights);
  }
  const size_t values = Int8Head(t.head_dim).values;
  for (int r = 0; r < rows; r += kInt8ValueRows) {
    const int here = std::min(kInt8ValueRows, rows - r);
    float* acc = t.acc + (first + r) * t.head_dim;
    const bool ask_here = ask && r == 0;
    int d = 0;
    for (; d + 16 * kInt8ValueVectors <= t.head_dim; d += 16 * kInt8ValueVectors) {
      Int8ValuesUpTo<kInt8ValueRows, kInt8ValueVectors>(here, weights, r, span, values + 4 * d,
                                                        ask_here, t.head_dim, acc + d);
    }
    for (; d < t.head_dim; d += 16) {
      Int8ValuesUpTo<kInt8ValueRows, 1>(here, weights, r, span, values + 4 * d, ask_here,
                                        t.head_dim, acc + d);
    }
  }
}

inline void AttendInt8Tile(const Int8Tile& t) {
  const size_t scales = Int8Head(t.head_dim).value_scales;
  Int8Span span;
  for (size_t b = 0; b < t.blocks; b += span.blocks) {
    span.heads = t.heads + b;
    span.first_key = t.first_key + 32 * static_cast<int64_t>(b);
    span.blocks = BlocksOfSpan(span.first_key, t.blocks - b);
    bool some = false;
    for (int i = 0; i < span.blocks; ++i) {
      span.seen[i] = SeenKeys(t.rows, t.begin, t.end, span.first_key + 32 * i);
      some |= span.seen[i].last > span.seen[i].first;
      Store(span.value_scales + 32 * i, LoadHalf(span.heads[i] + scales));
      Store(span.value_scales + 32 * i + 16, LoadHalf(span.heads[i] + scales + 32));
    }
    for (int r = 0; some && r < t.rows; r += kInt8ScoreRows) {
      Int8Rows(t, span, r, std::min(kInt8ScoreRows, t.rows - r));
    }
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
