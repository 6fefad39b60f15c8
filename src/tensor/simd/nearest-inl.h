// Included once inside a target's namespace, after its vec16 header and FirstLaneOf.

void NearestCodewords(const float* x, size_t rows, size_t parts, const float* codebooks,
                      const float* half_norms, uint8_t* codes) {
  for (size_t row = 0; row < rows; ++row) {
    const float* at = x + row * parts * kPartWidth;
    for (size_t part = 0; part < parts; ++part, at += kPartWidth) {
      const float* book = codebooks + part * kPartWidth * kCodewords;
      // x . c - |c|^2 / 2 is largest where the distance is smallest.
      Floats score = Sub(Set(0.0f), Load(half_norms + part * kCodewords));
      for (size_t i = 0; i < kPartWidth; ++i)
        score = Fma(Set(at[i]), Load(book + i * kCodewords), score);
      codes[row * parts + part] = FirstLaneOf(score, ReduceMax(score));
    }
  }
}

void MakeTables(LookupTables& made) {
  made.base = 0;
  float range = 0;
  for (size_t part = 0; part < made.parts; ++part) {
    const float* book = made.codebooks + part * kPartWidth * kCodewords;
    Floats product = Set(0.0f);
    for (size_t i = 0; i < kPartWidth; ++i)
      product = Fma(Set(made.x[part * kPartWidth + i]), Load(book + i * kCodewords), product);
    const float least = -ReduceMax(Sub(Set(0.0f), product));
    product = Sub(product, Set(least));
    made.base += least;
    const float high = ReduceMax(product);
    range = high > range ? high : range;
    Store(made.products + part * kCodewords, product);
  }
  const float most = static_cast<float>(made.most);
  made.step = range > 1e-30f && range < 1e30f ? range / most : 1.0f;
  const Floats inverse = Set(1.0f / made.step), top = Set(most), zero = Set(0.0f);
  for (size_t part = 0; part < made.parts; ++part) {
    // Bounded before it becomes bytes: a damaged codebook holds any number.
    const Floats entry = Mul(Load(made.products + part * kCodewords), inverse);
    StoreBytes(reinterpret_cast<int8_t*>(made.tables) + part * kCodewords,
               ToCodes(Min(Max(entry, zero), top)));
  }
}

size_t FirstLargest(const float* x, size_t n) {
  float most = x[0];
  size_t i = 0;
  if (n >= 16) {
    Floats lanes = Load(x);
    for (i = 16; i + 16 <= n; i += 16) lanes = Max(lanes, Load(x + i));
    most = ReduceMax(lanes);
  }
  for (; i < n; ++i) most = x[i] > most ? x[i] : most;
  for (i = 0; i < n; ++i) {
    if (x[i] == most) return i;
  }
  return 0;
}
