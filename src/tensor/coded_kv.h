// KV blocks in codes of 2 to 4 bits: what old blocks of attention.h become (kivi). A group is 32
// elements that share a scale and a middle, and x is taken as
//   middle + scale * (code - centre), centre = (2^bits - 1) / 2.
// Keys are grouped over the 32 tokens of a channel, or over 32 channels of a token; values over 32
// channels of a token. Scales and middles are f16, but beside codes of 2 or 3 bits
//   a scale is one byte, a f16 without its sign and its low 7 bits: 5 of exponent, 3 of mantissa;
//   a middle of values is one signed byte, in sixteenths of the scale.
// Layout, KV head after KV head, with F = 8 / bits and D = head_dim:
//   key codes    [2][D/32][bits][64]  16 tokens of 32 channels, of 2 or 4 bits: byte 4j + e of line
//                                 (h, p, m) holds, F codes from the low bits up, channel
//                                 32 p + 4 (F m + f) + e of token 16 h + j for f = 0 .. F-1.
//                                 Of 3 bits: lines 0 and 1 as of 2 bits, their low two; bit f of
//                                 line 2 is the high one of channel 32 p + 4 f + e
//   key scales   [D], middles [D]; grouped by token: [D/32][32] each
//   value codes  [D/16][8/F][64]  byte 4c + e of line (v, m) holds channel 16 v + c of tokens
//                                 4 (F m + f) + e
//   value scales [D/32][32], middles [D/32][32]
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/attention.h"

namespace weir::tensor {

// Bytes of a scale beside codes of so many bits, and of a middle of values.
constexpr size_t CodedScaleBytes(int bits) { return bits < 4 ? 1 : 2; }
// Parts of the scale that a middle of one byte counts.
inline constexpr float kMiddleSteps = 16.0f;

// Offsets inside the coded block of one KV head.
struct CodedHead {
  constexpr CodedHead(int head_dim, const CodedForm& form)
      : key_scales(static_cast<size_t>(4) * form.key_bits * head_dim),
        key_middles(key_scales + CodedScaleBytes(form.key_bits) * head_dim),
        values(key_middles + static_cast<size_t>(2) * head_dim),
        value_scales(values + static_cast<size_t>(4) * form.value_bits * head_dim),
        value_middles(value_scales + CodedScaleBytes(form.value_bits) * head_dim),
        bytes(value_middles + CodedScaleBytes(form.value_bits) * head_dim) {}
  size_t key_scales, key_middles, values, value_scales, value_middles, bytes;
};

// REQUIRES of all: head_dim a positive multiple of 32, at most kMaxCodedDim; of the form (3, 2) or
// (4, 4) bits, or (2, 2).
inline constexpr int kMaxCodedDim = 512;

size_t CodedBlockBytes(int kv_heads, int head_dim, const CodedForm& form);

// Codes a block whose 32 slots are all written. Elements beyond what f16 holds are clamped to it.
void CodeBlock(const std::byte* block, KvStorage storage, int kv_heads, int head_dim,
               const CodedForm& form, std::byte* coded);

// Writes the elements that a coded block stands for back into an open block, all 32 slots.
void DecodeBlock(const std::byte* coded, const CodedForm& form, int kv_heads, int head_dim,
                 KvStorage storage, std::byte* block);

// One head's block as f32, keys and values [32][head_dim] each: open blocks, and coded ones.
void ReadOpenHead(const std::byte* head, KvStorage storage, int head_dim, float* keys,
                  float* values);
void ReadCodedHead(const std::byte* head, const CodedForm& form, int head_dim, float* keys,
                   float* values);

}  // namespace weir::tensor
