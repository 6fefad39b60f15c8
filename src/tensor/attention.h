// Exact softmax attention, tile by tile with an online maximum and sum (flashattention), over paged
// KV blocks (decoders) or contiguous rows (encoders). Every call returns the log-sum-exp beside the
// output, so partial results merge exactly.
//
// KV block layouts, fixed here for all policies: 32 tokens, KV head after KV head.
//   f16:  keys   [head_dim][32]        transposed: one vector load covers 16 or 32 tokens
//         values [32][head_dim]
//   int8: keys   [head_dim/4][32][4]   plus 128, unsigned: dword d of a token is its channels 4d..
//         their scales [head_dim/32][32] f16, max|k| / 127 of 32 channels of a token
//         values [8][head_dim][4]      signed: dword d of row j is channel d of tokens 4j ..
//         their scales [32] f16, max|v| / 127 of all channels of a token
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/threads.h"

namespace weir::tensor {

inline constexpr int kKvBlockTokens = 32;

enum class KvStorage {
  kHalf,
  kInt8,  // head_dim % 32 == 0
};

// How coded_kv.h codes the blocks that a cache keeps small.
struct CodedForm {
  int key_bits = 3;         // 2, 3 or 4
  int value_bits = 2;       // 2 or 4
  bool token_keys = false;  // scales of a token's 32 channels, else of a channel's 32 tokens
};

// Bytes of one block: keys then values of all KV heads, one layer.
size_t KvBlockBytes(int kv_heads, int head_dim, KvStorage storage = KvStorage::kHalf);

// Writes one token's keys and values at `slot` in [0, 32) of a block. k, v: [kv_heads, head_dim]
// f32.
void WriteKv(std::byte* block, int slot, const float* k, const float* v, int kv_heads,
             int head_dim, KvStorage storage = KvStorage::kHalf);

// The token at `slot` as the block holds it: k, v [kv_heads, head_dim] f32, the values that Attend
// reads. Writing what was read gives the same bytes.
void ReadKv(const std::byte* block, int slot, float* k, float* v, int kv_heads, int head_dim,
            KvStorage storage = KvStorage::kHalf);

struct PagedAttention {
  std::span<const std::byte* const> blocks;  // of one layer, in order
  int64_t length = 0;                        // tokens stored, the n new ones included
  int heads = 0, kv_heads = 0, head_dim = 0;
  float scale = 0;     // usually 1 / sqrt(head_dim)
  int64_t window = 0;  // > 0: a query at p sees keys in (p - window, p]
  KvStorage storage = KvStorage::kHalf;
  const int64_t* positions = nullptr;  // [n] ascending, of the queries; null: the n newest
  // Blocks [coded_first, coded_last) are coded, as `coded` says.
  size_t coded_first = 0, coded_last = 0;
  CodedForm coded = {};
};

// What stays in registers and L1 while keys stream past in a prefill: rows of queries (tokens times
// the query heads that share a KV head) and the keys of one step of the softmax. Bits do not depend
// on the rows; those of keys are fixed.
struct PrefillTile {
  int rows = 0, keys = 0;
};
PrefillTile PrefillTileOf(int heads, int kv_heads);

// Causal: query i of n sits at positions[i], or at length - n + i (bottom-right aligned).
// q, out: [n, heads, head_dim] f32; lse: [n, heads] or null. Query heads of one KV head are read
// together. Over int8 blocks queries are quantised to int8 (32 channels to a scale) and weights to
// 14 bits of the largest of 128 keys; both products are exact integers.
void Attend(const PagedAttention& a, const float* q, int64_t n, float* out, float* lse,
            Threads* threads);

// Not causal, contiguous, ragged: sequence s owns rows [offsets[s], offsets[s+1]) of q, k, v, out,
// each [total, heads, head_dim] f32 with `row_stride` floats between rows (q, k, v may be
// interleaved).
void AttendRagged(const float* q, const float* k, const float* v, size_t row_stride,
                  std::span<const int64_t> offsets, int heads, int head_dim, float scale,
                  float* out, size_t out_stride, Threads* threads);

}  // namespace weir::tensor
