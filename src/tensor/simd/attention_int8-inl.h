// Attention over int8 blocks (attention.h has the layout), included after attention-inl.h. Both
// products are integer and exact, so every target gives the same bytes:
//   score_j = fma over parts of 32 channels(float(dot(key_j, q)), key_scale_j * q_scale, .)
//   w_j = 2^(score_j - peak) * value_scale_j, rounded to 14 bits of the span's largest
//   acc = fma(float(sum_j code_j * value_j), largest / 16383, acc), once a span
// 14 bits are two u8 factors of 7 bits: their products with int8 never saturate vpmaddubsw.

// Blocks lie apart and are made of short streams, which the hardware follows badly: the first rows
// of a tile ask for the twin in the block `ahead` of each line that they read, one by one, since a
// burst would be more than a core can track. The values of a span's first block are asked for while
// the weights of the span before are made.
template <bool kAsk>
inline void AskAhead(const std::byte* ahead, size_t offset) {
  if constexpr (kAsk) __builtin_prefetch(ahead + offset, 0, 2);
}

// scores[r * kSpanKeys + (0 .. 31)] for R rows. kDim: the head dimension, or 0 for that of the
// tile; where it is a constant, so are the distances of rows, and one register addresses them all.
template <int R, bool kAsk, int kDim>
inline void Int8Scores(const Int8Tile& t, int row, const std::byte* head, const std::byte* ahead,
                       float* scores) {
  const int head_dim = kDim > 0 ? kDim : t.head_dim;
  const int parts = head_dim / kInt8Part;
  const Int8Head layout(head_dim);
  const int8_t* q = t.q + row * head_dim;
  const float* q_scales = t.q_scales + row * parts;
  const int32_t* negative_sums = t.q_negative_sums + row * parts;
  Floats s[R][2];
  WEIR_UNROLL
  for (int r = 0; r < R; ++r) s[r][0] = s[r][1] = Set(0.0f);
  for (int c = 0; c < parts; ++c) {
    const std::byte* keys = head + c * kInt8Part * 32;
    Ints dot[R][2];
    WEIR_UNROLL
    for (int r = 0; r < R; ++r) {
      dot[r][0] = dot[r][1] = KeyStart(negative_sums[r * parts + c]);
    }
    WEIR_UNROLL
    for (int i = 0; i < kInt8Part / 4; ++i) {
      const Ints k0 = LoadLine(keys + 128 * i), k1 = LoadLine(keys + 128 * i + 64);
      AskAhead<kAsk>(ahead, c * kInt8Part * 32 + 128 * i);
      AskAhead<kAsk>(ahead, c * kInt8Part * 32 + 128 * i + 64);
      WEIR_UNROLL
      for (int r = 0; r < R; ++r) {
        const int8_t* word = q + r * head_dim + c * kInt8Part + 4 * i;
        dot[r][0] = DotKeys(dot[r][0], k0, word);
        dot[r][1] = DotKeys(dot[r][1], k1, word);
      }
    }
    const std::byte* scales = head + layout.key_scales + c * 64;
    AskAhead<kAsk>(ahead, layout.key_scales + c * 64);
    if (c == 0) AskAhead<kAsk>(ahead, layout.value_scales);
    const Floats f0 = LoadHalf(scales), f1 = LoadHalf(scales + 32);
    WEIR_UNROLL
    for (int r = 0; r < R; ++r) {
      const Floats x = Set(q_scales[r * parts + c]);
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

template <int R, bool kAsk>
inline void Int8ScoresUpTo(int rows, const Int8Tile& t, int row, const std::byte* head,
                           const std::byte* ahead, float* scores) {
  if constexpr (R > 1) {
    if (rows < R) return Int8ScoresUpTo<R - 1, kAsk>(rows, t, row, head, ahead, scores);
  }
  Int8Scores<R, kAsk, 0>(t, row, head, ahead, scores);
}

// A span of blocks of one KV head.
struct Int8Span {
  const std::byte* heads[kSpanBlocks];
  const std::byte* ahead[kSpanBlocks];  // the same block where none follows
  int blocks;
  int64_t first_key;
  ValueRange seen[kSpanBlocks];
  alignas(64) float value_scales[kSpanKeys];
};

// The weights of kInt8ScoreRows rows as 7 + 7 bits.
struct WeightCodes {
  alignas(64) uint8_t high[kInt8ScoreRows][kSpanKeys];
  alignas(64) uint8_t low[kInt8ScoreRows][kSpanKeys];
  float scale[kInt8ScoreRows];
};

// p = p * value scale; returns the largest. Keys that the row does not see get exactly 0, whatever
// their scale holds.
inline float ScaleWeights(const SpanRows& s, const Int8Span& span, int r) {
  float* p = s.scores + r * kSpanKeys;
  Floats most = Set(0.0f);
  if (s.SeesAll(r)) {
    WEIR_UNROLL
    for (int i = 0; i < kSpanKeys; i += 16) {
      const Floats w = Mul(Load(p + i), Load(span.value_scales + i));
      Store(p + i, w);
      most = Max(most, w);
    }
    return ReduceMax(most);
  }
  for (int b = 0; b < kSpanBlocks; ++b) {
    const uint32_t visible = b < s.blocks ? s.Visible(r, b) : 0;
    for (int i = 32 * b; i < 32 * b + 32; i += 16) {
      const Floats w = Mul(Load(p + i), Load(span.value_scales + i));
      const Floats seen = Select(visible >> (i % 32) & 0xffff, w, Set(0.0f));
      Store(p + i, seen);
      most = Max(most, seen);
    }
  }
  return ReduceMax(most);
}

inline void MakeWeightCodes(const SpanRows& s, const Int8Span& span, WeightCodes* out) {
  float largest[kInt8ScoreRows];
  for (int r = 0; r < s.rows; ++r) {
    largest[r] = ScaleWeights(s, span, r);
    s.ahead->Ask();
  }
  for (int r = 0; r < s.rows; ++r) {
    const bool some = largest[r] > kSmallestPeak;
    const Floats inverse = Set(some ? kWeightSteps / largest[r] : 0.0f);
    WEIR_UNROLL
    for (int i = 0; i < kSpanKeys; i += 64) {
      Floats codes[4];
      WEIR_UNROLL
      for (int v = 0; v < 4; ++v) {
        codes[v] = Mul(Load(s.scores + r * kSpanKeys + i + 16 * v), inverse);
      }
      StoreFactors(out->high[r] + i, out->low[r] + i, codes);
    }
    out->scale[r] = some ? largest[r] / kWeightSteps : 0.0f;
    s.ahead->Ask();
  }
}

// acc[r][0, 16 V) += scale[r] * sum over keys j of code[r][j] * values[j][channel, + 16 V).
template <int R, int V, bool kAsk>
inline void Int8Values(const WeightCodes& w, int row, const Int8Span& span, size_t values,
                       int head_dim, float* acc) {
  Ints high[R][V], low[R][V];
  WEIR_UNROLL
  for (int r = 0; r < R; ++r) {
    WEIR_UNROLL
    for (int v = 0; v < V; ++v) high[r][v] = low[r][v] = ZeroInts();
  }
  const size_t step = static_cast<size_t>(head_dim) * 4;
  for (int b = 0; b < span.blocks; ++b) {
    const int first = span.seen[b].first / 4, last = (span.seen[b].last + 3) / 4;
    const std::byte* from = span.heads[b] + values + first * step;
    const std::byte* ahead = (b == 0 ? span.heads[0] : span.ahead[b]) + values + first * step;
    const uint8_t *high_codes = w.high[row] + 32 * b, *low_codes = w.low[row] + 32 * b;
    for (int j = first; j < last; ++j) {
      Ints line[V];
      WEIR_UNROLL
      for (int v = 0; v < V; ++v) {
        line[v] = LoadLine(from + 64 * v);
        AskAhead<kAsk>(ahead, 64 * v);
      }
      WEIR_UNROLL
      for (int r = 0; r < R; ++r) {
        WEIR_UNROLL
        for (int v = 0; v < V; ++v) {
          high[r][v] = DotValues(high[r][v], high_codes + r * kSpanKeys + 4 * j, line[v]);
          low[r][v] = DotValues(low[r][v], low_codes + r * kSpanKeys + 4 * j, line[v]);
        }
      }
      from += step;
      ahead += step;
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

template <int R, int V, bool kAsk>
inline void Int8ValuesUpTo(int rows, const WeightCodes& w, int row, const Int8Span& span,
                           size_t values, int head_dim, float* acc) {
  if constexpr (R > 1) {
    if (rows < R)
      return Int8ValuesUpTo<R - 1, V, kAsk>(rows, w, row, span, values, head_dim, acc);
  }
  Int8Values<R, V, kAsk>(w, row, span, values, head_dim, acc);
}

template <bool kAsk>
inline void AllInt8Values(const WeightCodes& w, int row, int rows, const Int8Span& span,
                          int head_dim, float* acc) {
  const size_t values = Int8Head(head_dim).values;
  int d = 0;
  for (; d + 16 * kInt8ValueVectors <= head_dim; d += 16 * kInt8ValueVectors) {
    Int8ValuesUpTo<kInt8ValueRows, kInt8ValueVectors, kAsk>(rows, w, row, span, values + 4 * d,
                                                            head_dim, acc + d);
  }
  for (; d < head_dim; d += 16) {
    Int8ValuesUpTo<kInt8ValueRows, 1, kAsk>(rows, w, row, span, values + 4 * d, head_dim, acc + d);
  }
}

// Rows [first, first + rows) of a tile, at most kInt8ScoreRows: few enough that keys and values of
// the span stay in L1 from one product to the other.
inline void Int8Rows(const Int8Tile& t, const Int8Span& span, int first, int rows) {
  alignas(64) float scores[kInt8ScoreRows * kSpanKeys];
  WeightCodes weights;
  const bool ask = first == 0;
  for (int b = 0; b < span.blocks; ++b) {
    if (span.seen[b].last <= span.seen[b].first) continue;
    float* to = scores + 32 * b;
    const std::byte *head = span.heads[b], *ahead = span.ahead[b];
    if (ask) {
      Int8ScoresUpTo<kInt8ScoreRows, true>(rows, t, first, head, ahead, to);
    } else if (rows == kInt8ScoreRows && t.head_dim == 64) {
      Int8Scores<kInt8ScoreRows, false, 64>(t, first, head, ahead, to);
    } else if (rows == kInt8ScoreRows && t.head_dim == 128) {
      Int8Scores<kInt8ScoreRows, false, 128>(t, first, head, ahead, to);
    } else {
      Int8ScoresUpTo<kInt8ScoreRows, false>(rows, t, first, head, ahead, to);
    }
  }
  const Int8Head layout(t.head_dim);
  LinesAhead first_values;
  if (ask) {
    const std::byte* next = span.ahead[0];
    constexpr int kTimesARow = 3;
    const int lines = static_cast<int>((layout.value_scales - layout.values) / 64);
    first_values = {next + layout.values, next + layout.value_scales,
                    (lines + kTimesARow * rows - 1) / (kTimesARow * rows)};
  }
  const SpanRows here = {rows,
                         t.head_dim,
                         t.begin + first,
                         t.end + first,
                         t.acc + first * t.head_dim,
                         t.peak + first,
                         t.sums + 16 * first,
                         span.first_key,
                         span.blocks,
                         scores,
                         &first_values};
  UpdateRows(here);
  MakeWeightCodes(here, span, &weights);
  for (int r = 0; r < rows; r += kInt8ValueRows) {
    const int count = std::min(kInt8ValueRows, rows - r);
    float* acc = here.acc + r * t.head_dim;
    ask && r == 0 ? AllInt8Values<true>(weights, r, count, span, t.head_dim, acc)
                  : AllInt8Values<false>(weights, r, count, span, t.head_dim, acc);
  }
}

inline void AttendInt8Tile(const Int8Tile& t) {
  const size_t scales = Int8Head(t.head_dim).value_scales;
  const KeyRange range = RangeOf(t.rows, t.begin, t.end);
  Int8Span span;
  for (size_t b = 0; b < t.blocks; b += span.blocks) {
    span.first_key = t.first_key + 32 * static_cast<int64_t>(b);
    span.blocks = BlocksOfSpan(span.first_key, t.blocks - b);
    if (range.begin >= span.first_key + 32 * span.blocks || range.end <= span.first_key) continue;
    for (int i = 0; i < span.blocks; ++i) {
      const std::byte* ahead = t.heads[b + i + kAheadBlocks];
      span.heads[i] = t.heads[b + i];
      span.ahead[i] = ahead == nullptr ? span.heads[i] : ahead;
      span.seen[i] = range.In(span.first_key + 32 * i);
      Store(span.value_scales + 32 * i, LoadHalf(span.heads[i] + scales));
      Store(span.value_scales + 32 * i + 16, LoadHalf(span.heads[i] + scales + 32));
    }
    for (int r = 0; r < t.rows; r += kInt8ScoreRows) {
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
