// Elementwise kernels over 16-lane vectors. No include guard: each target includes this once inside
// its own namespace, after its vec16 header. Reductions use 64 partial sums (lane i of sum j takes
// elements 64 k + 16 j + i), so all targets add in the same order.

// 2^f - 1 over [-1/2, 1/2] divided by f: minimax, relative error of 2^f below 2e-9.
inline Floats ExpTwoPoly(Floats f) {
  Floats p = Set(0x1.41fbbcp-13f);
  p = Fma(p, f, Set(0x1.5f3e54p-10f));
  p = Fma(p, f, Set(0x1.3b2d4cp-7f));
  p = Fma(p, f, Set(0x1.c6aee8p-5f));
  p = Fma(p, f, Set(0x1.ebfbdcp-3f));
  p = Fma(p, f, Set(0x1.62e430p-1f));
  return Fma(p, f, Set(1.0f));
}

// 2^x for x <= 127; below -126 exactly 0 (no denormals). 2^0 is exactly 1. Adding 1.5 * 2^23 rounds
// to an integer, which then is the low bits of the sum.
inline Floats ExpTwo(Floats x) {
  const Floats shifted = Add(x, Set(12582912.0f));
  const Floats p = ExpTwoPoly(Sub(x, Sub(shifted, Set(12582912.0f))));
  return AddExponentUnlessBelow(p, shifted, x, Set(-126.0f));
}

// e^x, relative error about 1e-7; clamped above 88, exactly 0 below -87.
inline Floats Exp(Floats x) {
  const Floats clamped = Min(Max(x, Set(-87.0f)), Set(88.0f));
  const Floats n = Round(Mul(clamped, Set(1.44269504f)));
  Floats f = Fma(n, Set(-0.693359375f), clamped);
  f = Fma(n, Set(2.12194440e-4f), f);
  Floats p = Set(0.0013843403430655599f);
  p = Fma(p, f, Set(0.008374371565878391f));
  p = Fma(p, f, Set(0.04166801646351814f));
  p = Fma(p, f, Set(0.16666428744792938f));
  p = Fma(p, f, Set(0.4999999403953552f));
  p = Fma(p, f, Set(1.0f));
  p = Fma(p, f, Set(1.0f));
  return ZeroBelow(x, Set(-87.0f), ScaleExponent(p, n));
}

struct SumFour {
  Floats s[4];
};
inline SumFour ZeroSum() { return {{Set(0.0f), Set(0.0f), Set(0.0f), Set(0.0f)}}; }
inline float Total(const SumFour& a) {
  return ReduceAdd(Add(Add(a.s[0], a.s[1]), Add(a.s[2], a.s[3])));
}

inline float Dot(const float* a, const float* b, size_t n) {
  SumFour sum = ZeroSum();
  size_t i = 0;
  for (; i + 64 <= n; i += 64) {
    for (size_t j = 0; j < 4; ++j)
      sum.s[j] = Fma(Load(a + i + 16 * j), Load(b + i + 16 * j), sum.s[j]);
  }
  for (size_t j = 0; i < n; i += 16, ++j) {
    sum.s[j] = Fma(LoadSome(a + i, n - i), LoadSome(b + i, n - i), sum.s[j]);
  }
  return Total(sum);
}

inline float Sum(const float* a, size_t n) {
  SumFour sum = ZeroSum();
  for (size_t i = 0; i < n; i += 16) {
    Floats& s = sum.s[i / 16 % 4];
    s = Add(s, LoadSome(a + i, n - i));
  }
  return Total(sum);
}

inline void RmsNorm(const float* x, const float* weight, float epsilon, float* out, size_t n) {
  const float mean = Dot(x, x, n) / static_cast<float>(n);
  const Floats r = Set(1.0f / std::sqrt(mean + epsilon));
  size_t i = 0;
  for (; i + 16 <= n; i += 16) Store(out + i, Mul(Mul(Load(x + i), r), Load(weight + i)));
  if (i < n)
    StoreSome(out + i, Mul(Mul(LoadSome(x + i, n - i), r), LoadSome(weight + i, n - i)), n - i);
}

inline void LayerNorm(const float* x, const float* weight, const float* bias, float epsilon,
                      float* out, size_t n) {
  const Floats mean = Set(Sum(x, n) / static_cast<float>(n));
  SumFour squares = ZeroSum();
  for (size_t i = 0; i < n; i += 16) {
    Floats& s = squares.s[i / 16 % 4];
    const Floats d =
        i + 16 <= n ? Sub(Load(x + i), mean)
                    : Select((1u << (n - i)) - 1, Sub(LoadSome(x + i, n - i), mean), Set(0.0f));
    s = Fma(d, d, s);
  }
  const Floats r = Set(1.0f / std::sqrt(Total(squares) / static_cast<float>(n) + epsilon));
  for (size_t i = 0; i < n; i += 16) {
    const size_t m = n - i;
    if (m >= 16) {
      Store(out + i, Fma(Mul(Sub(Load(x + i), mean), r), Load(weight + i), Load(bias + i)));
    } else {
      const Floats d = Mul(Sub(LoadSome(x + i, m), mean), r);
      StoreSome(out + i, Fma(d, LoadSome(weight + i, m), LoadSome(bias + i, m)), m);
    }
  }
}

inline void AddTo(float* x, const float* y, size_t n) {
  size_t i = 0;
  for (; i + 16 <= n; i += 16) Store(x + i, Add(Load(x + i), Load(y + i)));
  if (i < n) StoreSome(x + i, Add(LoadSome(x + i, n - i), LoadSome(y + i, n - i)), n - i);
}

inline Floats SiluTimes(Floats gate, Floats up) {
  const Floats e = Exp(Sub(Set(0.0f), gate));
  return Mul(Div(gate, Add(Set(1.0f), e)), up);
}

inline void SiluMultiply(const float* gate, const float* up, float* out, size_t n) {
  size_t i = 0;
  for (; i + 16 <= n; i += 16) Store(out + i, SiluTimes(Load(gate + i), Load(up + i)));
  if (i < n)
    StoreSome(out + i, SiluTimes(LoadSome(gate + i, n - i), LoadSome(up + i, n - i)), n - i);
}

// 0.5 x (1 + tanh(u)) is x / (1 + exp(-2 u)), which keeps the negative tail relative to itself;
// here u = sqrt(2 / pi) (x + 0.044715 x^3).
inline Floats GeluTanhTimes(Floats gate, Floats up) {
  const Floats cubic = Fma(Mul(gate, gate), Set(-0.0713548162726f), Set(-1.59576912160573f));
  const Floats e = Exp(Mul(gate, cubic));
  return Mul(Div(gate, Add(Set(1.0f), e)), up);
}

inline void GeluTanhMultiply(const float* gate, const float* up, float* out, size_t n) {
  size_t i = 0;
  for (; i + 16 <= n; i += 16) Store(out + i, GeluTanhTimes(Load(gate + i), Load(up + i)));
  if (i < n)
    StoreSome(out + i, GeluTanhTimes(LoadSome(gate + i, n - i), LoadSome(up + i, n - i)), n - i);
}

// x / 2 * erfc(-x / sqrt 2). With z = |x| / sqrt 2, erfc(z) = t P(t) exp(-z^2), t = 1 / (1 + 0.3
// z): a minimax fit of ours over [0, 9.5], absolute error below 2e-9 before rounding. It keeps the
// negative tail relative to itself; erfc of a negative is 2 less that of its magnitude.
inline constexpr float kErfc[9] = {
    0.16973468661308289f,  0.1628013551235199f,  0.19664211571216583f,
    0.052120622247457504f, 0.23780345916748047f, 0.1252635270357132f,
    -0.18513593077659607f, 0.3440610468387604f,  -0.10329090803861618f};

inline Floats GeluOne(Floats x) {
  const Floats z = Mul(Abs(x), Set(0.70710678f));
  const Floats t = Div(Set(1.0f), Fma(z, Set(0.3f), Set(1.0f)));
  Floats p = Set(kErfc[8]);
  for (int k = 7; k >= 0; --k) p = Fma(p, t, Set(kErfc[k]));
  const Floats tail = Mul(Mul(p, t), Exp(Mul(Sub(Set(0.0f), z), z)));
  return Mul(Mul(x, Set(0.5f)), IfNegative(x, tail, Sub(Set(2.0f), tail)));
}

inline void Gelu(float* x, size_t n) {
  size_t i = 0;
  for (; i + 16 <= n; i += 16) Store(x + i, GeluOne(Load(x + i)));
  if (i < n) StoreSome(x + i, GeluOne(LoadSome(x + i, n - i)), n - i);
}

inline float Largest(const float* x, size_t n) {
  Floats most[4] = {Set(-INFINITY), Set(-INFINITY), Set(-INFINITY), Set(-INFINITY)};
  for (size_t i = 0; i < n; i += 16) {
    Floats& m = most[i / 16 % 4];
    m = Max(m, i + 16 <= n ? Load(x + i)
                           : Select((1u << (n - i)) - 1, LoadSome(x + i, n - i), Set(-INFINITY)));
  }
  return ReduceMax(Max(Max(most[0], most[1]), Max(most[2], most[3])));
}

inline void Softmax(float* x, size_t n) {
  const float largest = Largest(x, n);
  if (!(largest > -INFINITY)) {  // nothing is possible, or n == 0
    std::fill_n(x, n, 0.0f);
    return;
  }
  const Floats shift = Set(largest);
  SumFour sum = ZeroSum();
  for (size_t i = 0; i < n; i += 16) {
    Floats& s = sum.s[i / 16 % 4];
    if (i + 16 <= n) {
      const Floats e = Exp(Sub(Load(x + i), shift));
      Store(x + i, e);
      s = Add(s, e);
    } else {
      const Floats e =
          Select((1u << (n - i)) - 1, Exp(Sub(LoadSome(x + i, n - i), shift)), Set(0.0f));
      StoreSome(x + i, e, n - i);
      s = Add(s, e);
    }
  }
  const Floats inverse = Set(1.0f / Total(sum));
  size_t i = 0;
  for (; i + 16 <= n; i += 16) Store(x + i, Mul(Load(x + i), inverse));
  if (i < n) StoreSome(x + i, Mul(LoadSome(x + i, n - i), inverse), n - i);
}

inline void RotaryInterleaved(float* head, const float* cos_sin, int dim) {
  for (int i = 0; i < dim; i += 16) {
    const size_t m = static_cast<size_t>(dim - i);
    const Floats x = LoadSome(head + i, m), cs = LoadSome(cos_sin + i, m);
    StoreSome(head + i, FmaAlternate(x, DuplicateEven(cs), Mul(SwapPairs(x), DuplicateOdd(cs))), m);
  }
}

inline void RotaryHalves(float* head, const float* cos_sin, int dim) {
  const int half = dim / 2;
  for (int i = 0; i < half; i += 16) {
    const size_t m = static_cast<size_t>(half - i);
    const Floats first = LoadSome(cos_sin + 2 * i, 2 * m);
    const Floats second = m > 8 ? LoadSome(cos_sin + 2 * i + 16, 2 * m - 16) : Set(0.0f);
    const Floats c = Evens(first, second), s = Odds(first, second);
    const Floats a = LoadSome(head + i, m), b = LoadSome(head + half + i, m);
    StoreSome(head + i, Sub(Mul(a, c), Mul(b, s)), m);
    StoreSome(head + half + i, Fma(b, c, Mul(a, s)), m);
  }
}

// One activation row to int8; see QuantizeRow in scalar_matmul.cc, its independent twin.
inline void QuantizeRow(const float* x, size_t columns, const ActivationRow& out) {
  for (size_t b = 0; b < columns / kBlockColumns; ++b) {
    const Floats lo = Load(x + b * kBlockColumns), hi = Load(x + b * kBlockColumns + 16);
    const float peak = std::bit_cast<float>(ReduceMaxInts(MaxInts(AbsBits(lo), AbsBits(hi))));
    const bool small = peak <= kSmallestPeak;
    const float scale = small ? 0.0f : peak / 127.0f;
    const Floats inverse = Set(small ? 0.0f : 127.0f / peak);
    const Ints first = ToCodes(Mul(lo, inverse)), second = ToCodes(Mul(hi, inverse));
    StoreBytes(out.CodesOf(b), first);
    StoreBytes(out.CodesOf(b) + 16, second);
    const int32_t sums[2] = {ReduceAddInts(first), ReduceAddInts(second)};
    const size_t at = out.IndexOf(b);
    out.scales[at] = scale;
    out.scaled_sums[at] = scale * static_cast<float>(sums[0] + sums[1]);
    out.negative_sums[at] = -(sums[0] + sums[1]);
    out.negative_halves[2 * at] = -32 * sums[0];
    out.negative_halves[2 * at + 1] = -32 * sums[1];
  }
}

// What the vector units can do with operands in registers (for benches): eight independent sums.
inline double FloatPeak(size_t loops) {
  Floats sum[8];
  WEIR_UNROLL
  for (int i = 0; i < 8; ++i) sum[i] = Set(0.0f);
  const Floats x = Set(1e-3f);
  for (size_t n = 0; n < loops; ++n) {
    WEIR_UNROLL
    for (int i = 0; i < 8; ++i) {
      sum[i] = Fma(x, x, sum[i]);
      Keep(sum[i]);
    }
  }
  return 8 * 16;
}
