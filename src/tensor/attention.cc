// How the rows and keys of a call are cut into tiles. What a row computes never depends on the cut:
// its keys are taken in chunks of 256 by absolute position, each chunk from a fresh state, and
// chunks are merged in order. So one token or 512 at once, 1 thread or 2, give the same bytes.
#include "tensor/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tensor/kernels.h"

namespace weir::tensor {
namespace {

constexpr int64_t kChunkBlocks = 8;
constexpr int64_t kChunkTokens = kChunkBlocks * kKvBlockTokens;
constexpr int kWantedRows = 32;  // of a prefill tile: amortises the conversion of a block to f32
constexpr float kLog2E = 1.44269504088896f;

size_t HeadBytes(int head_dim) {
  return static_cast<size_t>(2) * kKvBlockTokens * head_dim * sizeof(uint16_t);
}

// The state of up to kMaxTileRows rows.
struct TileState {
  TileState(int rows, int head_dim)
      : head_dim(head_dim),
        acc(static_cast<size_t>(rows) * head_dim),
        peak(rows),
        sums(16 * rows) {}
  void Clear() {
    std::fill(acc.begin(), acc.end(), 0.0f);
    std::fill(peak.begin(), peak.end(), -std::numeric_limits<float>::infinity());
    std::fill(sums.begin(), sums.end(), 0.0f);
  }
  void Point(AttentionTile* tile) {
    tile->acc = acc.data();
    tile->peak = peak.data();
    tile->sums = sums.data();
  }
  int head_dim;
  std::vector<float> acc, peak, sums;
};

void Merge(const KernelSet& kernels, int rows, const TileState& later, TileState* into) {
  const int d = into->head_dim;
  for (int r = 0; r < rows; ++r) {
    kernels.merge_row(&into->acc[static_cast<size_t>(r) * d], &into->peak[r], &into->sums[16 * r],
                      &later.acc[static_cast<size_t>(r) * d], later.peak[r], &later.sums[16 * r],
                      d);
  }
}

// Query rows of one group of heads: tokens [first, first + tokens) x the heads of the group.
struct QueryTile {
  int64_t first = 0, tokens = 0;
  int group = 0;
};

// Query heads that read one KV head together: all that share it, or a divisor if they exceed a
// tile.
int GroupHeads(int heads, int kv_heads) {
  int group = heads / kv_heads;
  for (int parts = 1; group > kMaxTileRows; ++parts) {
    if (heads / kv_heads % parts == 0) group = heads / kv_heads / parts;
  }
  return group;
}

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
        tile_tokens_(std::clamp(kWantedRows / group_, 1, kMaxTileRows)),
        tiles_((n + tile_tokens_ - 1) / tile_tokens_) {}

  void Run(Threads* threads) {
    const int64_t whole = tiles_ * groups_;
    const int count = threads == nullptr ? 1 : threads->count();
    if (tiles_ > 1 || whole >= 4 * count || a_.length <= kChunkTokens) {
      RunTasks(threads, whole, [&](int64_t task) {
        // Later tokens see more keys: neighbours in task order are equally long.
        AttendWhole({task / groups_ * tile_tokens_, TokensOf(task / groups_),
                     static_cast<int>(task % groups_)});
      });
    } else {
      RunSplit(threads);
    }
  }

 private:
  // A tile with what its kernel calls borrow.
  struct Bound {
    Bound(const Paged& p, const QueryTile& t) : rows(static_cast<int>(t.tokens) * p.group_) {
      const int d = p.a_.head_dim;
      q.resize(static_cast<size_t>(rows) * d);
      begin.resize(rows);
      end.resize(rows);
      const float scale = p.a_.scale * kLog2E;
      for (int r = 0; r < rows; ++r) {
        const int64_t token = t.first + r / p.group_;
        const int64_t position = p.a_.length - p.n_ + token;
        const float* from = p.q_ + (token * p.a_.heads + t.group * p.group_ + r % p.group_) * d;
        for (int i = 0; i < d; ++i) q[static_cast<size_t>(r) * d + i] = from[i] * scale;
        begin[r] = p.a_.window > 0 ? std::max<int64_t>(0, position - p.a_.window + 1) : 0;
        end[r] = position + 1;
      }
      tile.rows = rows;
      tile.head_dim = d;
      tile.half = true;
      tile.value_stride = d;
      tile.q = q.data();
      tile.begin = begin.data();
      tile.end = end.data();
    }
    int rows;
    std::vector<float> q;
    std::vector<int64_t> begin, end;
    AttentionTile tile;
  };

  int64_t TokensOf(int64_t tile) const {
    return std::min<int64_t>(tile_tokens_, n_ - tile * tile_tokens_);
  }

  static void RunTasks(Threads* threads, int64_t tasks, absl::FunctionRef<void(int64_t)> work) {
    if (threads == nullptr || tasks <= 1) {
      for (int64_t t = 0; t < tasks; ++t) work(t);
      return;
    }
    threads->Run([&](int worker) {
      for (int64_t t = worker; t < tasks; t += threads->count()) work(t);
    });
  }

  // One chunk of keys from a fresh state.
  void AttendChunk(Bound& bound, int group, int64_t chunk, TileState* state) const {
    KeyBlock blocks[kChunkBlocks];
    const size_t head = static_cast<size_t>(group) * a_.kv_heads / groups_ * HeadBytes(a_.head_dim);
    const int64_t used = (a_.length + kKvBlockTokens - 1) / kKvBlockTokens;
    const int64_t first = chunk * kChunkBlocks, last = std::min(first + kChunkBlocks, used);
    for (int64_t b = first; b < last; ++b) {
      blocks[b - first].keys = a_.blocks[b] + head;
      blocks[b - first].values = a_.blocks[b] + head + HeadBytes(a_.head_dim) / 2;
    }
    state->Clear();
    state->Point(&bound.tile);
    bound.tile.blocks = {blocks, static_cast<size_t>(last - first)};
    bound.tile.first_key = first * kKvBlockTokens;
    kernels_.attend(bound.tile);
  }

  void Finish(const QueryTile& t, int rows, const TileState& state) const {
    const int d = a_.head_dim;
    for (int r = 0; r < rows; ++r) {
      const int64_t at = (t.first + r / group_) * a_.heads + t.group * group_ + r % group_;
      const float l = kernels_.finish_row(&state.acc[static_cast<size_t>(r) * d], state.peak[r],
                                          &state.sums[16 * r], out_ + at * d, d);
      if (lse_ != nullptr) lse_[at] = l;
    }
  }

  void AttendWhole(const QueryTile& t) const {
    Bound bound(*this, t);
    TileState total(bound.rows, a_.head_dim), part(bound.rows, a_.head_dim);
    const int64_t first = *std::min_element(bound.begin.begin(), bound.begin.end()) / kChunkTokens;
    const int64_t last = (bound.end.back() + kChunkTokens - 1) / kChunkTokens;
    AttendChunk(bound, t.group, first, &total);
    for (int64_t chunk = first + 1; chunk < last; ++chunk) {
      AttendChunk(bound, t.group, chunk, &part);
      Merge(kernels_, bound.rows, part, &total);
    }
    Finish(t, bound.rows, total);
  }

  // Few rows, many keys: groups x chunks are the tasks, merged afterwards in the order of the keys.
  void RunSplit(Threads* threads) {
    const QueryTile all{0, n_, 0};
    const int rows = static_cast<int>(n_) * group_;
    const int64_t first =
        a_.window > 0 ? std::max<int64_t>(0, a_.length - n_ + 1 - a_.window) / kChunkTokens : 0;
    const int64_t chunks = (a_.length + kChunkTokens - 1) / kChunkTokens - first;
    std::vector<TileState> parts(chunks * groups_, TileState(rows, a_.head_dim));
    RunTasks(threads, chunks * groups_, [&](int64_t task) {
      QueryTile t = all;
      t.group = static_cast<int>(task / chunks);
      Bound bound(*this, t);
      AttendChunk(bound, t.group, first + task % chunks, &parts[task]);
    });
    RunTasks(threads, groups_, [&](int64_t group) {
      TileState& total = parts[group * chunks];
      for (int64_t c = 1; c < chunks; ++c) Merge(kernels_, rows, parts[group * chunks + c], &total);
      QueryTile t = all;
      t.group = static_cast<int>(group);
      Finish(t, rows, total);
    });
  }

  const KernelSet& kernels_;
  const PagedAttention& a_;
  const float* q_;
  const int64_t n_;
  float* out_;
  float* lse_;
  const int group_;   // query heads of a tile
  const int groups_;  // in all heads
  const int64_t tile_tokens_;
  const int64_t tiles_;
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
    for (int64_t j = 0; j < count; ++j) {
      const float* from = h.k + (b * kKvBlockTokens + j) * h.stride;
      for (int i = 0; i < d; ++i) to[i * kKvBlockTokens + j] = from[i];
    }
    views[b] = {to, h.v + b * kKvBlockTokens * h.stride};
  }
  TileState state(kWantedRows, d);
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
  for (int64_t first = 0; first < h.length; first += kWantedRows) {
    tile.rows = static_cast<int>(std::min<int64_t>(kWantedRows, h.length - first));
    for (int r = 0; r < tile.rows; ++r) {
      const float* from = h.q + (first + r) * h.stride;
      for (int i = 0; i < d; ++i) q[static_cast<size_t>(r) * d + i] = from[i] * (h.scale * kLog2E);
    }
    state.Clear();
    state.Point(&tile);
    kernels.attend(tile);
    for (int r = 0; r < tile.rows; ++r) {
      kernels.finish_row(&state.acc[static_cast<size_t>(r) * d], state.peak[r], &state.sums[16 * r],
                         h.out + (first + r) * h.out_stride, d);
    }
  }
}

}  // namespace

size_t KvBlockBytes(int kv_heads, int head_dim) { return kv_heads * HeadBytes(head_dim); }

void WriteKv(std::byte* block, int slot, const float* k, const float* v, int kv_heads,
             int head_dim) {
  for (int h = 0; h < kv_heads; ++h) {
    auto* keys = reinterpret_cast<uint16_t*>(block + h * HeadBytes(head_dim));
    uint16_t* values = keys + static_cast<size_t>(kKvBlockTokens) * head_dim;
    uint16_t* value = values + static_cast<size_t>(slot) * head_dim;
    // The key is converted in place of the value, spread, then overwritten.
    Kernels().to_half(k + static_cast<size_t>(h) * head_dim, value, head_dim);
    for (int i = 0; i < head_dim; ++i) keys[i * kKvBlockTokens + slot] = value[i];
    Kernels().to_half(v + static_cast<size_t>(h) * head_dim, value, head_dim);
  }
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
