// How the rows and keys of a call are cut into tiles. What a row computes never depends on the cut
// (attention_tile.h says why), so one token or 512 at once, 1 thread or 2, give the same bytes.
#include "tensor/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "tensor/attention_tile.h"
#include "tensor/coded_kv.h"
#include "tensor/kernels.h"
#include "tensor/simd/coded.h"
#include "tensor/simd/transpose_keys.h"

namespace weir::tensor {
namespace {

constexpr int kWantedRows = 60;  // of a prefill tile: amortises the conversion of a block to f32

// Query rows of one group of heads: tokens [first, first + tokens) x the heads of the group.
struct QueryTile {
  int64_t first = 0, tokens = 0;
  int group = 0;
};

int MostTokens(int group) { return std::clamp(kWantedRows / group, 1, kMaxTileRows); }

// The rows of a tile in the form that a storage's kernel reads. Kept by a thread from call to call:
// decoding attends hundreds of times a token.
struct TileRows {
  int rows = 0;
  std::vector<float> q;  // f16 and coded: times scale * log2(e)
  std::vector<int64_t> begin, end;
  std::vector<int8_t> codes;
  std::vector<float> scales, scratch;
  std::vector<int32_t> negative_sums, halves;

  void Prepare(const KernelSet& kernels, const PagedAttention& a, const QueryTile& t, int group,
               const float* q_all, int64_t n) {
    const int d = a.head_dim;
    const bool int8 = a.storage == KvStorage::kInt8, floats = !int8 || a.coded_last > a.coded_first;
    rows = static_cast<int>(t.tokens) * group;
    if (int8) MakeRoomForCodes(d);
    if (floats) q.resize(static_cast<size_t>(rows) * d);
    begin.resize(rows);
    end.resize(rows);
    const float scale = a.scale * kLog2E;
    for (int r = 0; r < rows; ++r) {
      const int64_t token = t.first + r / group;
      const int64_t position = PositionOf(a, token, n);
      const float* from = q_all + (token * a.heads + t.group * group + r % group) * d;
      if (int8) Quantize(kernels, from, d, r, scale);
      if (floats) kernels.scale(from, scale, d, &q[static_cast<size_t>(r) * d]);
      begin[r] = a.window > 0 ? std::max<int64_t>(0, position - a.window + 1) : 0;
      end[r] = position + 1;
    }
  }

  void MakeRoomForCodes(int d) {
    const size_t parts = d / kInt8Part;
    codes.resize(static_cast<size_t>(rows) * d);
    scales.resize(rows * parts);
    negative_sums.resize(rows * parts);
    scratch.resize(parts);
    halves.resize(2 * parts);
  }

  // With n = 1 the scales of a row lie together.
  void Quantize(const KernelSet& kernels, const float* from, int d, int r, float scale) {
    const size_t parts = d / kInt8Part;
    float* here = &scales[r * parts];
    kernels.quantize_row(from, d, {&codes[static_cast<size_t>(r) * d], here, scratch.data(),
                                   &negative_sums[r * parts], halves.data(), 1});
    for (size_t part = 0; part < parts; ++part) here[part] *= scale;
  }

  void AttendCoded(const KernelSet& kernels, int head_dim, const CodedForm& form,
                   const std::byte* const* heads, size_t count, int64_t first_key,
                   const TileState& s) {
    CodedKernelOf(kernels)({rows, head_dim, form, heads, count, first_key, q.data(), begin.data(),
                            end.data(), s.acc, s.peak, s.sums});
  }

  void Attend(const KernelSet& kernels, int head_dim, KvStorage storage,
              const std::byte* const* heads, size_t count, int64_t first_key,
              const TileState& s) {
    if (storage == KvStorage::kInt8) {
      kernels.attend_int8({rows, head_dim, heads, count, first_key, codes.data(), scales.data(),
                           negative_sums.data(), begin.data(), end.data(), s.acc, s.peak, s.sums});
      return;
    }
    KeyBlock blocks[kChunkBlocks];
    for (size_t b = 0; b < count; ++b) {
      blocks[b] = {heads[b], heads[b] + HeadBytes(head_dim, storage) / 2};
    }
    kernels.attend({rows, head_dim, true, static_cast<size_t>(head_dim),
                    std::span<const KeyBlock>(blocks, count), first_key, q.data(),
                    begin.data(), end.data(), s.acc, s.peak, s.sums});
  }
};

class Paged {
 public:
  // Tiles and tasks over groups of heads.
  Paged(const KernelSet& kernels, const PagedAttention& a, const float* q, int64_t n, float* out,
        float* lse)
      : kernels_(kernels),
        a_(a),
        q_(q),
        n_(n),
        out_(out),
        lse_(lse),
        group_(GroupHeads(a.heads, a.kv_heads)),
        groups_(a.heads / group_),
        tiles_(TilesFor(n, MostTokens(group_))),
        tile_tokens_((n + tiles_ - 1) / tiles_) {}

  void Run(Threads* threads) {
    const int64_t whole = tiles_ * groups_;
    const int count = threads == nullptr ? 1 : threads->count();
    if (tiles_ > 1 || whole >= 4 * count || a_.length <= kChunkTokens) {
      RunTasks(threads, whole, [&](int64_t task) {
        // Later tokens see more keys: the longest tasks come first, so that the workers end
        // together.
        task = whole - 1 - task;
        AttendWhole({task / groups_ * tile_tokens_, TokensOf(task / groups_),
                     static_cast<int>(task % groups_)});
      });
    } else {
      RunSplit(threads);
    }
  }

 private:
  static int64_t TilesFor(int64_t n, int64_t most) { return (n + most - 1) / most; }

  int64_t TokensOf(int64_t tile) const {
    return std::min<int64_t>(tile_tokens_, n_ - tile * tile_tokens_);
  }

  static void RunTasks(Threads* threads, int64_t tasks, absl::FunctionRef<void(int64_t)> work) {
    ParallelShare(threads, tasks, 1, [&](size_t begin, size_t end, int) {
      for (size_t t = begin; t < end; ++t) work(static_cast<int64_t>(t));
    });
  }

  bool Coded(int64_t block) const {
    const auto b = static_cast<size_t>(block);
    return b >= a_.coded_first && b < a_.coded_last;
  }

  // A group's part of a block.
  const std::byte* HeadOf(int64_t block, int group) const {
    const size_t bytes = Coded(block)
                             ? CodedHead(a_.head_dim, a_.coded).bytes
                             : HeadBytes(a_.head_dim, a_.storage);
    return a_.blocks[block] + static_cast<size_t>(group) * a_.kv_heads / groups_ * bytes;
  }

  // One chunk of keys from a fresh state; `next` is the chunk and group that the thread takes next.
  void AttendChunk(TileRows& rows, int group, int64_t chunk, int next_group, int64_t next_chunk,
                   const TileState& state) const {
    const std::byte* heads[kChunkBlocks + kAheadBlocks] = {};
    const int64_t used = (a_.length + kKvBlockTokens - 1) / kKvBlockTokens;
    const int64_t first = chunk * kChunkBlocks, last = std::min(first + kChunkBlocks, used);
    for (int64_t b = first; b < last; ++b) heads[b - first] = HeadOf(b, group);
    Clear(state, rows.rows, a_.head_dim);
    for (int64_t i = 0; i < static_cast<int64_t>(kAheadBlocks); ++i) {
      const int64_t b = next_chunk * kChunkBlocks + i;
      if (b < used) heads[last - first + i] = HeadOf(b, next_group);
    }
    for (int64_t b = first, end; b < last; b = end) {  // runs of blocks of one form
      end = b + 1;
      while (end < last && Coded(end) == Coded(b)) ++end;
      const std::byte* const* run = heads + (b - first);
      const auto count = static_cast<size_t>(end - b);
      if (Coded(b)) {
        rows.AttendCoded(kernels_, a_.head_dim, a_.coded, run, count, b * kKvBlockTokens, state);
      } else {
        rows.Attend(kernels_, a_.head_dim, a_.storage, run, count, b * kKvBlockTokens, state);
      }
    }
  }

  void Finish(const QueryTile& t, int rows, const TileState& state) const {
    const int d = a_.head_dim;
    for (int r = 0; r < rows; ++r) {
      const int64_t at = (t.first + r / group_) * a_.heads + t.group * group_ + r % group_;
      const float l = kernels_.finish_row(state.acc + static_cast<size_t>(r) * d, state.peak[r],
                                          state.sums + 16 * r, out_ + at * d, d);
      if (lse_ != nullptr) lse_[at] = l;
    }
  }

  void AttendWhole(const QueryTile& t) const {
    static thread_local TileRows rows;
    static thread_local std::vector<float> memory;
    rows.Prepare(kernels_, a_, t, group_, q_, n_);
    const size_t floats = StateFloats(rows.rows, a_.head_dim);
    if (memory.size() < 2 * floats) memory.resize(2 * floats);
    const TileState total = StateAt(memory.data(), rows.rows, a_.head_dim);
    const TileState part = StateAt(memory.data() + floats, rows.rows, a_.head_dim);
    const int64_t first =
        *std::min_element(rows.begin.begin(), rows.begin.end()) / kChunkTokens;
    const int64_t last = (rows.end.back() + kChunkTokens - 1) / kChunkTokens;
    AttendChunk(rows, t.group, first, t.group, first + 1, total);
    for (int64_t chunk = first + 1; chunk < last; ++chunk) {
      AttendChunk(rows, t.group, chunk, t.group, chunk + 1, part);
      Merge(kernels_, rows.rows, a_.head_dim, part, total);
    }
    Finish(t, rows.rows, total);
  }

  // Few rows, many keys: chunks x groups are the tasks, merged afterwards in the order of the keys.
  // A thread takes neighbours, so that it reads its part of the blocks in one stream.
  void RunSplit(Threads* threads) {
    static thread_local std::vector<TileRows> rows;
    static thread_local std::vector<float> memory;
    if (rows.size() < static_cast<size_t>(groups_)) rows.resize(groups_);
    for (int g = 0; g < groups_; ++g) rows[g].Prepare(kernels_, a_, {0, n_, g}, group_, q_, n_);
    const int count = rows[0].rows, d = a_.head_dim;
    const int64_t seen = PositionOf(a_, 0, n_) + 1 - a_.window;
    const int64_t first = a_.window > 0 ? std::max<int64_t>(0, seen) / kChunkTokens : 0;
    const int64_t chunks = PositionOf(a_, n_ - 1, n_) / kChunkTokens + 1 - first;
    const size_t floats = StateFloats(count, d);
    if (memory.size() < chunks * groups_ * floats) memory.resize(chunks * groups_ * floats);
    TileRows* const all = rows.data();  // thread_local names would be the worker's own
    float* const states = memory.data();
    ParallelFor(threads, chunks * groups_, 1, [&](size_t begin, size_t end, int) {
      for (size_t task = begin; task < end; ++task) {
        const auto group_of = [&](size_t t) { return static_cast<int>(t) % groups_; };
        const auto chunk_of = [&](size_t t) { return first + static_cast<int64_t>(t) / groups_; };
        const int group = group_of(task);
        AttendChunk(all[group], group, chunk_of(task), group_of(task + 1), chunk_of(task + 1),
                    StateAt(states + task * floats, count, d));
      }
    });
    for (int g = 0; g < groups_; ++g) {
      const TileState total = StateAt(states + g * floats, count, d);
      for (int64_t c = 1; c < chunks; ++c) {
        Merge(kernels_, count, d, StateAt(states + (c * groups_ + g) * floats, count, d), total);
      }
      Finish({0, n_, g}, count, total);
    }
  }

  const KernelSet& kernels_;
  const PagedAttention& a_;
  const float* q_;
  const int64_t n_;
  float* out_;
  float* lse_;
  const int group_;   // query heads of a tile
  const int groups_;  // in all heads
  const int64_t tiles_;
  const int64_t tile_tokens_;  // as equal as can be
};

// One head of one sequence of an encoder.
struct RaggedHead {
  const float *q, *k, *v;
  size_t stride, out_stride;
  int64_t length;
  int head_dim;
  float scale;
  float* out;
};

void AttendRaggedHead(const KernelSet& kernels, const RaggedHead& h) {
  const int d = h.head_dim;
  const int64_t blocks = (h.length + kKvBlockTokens - 1) / kKvBlockTokens;
  const size_t block_floats = static_cast<size_t>(d) * kKvBlockTokens;
  std::vector<float> keys(blocks * block_floats, 0.0f);
  std::vector<KeyBlock> views(blocks);
  for (int64_t b = 0; b < blocks; ++b) {
    float* to = keys.data() + b * block_floats;
    const int64_t count = std::min<int64_t>(kKvBlockTokens, h.length - b * kKvBlockTokens);
    TransposeKeys(h.k + b * kKvBlockTokens * h.stride, h.stride, count, d, to);
    views[b] = {to, h.v + b * kKvBlockTokens * h.stride};
  }
  std::vector<float> memory(StateFloats(kWantedRows, d));
  const TileState state = StateAt(memory.data(), kWantedRows, d);
  std::vector<float> q(static_cast<size_t>(kWantedRows) * d);
  const int64_t begin[kWantedRows] = {};
  int64_t end[kWantedRows];
  std::fill_n(end, kWantedRows, h.length);
  AttentionTile tile;
  tile.head_dim = d;
  tile.value_stride = h.stride;
  tile.blocks = views;
  tile.q = q.data();
  tile.begin = begin;
  tile.end = end;
  tile.acc = state.acc;
  tile.peak = state.peak;
  tile.sums = state.sums;
  for (int64_t first = 0; first < h.length; first += kWantedRows) {
    tile.rows = static_cast<int>(std::min<int64_t>(kWantedRows, h.length - first));
    for (int r = 0; r < tile.rows; ++r) {
      const float* from = h.q + (first + r) * h.stride;
      for (int i = 0; i < d; ++i) q[static_cast<size_t>(r) * d + i] = from[i] * (h.scale * kLog2E);
    }
    Clear(state, tile.rows, d);
    kernels.attend(tile);
    for (int r = 0; r < tile.rows; ++r) {
      kernels.finish_row(state.acc + static_cast<size_t>(r) * d, state.peak[r], state.sums + 16 * r,
                         h.out + (first + r) * h.out_stride, d);
    }
  }
}

}  // namespace

namespace {

void WriteHalf(std::byte* head, int slot, const float* k, const float* v, int head_dim) {
  auto* keys = reinterpret_cast<uint16_t*>(head);
  uint16_t* values = keys + static_cast<size_t>(kKvBlockTokens) * head_dim;
  uint16_t* value = values + static_cast<size_t>(slot) * head_dim;
  // The key is converted in place of the value, spread, then overwritten.
  Kernels().to_half(k, value, head_dim);
  for (int i = 0; i < head_dim; ++i) keys[i * kKvBlockTokens + slot] = value[i];
  Kernels().to_half(v, value, head_dim);
}

uint16_t ScaleToHalf(float scale) { return FloatToHalf(std::min(scale, 65504.0f)); }

void StoreHalf(std::byte* at, uint16_t half) { std::memcpy(at, &half, sizeof(half)); }

void WriteInt8(std::byte* head, int slot, const float* k, const float* v, int head_dim) {
  const Int8Head layout(head_dim);
  const KernelSet& kernels = Kernels();
  int8_t codes[kInt8Part];
  for (int c = 0; c < head_dim / kInt8Part; ++c) {
    const float scale = kernels.quantize_vector(k + c * kInt8Part, kInt8Part, codes);
    std::byte* keys = head + c * kInt8Part * kKvBlockTokens + slot * 4;
    for (int i = 0; i < kInt8Part; i += 4) {
      uint32_t word;
      std::memcpy(&word, codes + i, 4);
      word ^= 0x80808080u;
      std::memcpy(keys + i * kKvBlockTokens, &word, 4);
    }
    StoreHalf(head + layout.key_scales + (c * kKvBlockTokens + slot) * 2, ScaleToHalf(scale));
  }
  static thread_local std::vector<int8_t> row;
  row.resize(head_dim);
  const float scale = kernels.quantize_vector(v, head_dim, row.data());
  std::byte* values = head + layout.values + slot / 4 * head_dim * 4 + slot % 4;
  for (int i = 0; i < head_dim; ++i) values[4 * i] = static_cast<std::byte>(row[i]);
  StoreHalf(head + layout.value_scales + slot * 2, ScaleToHalf(scale));
}

void ReadHalf(const std::byte* head, int slot, float* k, float* v, int head_dim) {
  const auto* keys = reinterpret_cast<const uint16_t*>(head);
  const uint16_t* value = keys + static_cast<size_t>(kKvBlockTokens + slot) * head_dim;
  for (int i = 0; i < head_dim; ++i) {
    k[i] = HalfToFloat(keys[i * kKvBlockTokens + slot]);
    v[i] = HalfToFloat(value[i]);
  }
}

float LoadHalf(const std::byte* at) {
  uint16_t half;
  std::memcpy(&half, at, sizeof(half));
  return HalfToFloat(half);
}

void ReadInt8(const std::byte* head, int slot, float* k, float* v, int head_dim) {
  const Int8Head layout(head_dim);
  for (int c = 0; c < head_dim / kInt8Part; ++c) {
    const float scale = LoadHalf(head + layout.key_scales + (c * kKvBlockTokens + slot) * 2);
    const std::byte* keys = head + c * kInt8Part * kKvBlockTokens + slot * 4;
    for (int i = 0; i < kInt8Part; ++i) {
      const auto code = std::to_integer<int>(keys[i / 4 * 4 * kKvBlockTokens + i % 4]) - 128;
      k[c * kInt8Part + i] = static_cast<float>(code) * scale;
    }
  }
  const float scale = LoadHalf(head + layout.value_scales + slot * 2);
  const std::byte* values = head + layout.values + slot / 4 * head_dim * 4 + slot % 4;
  for (int i = 0; i < head_dim; ++i) {
    v[i] = static_cast<float>(static_cast<int8_t>(values[4 * i])) * scale;
  }
}

}  // namespace

size_t KvBlockBytes(int kv_heads, int head_dim, KvStorage storage) {
  return kv_heads * HeadBytes(head_dim, storage);
}

void WriteKv(std::byte* block, int slot, const float* k, const float* v, int kv_heads, int head_dim,
             KvStorage storage) {
  const bool int8 = storage == KvStorage::kInt8;
  for (int h = 0; h < kv_heads; ++h) {
    std::byte* head = block + h * HeadBytes(head_dim, storage);
    const size_t at = static_cast<size_t>(h) * head_dim;
    (int8 ? WriteInt8 : WriteHalf)(head, slot, k + at, v + at, head_dim);
  }
}

void ReadKv(const std::byte* block, int slot, float* k, float* v, int kv_heads, int head_dim,
            KvStorage storage) {
  const bool int8 = storage == KvStorage::kInt8;
  for (int h = 0; h < kv_heads; ++h) {
    const std::byte* head = block + h * HeadBytes(head_dim, storage);
    const size_t at = static_cast<size_t>(h) * head_dim;
    (int8 ? ReadInt8 : ReadHalf)(head, slot, k + at, v + at, head_dim);
  }
}

PrefillTile PrefillTileOf(int heads, int kv_heads) {
  const int group = GroupHeads(heads, kv_heads);
  return {MostTokens(group) * group, kSpanKeys};
}

void Attend(const PagedAttention& a, const float* q, int64_t n, float* out, float* lse,
            Threads* threads) {
  if (n <= 0) return;
  Paged(Kernels(), a, q, n, out, lse).Run(threads);
}

void AttendRagged(const float* q, const float* k, const float* v, size_t row_stride,
                  std::span<const int64_t> offsets, int heads, int head_dim, float scale,
                  float* out, size_t out_stride, Threads* threads) {
  const int64_t tasks = offsets.empty() ? 0 : static_cast<int64_t>(offsets.size() - 1) * heads;
  const int workers = threads == nullptr ? 1 : threads->count();
  const KernelSet& kernels = Kernels();
  auto work = [&](int worker) {
    for (int64_t task = worker; task < tasks; task += workers) {
      const int64_t s = task / heads;
      const size_t head = static_cast<size_t>(task % heads) * head_dim;
      const int64_t first = offsets[s];
      AttendRaggedHead(
          kernels, {q + first * row_stride + head, k + first * row_stride + head,
                    v + first * row_stride + head, row_stride, out_stride, offsets[s + 1] - first,
                    head_dim, scale, out + first * out_stride + head});
    }
  };
  if (threads == nullptr) {
    work(0);
  } else {
    threads->Run(work);
  }
}

}  // namespace weir::tensor
