// Online-softmax attention of a tile of rows, in 16-lane vectors (included once inside a target's
// namespace). Register tiles are set by the target: kScoreRows x 32 keys, kValueRows x
// kValueVectors. Keys are taken in spans of kSpanBlocks blocks, so that reductions and rescaling
// are paid once in 128 keys. Per row and span: scores by fma over head_dim in order, peak,
// p = 2^(s - peak), then acc = fma(p_j, v_j, acc) over keys j in order. Rows never affect each
// other, and keys that a row does not see add exactly nothing.

template <bool kHalf>
inline Floats LoadKeys(const void* p, size_t i) {
  if constexpr (kHalf) return LoadHalf(static_cast<const uint16_t*>(p) + i);
  return Load(static_cast<const float*>(p) + i);
}

// scores[r * kSpanKeys + (0 .. 31)] for R rows.
template <int R, bool kHalf>
inline void ScoreRows(const float* q, int head_dim, const void* keys, float* scores) {
  Floats s[R][2];
  WEIR_UNROLL
  for (int r = 0; r < R; ++r) s[r][0] = s[r][1] = Set(0.0f);
  for (int d = 0; d < head_dim; ++d) {
    const Floats k0 = LoadKeys<kHalf>(keys, static_cast<size_t>(d) * 32);
    const Floats k1 = LoadKeys<kHalf>(keys, static_cast<size_t>(d) * 32 + 16);
    WEIR_UNROLL
    for (int r = 0; r < R; ++r) {
      const Floats x = Set(q[r * head_dim + d]);
      s[r][0] = Fma(x, k0, s[r][0]);
      s[r][1] = Fma(x, k1, s[r][1]);
    }
  }
  WEIR_UNROLL
  for (int r = 0; r < R; ++r) {
    Store(scores + r * kSpanKeys, s[r][0]);
    Store(scores + r * kSpanKeys + 16, s[r][1]);
  }
}

template <int R, bool kHalf>
inline void ScoresUpTo(int rows, const float* q, int head_dim, const void* keys, float* scores) {
  if constexpr (R > 1) {
    if (rows < R) return ScoresUpTo<R - 1, kHalf>(rows, q, head_dim, keys, scores);
  }
  ScoreRows<R, kHalf>(q, head_dim, keys, scores);
}

struct ValueRange {
  int first, last;  // keys of the block that some row sees
};

// acc[r][0, 16 V) += sum over keys j of p[r][j] * values[j][0, 16 V).
template <int R, int V, bool kHalf>
inline void AddValues(const float* p, const void* values, size_t stride, ValueRange keys,
                      float* acc, int head_dim) {
  Floats sum[R][V];
  WEIR_UNROLL
  for (int r = 0; r < R; ++r) {
    WEIR_UNROLL
    for (int v = 0; v < V; ++v) sum[r][v] = Load(acc + r * head_dim + 16 * v);
  }
  for (int j = keys.first; j < keys.last; ++j) {
    Floats value[V];
    WEIR_UNROLL
    for (int v = 0; v < V; ++v) value[v] = LoadKeys<kHalf>(values, j * stride + 16 * v);
    WEIR_UNROLL
    for (int r = 0; r < R; ++r) {
      const Floats x = Set(p[r * kSpanKeys + j]);
      WEIR_UNROLL
      for (int v = 0; v < V; ++v) sum[r][v] = Fma(x, value[v], sum[r][v]);
    }
  }
  WEIR_UNROLL
  for (int r = 0; r < R; ++r) {
    WEIR_UNROLL
    for (int v = 0; v < V; ++v) Store(acc + r * head_dim + 16 * v, sum[r][v]);
  }
}

template <int R, int V, bool kHalf>
inline void AddValuesUpTo(int rows, const float* p, const void* values, size_t stride,
                          ValueRange keys, float* acc, int head_dim) {
  if constexpr (R > 1) {
    if (rows < R)
      return AddValuesUpTo<R - 1, V, kHalf>(rows, p, values, stride, keys, acc, head_dim);
  }
  AddValues<R, V, kHalf>(p, values, stride, keys, acc, head_dim);
}

template <bool kHalf>
inline const void* Advance(const void* p, size_t i) {
  if constexpr (kHalf) return static_cast<const uint16_t*>(p) + i;
  return static_cast<const float*>(p) + i;
}

template <bool kHalf>
inline float ElementAt(const void* p, size_t i) {
  if constexpr (kHalf) return HalfToFloat(static_cast<const uint16_t*>(p)[i]);
  return static_cast<const float*>(p)[i];
}

// Heads that are narrower than kValueVectors: as many sums from more rows, so that none waits for
// itself.
inline constexpr int kNarrow = kValueVectors > 2 ? 2 : kValueVectors;
inline constexpr int kNarrowRows = kValueRows * kValueVectors / kNarrow;

template <bool kHalf>
inline void NarrowValues(int rows, const float* p, const void* values, size_t stride,
                         ValueRange keys, float* acc, int head_dim) {
  for (int first = 0; first < rows; first += kNarrowRows) {
    const int here = std::min(kNarrowRows, rows - first);
    for (int d = 0; d < head_dim; d += 16 * kNarrow) {
      AddValuesUpTo<kNarrowRows, kNarrow, kHalf>(here, p + first * kSpanKeys,
                                                 Advance<kHalf>(values, d), stride, keys,
                                                 acc + first * head_dim + d, head_dim);
    }
  }
}

template <bool kHalf>
inline void AllValues(int rows, const float* p, const void* values, size_t stride, ValueRange keys,
                      float* acc, int head_dim) {
  if (head_dim < 16 * kValueVectors && head_dim % (16 * kNarrow) == 0)
    return NarrowValues<kHalf>(rows, p, values, stride, keys, acc, head_dim);
  for (int first = 0; first < rows; first += kValueRows) {
    const int here = std::min(kValueRows, rows - first);
    const float* p_here = p + first * kSpanKeys;
    float* acc_here = acc + first * head_dim;
    int d = 0;
    for (; d + 16 * kValueVectors <= head_dim; d += 16 * kValueVectors) {
      AddValuesUpTo<kValueRows, kValueVectors, kHalf>(here, p_here, Advance<kHalf>(values, d),
                                                      stride, keys, acc_here + d, head_dim);
    }
    for (; d + 16 <= head_dim; d += 16) {
      AddValuesUpTo<kValueRows, 1, kHalf>(here, p_here, Advance<kHalf>(values, d), stride, keys,
                                          acc_here + d, head_dim);
    }
    for (; d < head_dim; ++d) {  // head_dim that is not a multiple of 16
      for (int r = 0; r < here; ++r) {
        float sum = acc_here[r * head_dim + d];
        for (int j = keys.first; j < keys.last; ++j) {
          sum = std::fma(p_here[r * kSpanKeys + j], ElementAt<kHalf>(values, j * stride + d), sum);
        }
        acc_here[r * head_dim + d] = sum;
      }
    }
  }
}

inline void Scale(const float* x, float factor, size_t n, float* out) {
  const Floats f = Set(factor);
  size_t i = 0;
  for (; i + 16 <= n; i += 16) Store(out + i, Mul(Load(x + i), f));
  if (i < n) StoreSome(out + i, Mul(LoadSome(x + i, n - i), f), n - i);
}

// Bits of the 32 keys at [first_key, first_key + 32) that lie in [begin, end).
inline uint32_t VisibleKeys(int64_t first_key, int64_t begin, int64_t end) {
  const int64_t lo = std::clamp<int64_t>(begin - first_key, 0, 32);
  const int64_t hi = std::clamp<int64_t>(end - first_key, 0, 32);
  if (hi <= lo) return 0;
  return static_cast<uint32_t>(((uint64_t{1} << hi) - 1) & ~((uint64_t{1} << lo) - 1));
}

// Keys that some row of a tile sees.
struct KeyRange {
  int64_t begin, end;

  ValueRange In(int64_t first_key) const {
    return {static_cast<int>(std::clamp<int64_t>(begin - first_key, 0, 32)),
            static_cast<int>(std::clamp<int64_t>(end - first_key, 0, 32))};
  }
};
inline KeyRange RangeOf(int rows, const int64_t* begin, const int64_t* end) {
  return {*std::min_element(begin, begin + rows), *std::max_element(end, end + rows)};
}

// Those of the block at first_key.
inline ValueRange SeenKeys(int rows, const int64_t* begin, const int64_t* end, int64_t first_key) {
  return RangeOf(rows, begin, end).In(first_key);
}

// The state of one row.
struct RowState {
  float* acc;
  float* peak;
  float* sums;
  int head_dim;
};

// A row's new peak and weights of sum `total` (16 parts).
inline void Rescale(const RowState& row, float peak, Floats total) {
  float factor = 1.0f;
  if (peak != *row.peak) {
    factor = First(ExpTwo(Set(*row.peak - peak)));
    Scale(row.acc, factor, row.head_dim, row.acc);
  }
  Store(row.sums, Fma(Load(row.sums), Set(factor), total));
  *row.peak = peak;
}

// Turns the scores of a row into weights and rescales what the row holds to its new peak.
inline void UpdateRow(const RowState& row, uint32_t visible, float* scores) {
  Floats s0 = Load(scores), s1 = Load(scores + 16);
  if (visible != 0xffffffffu) {
    s0 = Select(visible & 0xffff, s0, Set(-INFINITY));
    s1 = Select(visible >> 16, s1, Set(-INFINITY));
  }
  const float largest = ReduceMax(Max(s0, s1));
  const float peak = largest > *row.peak ? largest : *row.peak;
  if (peak == -INFINITY) {  // nothing seen yet: exactly no contribution
    Store(scores, Set(0.0f));
    Store(scores + 16, Set(0.0f));
    return;
  }
  const Floats p0 = ExpTwo(Sub(s0, Set(peak))), p1 = ExpTwo(Sub(s1, Set(peak)));
  Store(scores, p0);
  Store(scores + 16, p1);
  Rescale(row, peak, Add(p0, p1));
}

// Blocks of a tile that share one step: those up to the next multiple of kSpanKeys. The cut depends
// on positions alone, so that no split of a call changes a row's bits.
inline int BlocksOfSpan(int64_t first_key, size_t left) {
  const int64_t whole = kSpanBlocks - first_key / 32 % kSpanBlocks;
  return static_cast<int>(std::min<int64_t>(whole, static_cast<int64_t>(left)));
}

// Lines of keys and values to come, asked for a few at a time while weights are made: memory would
// idle meanwhile.
struct LinesAhead {
  const std::byte *next = nullptr, *end = nullptr;
  int at_once = 0;

  void Ask() {
    for (int i = 0; i < at_once && next < end; ++i, next += 64) __builtin_prefetch(next, 0, 2);
  }
};

// Some rows of a tile against a span: row r's scores lie at scores + r * kSpanKeys.
struct SpanRows {
  int rows, head_dim;
  const int64_t *begin, *end;
  float *acc, *peak, *sums;
  int64_t first_key;
  int blocks;
  float* scores;
  LinesAhead* ahead;

  bool SeesAll(int r) const {
    return blocks == kSpanBlocks && begin[r] <= first_key && end[r] >= first_key + kSpanKeys;
  }
  uint32_t Visible(int r, int block) const {
    return VisibleKeys(first_key + 32 * block, begin[r], end[r]);
  }
};

// The largest visible score of a row. Scores that are not visible become -infinity.
inline float PeakOfRow(const SpanRows& s, int r) {
  float* scores = s.scores + r * kSpanKeys;
  Floats most = Set(-INFINITY);
  if (s.SeesAll(r)) {
    Floats other = most;
    WEIR_UNROLL
    for (int i = 0; i < kSpanKeys; i += 32) {
      most = Max(most, Load(scores + i));
      other = Max(other, Load(scores + i + 16));
    }
    return ReduceMax(Max(most, other));
  }
  for (int b = 0; b < s.blocks; ++b) {
    const uint32_t visible = s.Visible(r, b);
    for (int half = 0; half < 2; ++half) {
      float* at = scores + 32 * b + 16 * half;
      const Floats x = Select(visible >> (16 * half) & 0xffff, Load(at), Set(-INFINITY));
      Store(at, x);
      most = Max(most, x);
    }
  }
  return ReduceMax(most);
}

// scores = 2^(scores - peak) of whole blocks; returns the sums. Two chains of sums, the halves of
// the blocks, meet at the end: one would wait for itself.
template <int kBlocks>
inline Floats WeightsOfRow(float* scores, float peak, Floats (&total)[2]) {
  WEIR_UNROLL
  for (int i = 0; i < 2 * kBlocks; ++i) {
    const Floats p = ExpTwo(Sub(Load(scores + 16 * i), Set(peak)));
    Store(scores + 16 * i, p);
    total[i % 2] = Add(total[i % 2], p);
  }
  return Add(total[0], total[1]);
}

// UpdateRow over a span, step by step for all rows: the reductions of one row hide behind the next.
inline void UpdateRows(const SpanRows& s) {
  float peaks[kMaxTileRows];
  for (int r = 0; r < s.rows; ++r) {
    const float largest = PeakOfRow(s, r);
    peaks[r] = largest > s.peak[r] ? largest : s.peak[r];
  }
  for (int r = 0; r < s.rows; ++r) {
    float* scores = s.scores + r * kSpanKeys;
    if (peaks[r] == -INFINITY) {  // nothing seen yet: exactly no contribution
      std::fill_n(scores, 32 * s.blocks, 0.0f);
      continue;
    }
    Floats parts[2] = {Set(0.0f), Set(0.0f)}, total = parts[0];
    if (s.blocks == kSpanBlocks) {
      total = WeightsOfRow<kSpanBlocks>(scores, peaks[r], parts);
    } else {
      for (int b = 0; b < s.blocks; ++b) {
        total = WeightsOfRow<1>(scores + 32 * b, peaks[r], parts);
      }
    }
    Rescale({s.acc + r * s.head_dim, s.peak + r, s.sums + 16 * r, s.head_dim}, peaks[r], total);
    s.ahead->Ask();
  }
}

inline void HalfsToFloats(const void* from, size_t n, float* to) {
  for (size_t i = 0; i < n; i += 16)
    Store(to + i, LoadHalf(static_cast<const uint16_t*>(from) + i));
}

// Many rows share one conversion of a block to f32; few rows convert as they load.
inline constexpr int kConvertRows = 8;
inline constexpr int kConvertDim = 256;

template <bool kHalf>
inline void SpanScores(const AttentionTile& t, const void* keys, float* scores) {
  for (int r = 0; r < t.rows; r += kScoreRows) {
    ScoresUpTo<kScoreRows, kHalf>(std::min(kScoreRows, t.rows - r), t.q + r * t.head_dim,
                                  t.head_dim, keys, scores + r * kSpanKeys);
  }
}

inline void AttendSpan(const AttentionTile& t, const KeyRange& range, const KeyBlock* blocks,
                       int count, int64_t first_key) {
  alignas(64) float scores[kMaxTileRows * kSpanKeys];
  alignas(64) float floats[32 * kConvertDim];
  const bool convert = t.half && t.rows > kConvertRows && t.head_dim <= kConvertDim &&
                       t.value_stride == static_cast<size_t>(t.head_dim);
  for (int b = 0; b < count; ++b) {
    const ValueRange seen = range.In(first_key + 32 * b);
    if (seen.last <= seen.first) continue;
    if (convert) HalfsToFloats(blocks[b].keys, 32 * t.head_dim, floats);
    const void* keys = convert ? floats : blocks[b].keys;
    t.half && !convert ? SpanScores<true>(t, keys, scores + 32 * b)
                       : SpanScores<false>(t, keys, scores + 32 * b);
  }
  LinesAhead none;
  UpdateRows({t.rows, t.head_dim, t.begin, t.end, t.acc, t.peak, t.sums, first_key, count, scores,
              &none});
  for (int b = 0; b < count; ++b) {
    const ValueRange seen = range.In(first_key + 32 * b);
    if (seen.last <= seen.first) continue;
    if (convert) HalfsToFloats(blocks[b].values, 32 * t.head_dim, floats);
    const void* values = convert ? floats : blocks[b].values;
    const float* p = scores + 32 * b;
    t.half && !convert
        ? AllValues<true>(t.rows, p, values, t.value_stride, seen, t.acc, t.head_dim)
        : AllValues<false>(t.rows, p, values, t.value_stride, seen, t.acc, t.head_dim);
  }
}

inline void AttendTile(const AttentionTile& t) {
  const KeyRange range = RangeOf(t.rows, t.begin, t.end);
  for (size_t b = 0; b < t.blocks.size();) {
    const int64_t first_key = t.first_key + 32 * static_cast<int64_t>(b);
    const int count = BlocksOfSpan(first_key, t.blocks.size() - b);
    if (range.begin < first_key + 32 * count && range.end > first_key) {
      AttendSpan(t, range, &t.blocks[b], count, first_key);
    }
    b += count;
  }
}

inline void MergeRow(float* acc, float* peak, float* sums, const float* acc2, float peak2,
                     const float* sums2, int head_dim) {
  if (peak2 == -INFINITY) return;
  const float most = *peak > peak2 ? *peak : peak2;
  const Floats a = ExpTwo(Set(*peak - most)), b = ExpTwo(Set(peak2 - most));
  int d = 0;
  for (; d + 16 <= head_dim; d += 16) Store(acc + d, Fma(Load(acc2 + d), b, Mul(Load(acc + d), a)));
  if (d < head_dim) {
    const size_t m = head_dim - d;
    StoreSome(acc + d, Fma(LoadSome(acc2 + d, m), b, Mul(LoadSome(acc + d, m), a)), m);
  }
  Store(sums, Fma(Load(sums2), b, Mul(Load(sums), a)));
  *peak = most;
}

inline float FinishRow(const float* acc, float peak, const float* sums, float* out, int head_dim) {
  const float total = ReduceAdd(Load(sums));
  if (peak == -INFINITY) {
    std::fill_n(out, head_dim, 0.0f);
    return -INFINITY;
  }
  const Floats inverse = Set(1.0f / total);
  int d = 0;
  for (; d + 16 <= head_dim; d += 16) Store(out + d, Mul(Load(acc + d), inverse));
  if (d < head_dim) StoreSome(out + d, Mul(LoadSome(acc + d, head_dim - d), inverse), head_dim - d);
  return (peak + std::log2(total)) * 0.69314718056f;
}

inline void ToHalf(const float* x, uint16_t* out, size_t n) {
  size_t i = 0;
  for (; i + 16 <= n; i += 16) StoreHalf(out + i, Load(x + i));
  for (; i < n; ++i) out[i] = FloatToHalf(x[i]);
}
