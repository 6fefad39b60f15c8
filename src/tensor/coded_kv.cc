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

// A scale in one byte: the f16 nearest to it of those whose low 7 bits are 0.
constexpr int kShortShift = 7;
float ShortToFloat(std::byte b) {
  return HalfToFloat(static_cast<uint16_t>(static_cast<unsigned>(b) << kShortShift));
}
float StoreShort(float x, std::byte* to) {
  constexpr unsigned kMostShort = 0x7bff >> kShortShift;  // infinity is one more
  const unsigned half = FloatToHalf(std::min(x, kMostHalf)) + (1u << (kShortShift - 1));
  *to = static_cast<std::byte>(std::min(half >> kShortShift, kMostShort));
  return ShortToFloat(*to);
}

float ScaleAt(const std::byte* scales, size_t i, int bits) {
  return CodedScaleBytes(bits) == 2 ? HalfAt(scales, i) : ShortToFloat(scales[i]);
}
float StoreScale(float x, int bits, std::byte* scales, size_t i) {
  return CodedScaleBytes(bits) == 2 ? StoreHalf(x, scales, i) : StoreShort(x, scales + i);
}

// The codes of (channel, token): a byte and a shift. Keys and values differ in which of the two
// runs over the lanes. Keys of 3 bits have their low two in one place and the high one in another.
struct CodePlace {
  size_t byte;
  int shift;
};
CodePlace KeyPlace(int channel, int token, int bits, int head_dim) {
  const int low = bits == 3 ? 2 : bits, fold = 8 / low, quad = channel % 32 / 4;
  const int line = (token / 16 * (head_dim / 32) + channel / 32) * bits + quad / fold;
  return {static_cast<size_t>(line * 64 + token % 16 * 4 + channel % 4), quad % fold * low};
}
CodePlace HighKeyPlace(int channel, int token, int head_dim) {
  const int line = (token / 16 * (head_dim / 32) + channel / 32) * 3 + 2;
  return {static_cast<size_t>(line * 64 + token % 16 * 4 + channel % 4), channel % 32 / 4};
}
CodePlace ValuePlace(int channel, int token, int bits) {
  const int fold = 8 / bits, quad = token / 4;
  return {static_cast<size_t>((channel / 16 * (8 / fold) + quad / fold) * 64 + channel % 16 * 4 +
                              token % 4),
          quad % fold * bits};
}

void Put(std::byte* codes, CodePlace at, int code) {
  codes[at.byte] |= static_cast<std::byte>(code << at.shift);
}
int Get(const std::byte* codes, CodePlace at, int bits) {
  return static_cast<int>(codes[at.byte]) >> at.shift & ((1 << bits) - 1);
}
void PutKey(std::byte* codes, int channel, int token, int bits, int head_dim, int code) {
  const CodePlace at = KeyPlace(channel, token, bits, head_dim);
  if (bits != 3) return Put(codes, at, code);
  Put(codes, at, code & 3);
  Put(codes, HighKeyPlace(channel, token, head_dim), code >> 2);
}
int GetKey(const std::byte* codes, int channel, int token, int bits, int head_dim) {
  const CodePlace at = KeyPlace(channel, token, bits, head_dim);
  if (bits != 3) return Get(codes, at, bits);
  return Get(codes, at, 2) + 4 * Get(codes, HighKeyPlace(channel, token, head_dim), 1);
}

// The two numbers of a group, and then as they are stored. Both ends of a group keep a code of
// their own: ranges that minimise the squared error clip them, which was measured to lose more than
// it gains (docs/performance.md); perhaps since it takes from the same channels of every token.
struct Group {
  float scale, middle;
};

Group GroupOf(const float* x, size_t stride, int bits) {
  float least = x[0], most = x[0];
  for (int i = 1; i < kGroup; ++i) {
    least = std::min(least, x[i * stride]);
    most = std::max(most, x[i * stride]);
  }
  least = std::clamp(least, -kMostHalf, kMostHalf);
  most = std::clamp(most, -kMostHalf, kMostHalf);
  return {(most - least) / static_cast<float>((1 << bits) - 1), 0.5f * least + 0.5f * most};
}

Group StoreKeyGroup(Group g, int bits, std::byte* scales, std::byte* middles, size_t at) {
  return {StoreScale(g.scale, bits, scales, at), StoreHalf(g.middle, middles, at)};
}

Group StoreValueGroup(Group g, int bits, std::byte* scales, std::byte* middles, size_t at) {
  g.scale = StoreScale(g.scale, bits, scales, at);
  if (CodedScaleBytes(bits) == 2) return {g.scale, StoreHalf(g.middle, middles, at)};
  constexpr float kMostMiddle = 127.0f / kMiddleSteps;
  if (std::fabs(g.middle) > kMostMiddle * g.scale) {
    // Far from zero for its width: a wider scale reaches it, and one of the codes falls on its
    // middle.
    g.scale = StoreScale(std::fabs(g.middle) / kMostMiddle, bits, scales, at);
    g.middle -= std::copysign(0.5f * g.scale, g.middle);
  }
  const float steps = g.scale > 0 ? std::nearbyint(g.middle / g.scale * kMiddleSteps) : 0.0f;
  const int whole = static_cast<int>(std::clamp(steps, -127.0f, 127.0f));
  middles[at] = static_cast<std::byte>(static_cast<int8_t>(whole));
  return {g.scale, static_cast<float>(whole) / kMiddleSteps * g.scale};
}

float ValueMiddleAt(const std::byte* middles, size_t i, int bits, float scale) {
  if (CodedScaleBytes(bits) == 2) return HalfAt(middles, i);
  return static_cast<float>(static_cast<int8_t>(middles[i])) / kMiddleSteps * scale;
}

// Codes are chosen for the scale and middle as stored, so that rounding those costs least.
void PutCodes(const float* x, size_t stride, Group g, int bits, auto put) {
  const float inverse = g.scale > 0 ? 1.0f / g.scale : 0.0f;
  const float most = static_cast<float>((1 << bits) - 1);
  for (int i = 0; i < kGroup; ++i) {
    const float code = (x[i * stride] - g.middle) * inverse + 0.5f * most + 0.5f;
    // Not a number fails the first comparison and becomes 0.
    put(i, code >= 0 ? static_cast<int>(std::min(code, most)) : 0);
  }
}

void CodeKeys(const float* keys, int d, const CodedForm& form, std::byte* out) {
  const CodedHead layout(d, form);
  const int bits = form.key_bits;
  const auto code = [&](const float* x, size_t stride, size_t at, auto put) {
    const Group g = StoreKeyGroup(GroupOf(x, stride, bits), bits, out + layout.key_scales,
                                  out + layout.key_middles, at);
    PutCodes(x, stride, g, bits, put);
  };
  for (int c = 0; c < d && !form.token_keys; ++c)
    code(keys + c, d, c, [&](int t, int code) { PutKey(out, c, t, bits, d, code); });
  for (int first = 0; first < d && form.token_keys; first += kGroup) {
    for (int t = 0; t < kGroup; ++t) {
      code(keys + t * d + first, 1, first + t,
           [&](int i, int code) { PutKey(out, first + i, t, bits, d, code); });
    }
  }
}

void CodeValues(const float* values, int d, const CodedForm& form, std::byte* out) {
  const CodedHead layout(d, form);
  const int bits = form.value_bits;
  for (int first = 0; first < d; first += kGroup) {
    for (int t = 0; t < kGroup; ++t) {
      const float* x = values + t * d + first;
      const Group g = StoreValueGroup(GroupOf(x, 1, bits), bits, out + layout.value_scales,
                                      out + layout.value_middles, first + t);
      PutCodes(x, 1, g, bits, [&](int i, int code) {
        Put(out + layout.values, ValuePlace(first + i, t, bits), code);
      });
    }
  }
}

}  // namespace

size_t CodedBlockBytes(int kv_heads, int head_dim, const CodedForm& form) {
  return kv_heads * CodedHead(head_dim, form).bytes;
}

void ReadOpenHead(const std::byte* head, KvStorage storage, int d, float* keys, float* values) {
  for (int t = 0; t < kKvBlockTokens; ++t)
    ReadKv(head, t, keys + t * d, values + t * d, 1, d, storage);
}

void ReadCodedHead(const std::byte* head, const CodedForm& form, int d, float* keys,
                   float* values) {
  const CodedHead layout(d, form);
  const auto element = [](float scale, float middle, int code, int bits) {
    const float centre = 0.5f * static_cast<float>((1 << bits) - 1);
    return middle + scale * (static_cast<float>(code) - centre);
  };
  for (int t = 0; t < kKvBlockTokens; ++t) {
    for (int c = 0; c < d; ++c) {
      const size_t by_token = c / kGroup * kGroup + t, group = form.token_keys ? by_token : c;
      keys[t * d + c] = element(ScaleAt(head + layout.key_scales, group, form.key_bits),
                                HalfAt(head + layout.key_middles, group),
                                GetKey(head, c, t, form.key_bits, d), form.key_bits);
      const int bits = form.value_bits;
      const float scale = ScaleAt(head + layout.value_scales, by_token, bits);
      values[t * d + c] =
          element(scale, ValueMiddleAt(head + layout.value_middles, by_token, bits, scale),
                  Get(head + layout.values, ValuePlace(c, t, bits), bits), bits);
    }
  }
}

void CodeBlock(const std::byte* block, KvStorage storage, int kv_heads, int head_dim,
               const CodedForm& form, std::byte* coded) {
  static thread_local std::vector<float> rows;
  rows.resize(static_cast<size_t>(2) * kKvBlockTokens * head_dim);
  float *const keys = rows.data(), *const values = keys + kKvBlockTokens * head_dim;
  const size_t open_bytes = KvBlockBytes(1, head_dim, storage);
  const size_t coded_bytes = CodedHead(head_dim, form).bytes;
  for (int h = 0; h < kv_heads; ++h) {
    ReadOpenHead(block + h * open_bytes, storage, head_dim, keys, values);
    std::byte* head = coded + h * coded_bytes;
    std::memset(head, 0, coded_bytes);
    CodeKeys(keys, head_dim, form, head);
    CodeValues(values, head_dim, form, head);
  }
}

void DecodeBlock(const std::byte* coded, const CodedForm& form, int kv_heads, int head_dim,
                 KvStorage storage, std::byte* block) {
  const size_t open_bytes = KvBlockBytes(1, head_dim, storage);
  const size_t coded_bytes = CodedHead(head_dim, form).bytes;
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
