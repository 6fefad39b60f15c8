// Keys of int8 blocks turned by an angle a pair of channels (attention.h has the layout), included
// after attention_int8-inl.h. A lane is a token, so scales are one vector and the largest of a part
// needs no sum across lanes.

inline Ints LoadLineOf(const std::byte* p, int count) {
  if (count == 16) return LoadLine(p);
  alignas(64) std::byte line[64] = {};
  std::memcpy(line, p, 4 * static_cast<size_t>(count));
  return LoadLine(line);
}
inline void StoreLineOf(std::byte* p, Ints a, int count) {
  if (count == 16) return StoreLine(p, a);
  alignas(64) std::byte line[64];
  StoreLine(line, a);
  std::memcpy(p, line, 4 * static_cast<size_t>(count));
}
inline Floats LoadScales(const std::byte* p, int count) {
  if (count == 16) return LoadHalf(p);
  alignas(32) std::byte scales[32] = {};
  std::memcpy(scales, p, 2 * static_cast<size_t>(count));
  return LoadHalf(scales);
}
inline void StoreScales(std::byte* p, Floats a, int count) {
  if (count == 16) return StoreHalf(p, a);
  alignas(32) std::byte scales[32];
  StoreHalf(scales, a);
  std::memcpy(p, scales, 2 * static_cast<size_t>(count));
}

// r.scratch = the keys as numbers.
inline void ReadKeyRun(const KeyRun& r, const Int8Head& layout) {
  for (int part = 0; part < r.head_dim / kInt8Part; ++part) {
    const Floats scale =
        LoadScales(r.from + layout.key_scales + (part * 32 + r.from_slot) * 2, r.count);
    for (int i = 0; i < kInt8Part; i += 4) {
      const int channel = part * kInt8Part + i;
      const Ints line = LoadLineOf(r.from + channel * 32 + r.from_slot * 4, r.count);
      WEIR_UNROLL
      for (int c = 0; c < 4; ++c) {
        Store(r.scratch + (channel + c) * 16, Mul(KeyBytes(line, c), scale));
      }
    }
  }
}

inline void TurnKeyRun(const KeyRun& r) {
  const int half = r.head_dim / 2;
  for (int i = 0; i < half; ++i) {
    float* first = r.scratch + (r.halves ? i : 2 * i) * 16;
    float* second = r.scratch + (r.halves ? i + half : 2 * i + 1) * 16;
    const Floats cosine = Set(r.cos_sin[2 * i]), sine = Set(r.cos_sin[2 * i + 1]);
    const Floats a = Load(first), b = Load(second);
    Store(first, Sub(Mul(a, cosine), Mul(b, sine)));
    Store(second, Add(Mul(b, cosine), Mul(a, sine)));
  }
  if (r.shift == nullptr) return;
  for (int i = 0; i < r.head_dim; ++i) {
    float* at = r.scratch + i * 16;
    Store(at, Add(Load(at), Set(r.shift[i])));
  }
}

// As QuantizeVector does for each token: max|x| / 127 of 32 channels, which half precision can
// hold.
inline void WriteKeyRun(const KeyRun& r, const Int8Head& layout) {
  for (int part = 0; part < r.head_dim / kInt8Part; ++part) {
    const float* x = r.scratch + part * kInt8Part * 16;
    Floats peak = Set(0.0f);
    for (int i = 0; i < kInt8Part; ++i) peak = Max(peak, Abs(Load(x + i * 16)));
    const Floats limit = Set(kSmallestPeak);
    const Floats inverse = ZeroBelow(peak, limit, Div(Set(127.0f), Max(peak, limit)));
    for (int i = 0; i < kInt8Part; i += 4) {
      Ints line = ZeroInts();
      WEIR_UNROLL
      for (int c = 0; c < 4; ++c) {
        line = AddKeyBytes(line, ToCodes(Mul(Load(x + (i + c) * 16), inverse)), c);
      }
      StoreLineOf(r.to + (part * kInt8Part + i) * 32 + r.to_slot * 4, line, r.count);
    }
    const Floats scale = ZeroBelow(peak, limit, Div(peak, Set(127.0f)));
    StoreScales(r.to + layout.key_scales + (part * 32 + r.to_slot) * 2,
                Min(scale, Set(65504.0f)), r.count);
  }
}

inline void TurnKeys(const KeyRun& r) {
  const Int8Head layout(r.head_dim);
  ReadKeyRun(r, layout);
  TurnKeyRun(r);
  WriteKeyRun(r, layout);
}
