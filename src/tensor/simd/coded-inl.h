// Attention over coded blocks (coded_kv.h has the layout), included after attention-inl.h. With
// codes u, scales s and middles m of a block, centre = (2^bits - 1) / 2 of keys or of values:
//   keys of a channel:  f_c = q_c s_c, folded anew for each block
//     score_j = fma(float(sum_c u_cj f_c), scale, sum_c (q_c m_c - centre scale f_c))
//   keys of a token:    f_c = q_c; per part of 32 channels
//     score_j += fma(s_j, scale sum_c u_cj f_c - centre scale sum_c f_c, m_j scale sum_c f_c)
//   values:             w_j = p_j s_j of each part of 32 channels
//     acc_c += fma(float(sum_j u_cj w_j), scale, sum_j (p_j m_j - centre scale w_j))
// f is rounded to 15 bits of the largest of its row, as 128 high + low in two signed bytes, w to 8
// bits of the largest of its block. Products are exact integers: a byte times a code of at most 15
// never saturates vpmaddubsw. The centre takes out what rounding f or w would add to every element
// of a block alike. A line of codes is taken apart once for all the rows of a register tile.

// As AskAhead of int8 blocks: each line that is read asks for its twin in a block to come.
inline void AskForLine(const std::byte* ahead, size_t offset) {
  if (ahead != nullptr) __builtin_prefetch(ahead + offset, 0, 2);
}

// Lines that a packed line holds, and the codes of one of them as bytes.
template <int kBits>
inline constexpr int kFold = 8 / kBits;
template <int kBits>
inline constexpr float kCentre = 0.5f * ((1 << kBits) - 1);
template <int kBits, int F>
inline Ints CodesOf(Ints packed) {
  return ShiftMask<F * kBits>(packed, 0x01010101 * ((1 << kBits) - 1));
}

// The lines of codes that one packed line holds.
template <int kBits>
inline void UnpackLine(Ints packed, Ints (&line)[kFold<kBits>]) {
  line[0] = CodesOf<kBits, 0>(packed);
  line[1] = CodesOf<kBits, 1>(packed);
  if constexpr (kBits == 2) {
    line[2] = CodesOf<kBits, 2>(packed);
    line[3] = CodesOf<kBits, 3>(packed);
  }
}

// Bit kQuad of each byte, where the high bit of a code of 3 bits stands.
template <int kQuad>
inline Ints HighBit(Ints packed) {
  if constexpr (kQuad == 0) packed = AddInts(packed, packed);
  if constexpr (kQuad <= 1) packed = AddInts(packed, packed);
  return ShiftMask<std::max(kQuad - 2, 0)>(packed, 0x04040404);
}

// The four lines of keys of one half of the 32 channels whose packed lines begin at `part`.
template <int kBits, int kHalf>
inline void UnpackKeys(const std::byte* part, Ints (&line)[4]) {
  if constexpr (kBits == 4) {
    Ints two[2];
    UnpackLine<4>(LoadLine(part + 128 * kHalf), two);
    line[0] = two[0];
    line[1] = two[1];
    UnpackLine<4>(LoadLine(part + 128 * kHalf + 64), two);
    line[2] = two[0];
    line[3] = two[1];
  } else {
    UnpackLine<2>(LoadLine(part + 64 * kHalf), line);
  }
  if constexpr (kBits == 3) {
    const Ints high = LoadLine(part + 128);
    line[0] = AddInts(line[0], HighBit<4 * kHalf>(high));
    line[1] = AddInts(line[1], HighBit<4 * kHalf + 1>(high));
    line[2] = AddInts(line[2], HighBit<4 * kHalf + 2>(high));
    line[3] = AddInts(line[3], HighBit<4 * kHalf + 3>(high));
  }
}

// Sixteen scales beside codes of kBits, from the i-th on.
template <int kBits>
inline Floats LoadScales(const std::byte* scales, int i) {
  if constexpr (CodedScaleBytes(kBits) == 2) return LoadHalf(scales + 2 * i);
  return LoadShort(scales + i);
}

// Queries of a register tile, the scales of one block folded in.
struct FoldedRows {
  alignas(64) int8_t high[kCodedRows][kMaxCodedDim];
  alignas(64) int8_t low[kCodedRows][kMaxCodedDim];
  float scale[kCodedRows], start[kCodedRows];
  float part_sums[kCodedRows][kMaxCodedDim / kInt8Part];  // scale sum f; keys of a token only
};

inline constexpr float kFoldSteps = 127 * 128;

template <int kBits, bool kTokenKeys>
inline void FoldRow(const float* q, const std::byte* scales, const std::byte* middles, int d, int r,
                    FoldedRows* out) {
  const auto folded = [&](int c) {
    if constexpr (kTokenKeys) return Load(q + c);
    return Mul(Load(q + c), LoadScales<kBits>(scales, c));
  };
  Ints most = ZeroInts();
  for (int c = 0; c < d; c += 16) most = MaxInts(most, AbsBits(folded(c)));
  const float peak = std::bit_cast<float>(ReduceMaxInts(most));
  const bool small = peak <= kSmallestPeak;
  const float scale = small ? 0.0f : peak / kFoldSteps;
  const Floats inverse = Set(small ? 0.0f : kFoldSteps / peak);
  const Floats centre = Set(-kCentre<kBits> * scale);
  Floats start = Set(0.0f);
  for (int c = 0; c < d; c += 16) {
    const Ints codes = RoundToInts(Mul(folded(c), inverse));
    const Ints high = HighSeven(codes);
    StoreBytes(out->high[r] + c, high);
    StoreBytes(out->low[r] + c, LessSeven(codes, high));
    if constexpr (kTokenKeys) {
      const float sum = ReduceAdd(Mul(ToFloats(codes), Set(scale)));
      float& part = out->part_sums[r][c / kInt8Part];
      part = c % kInt8Part == 0 ? sum : part + sum;
    } else {
      start = Fma(Load(q + c), LoadHalf(middles + 2 * c), start);
      start = Fma(ToFloats(codes), centre, start);
    }
  }
  out->scale[r] = scale;
  out->start[r] = ReduceAdd(start);
}

// The products of four lines of codes, of channels [at, at + 16), for R rows.
template <int R>
inline void AddKeyLines(const FoldedRows& f, const Ints (&line)[4], int at, Ints (&high)[R],
                        Ints (&low)[R]) {
  WEIR_UNROLL
  for (int i = 0; i < 4; ++i) {
    WEIR_UNROLL
    for (int r = 0; r < R; ++r) {
      high[r] = DotCodes(high[r], line[i], f.high[r] + at + 4 * i);
      low[r] = DotCodes(low[r], line[i], f.low[r] + at + 4 * i);
    }
  }
}

// codes . f of 16 tokens for R rows over parts [first, last) of 32 channels.
template <int kBits, int R>
inline void DotKeyLines(const FoldedRows& f, const std::byte* keys, const std::byte* ahead,
                        int first, int last, Floats (&dot)[R]) {
  Ints high[R], low[R];
  WEIR_UNROLL
  for (int r = 0; r < R; ++r) high[r] = low[r] = ZeroInts();
  for (int p = first; p < last; ++p) {
    const std::byte* part = keys + 64 * kBits * p;
    WEIR_UNROLL
    for (int m = 0; m < kBits; ++m) AskForLine(ahead, 64 * (kBits * p + m));
    Ints line[4];
    UnpackKeys<kBits, 0>(part, line);
    AddKeyLines<R>(f, line, 32 * p, high, low);
    UnpackKeys<kBits, 1>(part, line);
    AddKeyLines<R>(f, line, 32 * p + 16, high, low);
  }
  WEIR_UNROLL
  for (int r = 0; r < R; ++r) dot[r] = ToFloats(AddShifted7(high[r], low[r]));
}

// scores[r][0, 32) for R rows.
template <int kBits, bool kTokenKeys, int R>
inline void CodedScores(const CodedTile& t, int row, const std::byte* head, const std::byte* ahead,
                        float* scores) {
  const CodedHead layout(t.head_dim, t.form);
  FoldedRows folded;
  for (int r = 0; r < R; ++r) {
    FoldRow<kBits, kTokenKeys>(t.q + (row + r) * t.head_dim, head + layout.key_scales,
                               head + layout.key_middles, t.head_dim, r, &folded);
  }
  const int parts = t.head_dim / 32;
  for (int h = 0; h < 2; ++h) {
    const int half = h * parts * kBits * 64;
    const std::byte* keys = head + half;
    const std::byte* next = ahead == nullptr ? nullptr : ahead + half;
    Floats dot[R];
    if constexpr (!kTokenKeys) {
      DotKeyLines<kBits, R>(folded, keys, next, 0, parts, dot);
      WEIR_UNROLL
      for (int r = 0; r < R; ++r) {
        Store(scores + r * 32 + h * 16, Fma(dot[r], Set(folded.scale[r]), Set(folded.start[r])));
      }
    } else {
      Floats s[R];
      WEIR_UNROLL
      for (int r = 0; r < R; ++r) s[r] = Set(0.0f);
      for (int part = 0; part < parts; ++part) {
        const Floats scales = LoadScales<kBits>(head + layout.key_scales, part * 32 + h * 16);
        const std::byte* middles = head + layout.key_middles + part * 64 + h * 32;
        DotKeyLines<kBits, R>(folded, keys, next, part, part + 1, dot);
        WEIR_UNROLL
        for (int r = 0; r < R; ++r) {
          const Floats sum = Set(folded.part_sums[r][part]);
          const Floats codes = Fma(dot[r], Set(folded.scale[r]), Mul(sum, Set(-kCentre<kBits>)));
          s[r] = Add(s[r], Fma(scales, codes, Mul(LoadHalf(middles), sum)));
        }
      }
      WEIR_UNROLL
      for (int r = 0; r < R; ++r) Store(scores + r * 32 + h * 16, s[r]);
    }
  }
}

// Weights of 32 keys for one part of 32 channels.
struct CodedWeights {
  alignas(64) uint8_t codes[kCodedRows][32];
  float scale[kCodedRows], start[kCodedRows];
};

template <int kBits>
inline void MakeCodedWeights(const float* p, const std::byte* scales, const std::byte* middles,
                             int r, CodedWeights* out) {
  const Floats p0 = Load(p), p1 = Load(p + 16);
  const Floats w0 = Mul(p0, LoadScales<kBits>(scales, 0));
  const Floats w1 = Mul(p1, LoadScales<kBits>(scales, 16));
  const float largest = ReduceMax(Max(w0, w1));
  const bool some = largest > kSmallestPeak;
  const float scale = some ? largest / 255.0f : 0.0f;
  const Floats inverse = Set(some ? 255.0f / largest : 0.0f), centre = Set(-kCentre<kBits> * scale);
  const Ints c0 = ToWeights(Mul(w0, inverse)), c1 = ToWeights(Mul(w1, inverse));
  StoreUnsignedBytes(out->codes[r], c0);
  StoreUnsignedBytes(out->codes[r] + 16, c1);
  Floats start;
  if constexpr (CodedScaleBytes(kBits) == 2) {
    start = Fma(p1, LoadHalf(middles + 32), Mul(p0, LoadHalf(middles)));
  } else {
    start = Fma(w1, LoadSigned(middles + 16), Mul(w0, LoadSigned(middles)));
    start = Mul(start, Set(1.0f / kMiddleSteps));
  }
  start = Fma(ToFloats(c0), centre, start);
  start = Fma(ToFloats(c1), centre, start);
  out->scale[r] = scale;
  out->start[r] = ReduceAdd(start);
}

// acc[r][0, 16) of one vector of channels, over the 32 keys.
template <int kBits, int R>
inline void AddCodedValues(const CodedWeights& w, const std::byte* values, const std::byte* ahead,
                           float* acc, int head_dim) {
  Ints sum[R][2];
  WEIR_UNROLL
  for (int r = 0; r < R; ++r) sum[r][0] = sum[r][1] = ZeroInts();
  WEIR_UNROLL
  for (int m = 0; m < 8 / kFold<kBits>; ++m) {
    const Ints packed = LoadLine(values + 64 * m);
    AskForLine(ahead, 64 * m);
    Ints line[kFold<kBits>];
    UnpackLine<kBits>(packed, line);
    WEIR_UNROLL
    for (int f = 0; f < kFold<kBits>; ++f) {
      WEIR_UNROLL
      for (int r = 0; r < R; ++r) {
        sum[r][m % 2] =
            DotValues(sum[r][m % 2], w.codes[r] + 4 * (m * kFold<kBits> + f), line[f]);
      }
    }
  }
  WEIR_UNROLL
  for (int r = 0; r < R; ++r) {
    float* to = acc + r * head_dim;
    const Floats product = ToFloats(AddInts(sum[r][0], sum[r][1]));
    Store(to, Add(Load(to), Fma(product, Set(w.scale[r]), Set(w.start[r]))));
  }
}

// R rows against one block.
template <int kKeyBits, int kValueBits, bool kTokenKeys, int R>
inline void CodedRows(const CodedTile& t, int row, const std::byte* head, const std::byte* ahead,
                      int64_t first_key) {
  const CodedHead layout(t.head_dim, t.form);
  alignas(64) float scores[R * 32];
  CodedScores<kKeyBits, kTokenKeys, R>(t, row, head, ahead, scores);
  for (int r = 0; r < R; ++r) {
    const int at = row + r;
    UpdateRow({t.acc + at * t.head_dim, t.peak + at, t.sums + 16 * at, t.head_dim},
              VisibleKeys(first_key, t.begin[at], t.end[at]), scores + r * 32);
  }
  for (size_t at = layout.key_scales; at < layout.values; at += 64) AskForLine(ahead, at);
  for (size_t at = layout.value_scales; at < layout.bytes; at += 64) AskForLine(ahead, at);
  CodedWeights weights;
  constexpr size_t kScaleBytes = CodedScaleBytes(kValueBits);
  for (int d = 0; d < t.head_dim; d += 16) {
    if (d % kInt8Part == 0) {
      for (int r = 0; r < R; ++r) {
        MakeCodedWeights<kValueBits>(scores + r * 32, head + layout.value_scales + kScaleBytes * d,
                                     head + layout.value_middles + kScaleBytes * d, r, &weights);
      }
    }
    const size_t at = layout.values + static_cast<size_t>(4) * kValueBits * d;
    AddCodedValues<kValueBits, R>(weights, head + at, ahead == nullptr ? nullptr : ahead + at,
                             t.acc + row * t.head_dim + d, t.head_dim);
  }
}

template <int kKeyBits, int kValueBits, bool kTokenKeys, int R>
inline void CodedRowsUpTo(int rows, const CodedTile& t, int row, const std::byte* head,
                          const std::byte* ahead, int64_t first_key) {
  if constexpr (R > 1) {
    if (rows < R) {
      return CodedRowsUpTo<kKeyBits, kValueBits, kTokenKeys, R - 1>(rows, t, row, head, ahead,
                                                                    first_key);
    }
  }
  CodedRows<kKeyBits, kValueBits, kTokenKeys, R>(t, row, head, ahead, first_key);
}

template <int kKeyBits, int kValueBits, bool kTokenKeys = false>
inline void AttendCoded(const CodedTile& t) {
  for (size_t b = 0; b < t.blocks; ++b) {
    const int64_t first_key = t.first_key + 32 * static_cast<int64_t>(b);
    const ValueRange range = SeenKeys(t.rows, t.begin, t.end, first_key);
    if (range.last <= range.first) continue;
    for (int r = 0; r < t.rows; r += kCodedRows) {
      CodedRowsUpTo<kKeyBits, kValueBits, kTokenKeys, kCodedRows>(
          std::min(kCodedRows, t.rows - r), t, r, t.heads[b],
          r == 0 ? t.heads[b + kAheadBlocks] : nullptr, first_key);
    }
  }
}

inline void AttendCodedTile(const CodedTile& t) {
  const bool by_token = t.form.token_keys;
  if (t.form.value_bits == 4) {
    by_token ? AttendCoded<4, 4, true>(t) : AttendCoded<4, 4>(t);
  } else if (t.form.key_bits == 3) {
    by_token ? AttendCoded<3, 2, true>(t) : AttendCoded<3, 2>(t);
  } else {
    by_token ? AttendCoded<2, 2, true>(t) : AttendCoded<2, 2>(t);
  }
}
