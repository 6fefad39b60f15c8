#include "tensor/coded_kv.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "tensor/dtype.h"
#include "tensor/kernels.h"

namespace weir::tensor {
namespace {

constexpr float kMostHalf = 65504.0f;
constexpr int kGroup = kKvBlockTokens;

float HalfAt(const std::byte* p, size_t i) {
  uint16_t half;
  std::memcpy(&half, p + 2 * i, 2);
  return HalfToFloat(half);
}

// Rounds to half precision in place and stores it.
float StoreHalf(float x, std::byte* p, size_t i) {
  const uint16_t half = FloatToHalf(std::clamp(x, -kMostHalf, kMostHalf));
  std::memcpy(p + 2 * i, &half, 2);
  return HalfToFloat(half);
}

// Where the code of (channel, token) stands: a byte and a shift. Keys and values differ in which of
// the two runs over the lanes.
struct CodePlace {
  size_t byte;
  int shift;
};
CodePlace KeyPlace(int channel, int token, int bits, int head_dim) {
  const int fold = 8 / bits, quad = channel / 4, lines = head_dim / 4 / fold;
  return {static_cast<size_t>((token / 16 * lines + quad / fold) * 64 + token % 16 * 4 +
                              channel % 4),
          quad % fold * bits};
}
CodePlace ValuePlace(int channel, int token, int bits) {
  const int fold = 8 / bits, quad = token / 4;
  return {static_cast<size_t>((channel / 16 * (8 / fold) + quad / fold) * 64 + channel % 16 * 4 +
                              token % 4),
          quad % fold * bits};
}

// The two numbers of a group as f16 holds them.
struct Group {
  float scale, middle;
};

Group GroupOf(const float* x, size_t stride, int steps, std::byte* scales, std::byte* middles,
              size_t at) {
  float least = x[0], most = x[0];
  for (int i = 1; i < kGroup; ++i) {
    least = std::min(least, x[i * stride]);
    most = std::max(most, x[i * stride]);
  }
  least = std::clamp(least, -kMostHalf, kMostHalf);
  most = std::clamp(most, -kMostHalf, kMostHalf);
  return {StoreHalf((most - least) / static_cast<float>(steps), scales, at),
          StoreHalf(0.5f * least + 0.5f * most, middles, at)};
}

// Codes are chosen for the rounded scale and middle, so that rounding them costs least.
void PutCodes(const float* x, size_t stride, Group g, int steps, auto place, std::byte* codes) {
  const float inverse = g.scale > 0 ? 1.0f / g.scale : 0.0f;
  const float centre = 0.5f * static_cast<float>(steps);
  for (int i = 0; i < kGroup; ++i) {
    const float code = (x[i * stride] - g.middle) * inverse + centre + 0.5f;
    // Not a number fails the first comparison and becomes 0.
    const int whole = code >= 0 ? static_cast<int>(std::min(code, static_cast<float>(steps))) : 0;
    const CodePlace at = place(i);
    codes[at.byte] |= static_cast<std::byte>(whole << at.shift);
  }
}

void CodeHead(const float* keys, const float* values, int d, const CodedForm& form,
              std::byte* out) {
  const CodedHead layout(d, form.bits);
  const int bits = form.bits, steps = (1 << bits) - 1;
  std::memset(out, 0, layout.bytes);
  std::byte *const key_scales = out + layout.key_scales, *const key_middles =
                                                             out + layout.key_middles;
  if (form.token_keys) {
    for (int part = 0; part < d / kGroup; ++part) {
      for (int t = 0; t < kGroup; ++t) {
        const float* x = keys + t * d + part * kGroup;
        const Group g = GroupOf(x, 1, steps, key_scales, key_middles, part * kGroup + t);
        PutCodes(x, 1, g, steps,
                 [&](int i) { return KeyPlace(part * kGroup + i, t, bits, d); }, out);
      }
    }
  } else {
    for (int c = 0; c < d; ++c) {
      const Group g = GroupOf(keys + c, d, steps, key_scales, key_middles, c);
      PutCodes(keys + c, d, g, steps, [&](int i) { return KeyPlace(c, i, bits, d); }, out);
    }
  }
  for (int part = 0; part < d / kGroup; ++part) {
    for (int t = 0; t < kGroup; ++t) {
      const float* x = values + t * d + part * kGroup;
      const Group g = GroupOf(x, 1, steps, out + layout.value_scales, out + layout.value_middles,
                              part * kGroup + t);
      PutCodes(x, 1, g, steps, [&](int i) { return ValuePlace(part * kGroup + i, t, bits); },
               out + layout.values);
    }
  }
}

}  // namespace

size_t CodedBlockBytes(int kv_heads, int head_dim, const CodedForm& form) {
  return kv_heads * CodedHead(head_dim, form.bits).bytes;
}

void ReadOpenHead(const std::byte* head, KvStorage storage, int d, float* keys, float* values) {
  for (int t = 0; t < kKvBlockTokens; ++t)
    ReadKv(head, t, keys + t * d, values + t * d, 1, d, storage);
}

void ReadCodedHead(const std::byte* head, const CodedForm& form, int d, float* keys,
                   float* values) {
  const CodedHead layout(d, form.bits);
  const int mask = (1 << form.bits) - 1;
  const float centre = 0.5f * static_cast<float>(mask);
  const auto element = [&](const std::byte* codes, CodePlace at, size_t scales, size_t middles,
                           size_t group) {
    const int code = static_cast<int>(codes[at.byte]) >> at.shift & mask;
    return HalfAt(head + middles, group) +
           HalfAt(head + scales, group) * (static_cast<float>(code) - centre);
  };
  for (int t = 0; t < kKvBlockTokens; ++t) {
    for (int c = 0; c < d; ++c) {
      const size_t by_token = c / kGroup * kGroup + t;
      keys[t * d + c] = element(head, KeyPlace(c, t, form.bits, d), layout.key_scales,
                                layout.key_middles, form.token_keys ? by_token : c);
      values[t * d + c] = element(head + layout.values, ValuePlace(c, t, form.bits),
                                  layout.value_scales, layout.value_middles, by_token);
    }
  }
}

void CodeBlock(const std::byte* block, KvStorage storage, int kv_heads, int head_dim,
               const CodedForm& form, std::byte* coded) {
  static thread_local std::vector<float> rows;
  rows.resize(static_cast<size_t>(2) * kKvBlockTokens * head_dim);
  float *const keys = rows.data(), *const values = keys + kKvBlockTokens * head_dim;
  const size_t open_bytes = KvBlockBytes(1, head_dim, storage);
  const size_t coded_bytes = CodedHead(head_dim, form.bits).bytes;
  for (int h = 0; h < kv_heads; ++h) {
    ReadOpenHead(block + h * open_bytes, storage, head_dim, keys, values);
    CodeHead(keys, values, head_dim, form, coded + h * coded_bytes);
  }
}

void DecodeBlock(const std::byte* coded, const CodedForm& form, int kv_heads, int head_dim,
                 KvStorage storage, std::byte* block) {
  const size_t open_bytes = KvBlockBytes(1, head_dim, storage);
  const size_t coded_bytes = CodedHead(head_dim, form.bits).bytes;
  std::vector<float> keys(static_cast<size_t>(kKvBlockTokens) * head_dim), values(keys.size());
  for (int h = 0; h < kv_heads; ++h) {
    ReadCodedHead(coded + h * coded_bytes, form, head_dim, keys.data(), values.data());
    for (int t = 0; t < kKvBlockTokens; ++t) {
      WriteKv(block + h * open_bytes, t, &keys[static_cast<size_t>(t) * head_dim],
              &values[static_cast<size_t>(t) * head_dim], 1, head_dim, storage);
    }
  }
}

}  // namespace weir::tensor
