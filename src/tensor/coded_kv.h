// KV blocks in codes of 2 or 4 bits: what old blocks of attention.h become (kivi). A group is 32
// elements that share a scale and a middle, both f16, and x is taken as
//   middle + scale * (code - centre), centre = (2^bits - 1) / 2.
// Keys are grouped over the 32 tokens of a channel, or over 32 channels of a token; values over 32
// channels of a token. Layout, KV head after KV head, with F = 8 / bits and D = head_dim:
//   key codes    [2][D/4/F][64]   byte 4j + e of line (h, m) holds, F codes from the low bits up,
//                                 channel 4 (F m + f) + e of token 16 h + j for f = 0 .. F-1
//   key scales   [D], middles [D] f16; grouped by token: [D/32][32] each
//   value codes  [D/16][8/F][64]  byte 4c + e of line (v, m) holds channel 16 v + c of tokens
//                                 4 (F m + f) + e
//   value scales [D/32][32], middles [D/32][32] f16
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/attention.h"

namespace weir::tensor {

// Offsets inside the coded block of one KV head.
struct CodedHead {
  constexpr CodedHead(int head_dim, int bits)
      : key_scales(static_cast<size_t>(4) * bits * head_dim),
        key_middles(key_scales + static_cast<size_t>(2) * head_dim),
        values(key_middles + static_cast<size_t>(2) * head_dim),
        value_scales(values + key_scales),
        value_middles(value_scales + static_cast<size_t>(2) * head_dim),
        bytes(value_middles + static_cast<size_t>(2) * head_dim) {}
  size_t key_scales, key_middles, values, value_scales, value_middles, bytes;
};

// REQUIRES of all: head_dim a positive multiple of 32, at most kMaxCodedDim; bits 2 or 4.
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
