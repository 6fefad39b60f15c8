#include "tensor/grouped_attention.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "tensor/attention_tile.h"
#include "tensor/kernels.h"

namespace weir::tensor {
namespace {

// Query rows of one KV head from which on a sequence fills tiles of its own (prompts).
constexpr int64_t kOwnTileRows = 32;
// What reading a block costs beside its rows, in rows: an estimate, which only balances threads.
constexpr int64_t kBlockRows = 4;
constexpr int64_t kChunkSpans = kChunkBlocks / kSpanBlocks;

// Blocks [first, first + count) of a chunk, read for rows [row, row + rows).
struct Tile {
  int64_t first, count;
  int row, rows;
  size_t sequence;  // one that has the blocks
};

// The rows of sequences that are joined within a chunk: what one thread does without a pause.
struct Task {
  int64_t chunk;
  int row, rows;  // at most kMaxTileRows
  size_t tile, tiles;
  int64_t cost;  // of one group of heads
};

// Kept by a thread from call to call: decoding attends hundreds of times a token.
struct Scratch {
  std::vector<Task> tasks;
  std::vector<Tile> tiles;
  std::vector<int64_t> costs;  // of all tasks up to and with each
  std::vector<int64_t> shared;
  std::vector<uint8_t> joined;
  std::vector<int> first_row;
  std::vector<int64_t> begin, end;
  std::vector<float> states, q, scales;
  std::vector<int8_t> codes;
  std::vector<int32_t> negative_sums;
};

class Together {
 public:
  Together(const KernelSet& kernels, std::span<const SequenceQueries> sequences, bool share,
           Scratch& scratch)
      : kernels_(kernels),
        sequences_(sequences),
        shape_(sequences[0].attention),
        d_(shape_.head_dim),
        group_(GroupHeads(shape_.heads, shape_.kv_heads)),
        groups_(shape_.heads / group_),
        s_(scratch) {
    LayOutRows();
    LayOutTasks(share);
  }

  void Run(Threads* threads) {
    PrepareRows(threads);
    const int count = threads == nullptr ? 1 : threads->count();
    const int64_t total = s_.costs.empty() ? 0 : s_.costs.back();
    const auto from = [&](int worker) {  // the first task past the worker's share of the cost
      const auto at = std::lower_bound(s_.costs.begin(), s_.costs.end(),
                                       total * worker / count + (worker > 0 ? 1 : 0));
      return worker == count ? s_.costs.size() : static_cast<size_t>(at - s_.costs.begin());
    };
    const auto work = [&](int worker) {
      for (size_t t = from(worker), last = from(worker + 1); t < last; ++t) RunTask(t);
    };
    if (threads == nullptr) {
      work(0);
    } else {
      threads->Run(work);
    }
    ParallelFor(threads, static_cast<size_t>(rows_) * groups_, 8,
                [&](size_t begin, size_t end, int) {
                  for (size_t i = begin; i < end; ++i) MergeRow(i);
                });
  }

 private:
  const PagedAttention& Attention(size_t sequence) const { return sequences_[sequence].attention; }
  int64_t Blocks(size_t sequence) const {
    return (Attention(sequence).length + kKvBlockTokens - 1) / kKvBlockTokens;
  }
  int64_t FirstChunk(size_t sequence) const {
    return s_.begin[s_.first_row[sequence]] / kChunkTokens;
  }
  int64_t EndChunk(size_t sequence) const {
    return (Attention(sequence).length + kChunkTokens - 1) / kChunkTokens;
  }

  // Rows of one group of heads, alike for all: sequence after sequence, token after token.
  void LayOutRows() {
    s_.first_row.assign(1, 0);
    s_.begin.clear(), s_.end.clear();
    for (const SequenceQueries& sequence : sequences_) {
      const PagedAttention& a = sequence.attention;
      for (int64_t i = 0; i < sequence.n * group_; ++i) {
        const int64_t position = PositionOf(a, i / group_, sequence.n);
        s_.begin.push_back(a.window > 0 ? std::max<int64_t>(0, position - a.window + 1) : 0);
        s_.end.push_back(position + 1);
      }
      s_.first_row.push_back(static_cast<int>(s_.begin.size()));
    }
    rows_ = s_.first_row.back();
    first_chunk_ = INT64_MAX, end_chunk_ = 0;
    for (size_t i = 0; i < sequences_.size(); ++i) {
      first_chunk_ = std::min(first_chunk_, FirstChunk(i));
      end_chunk_ = std::max(end_chunk_, EndChunk(i));
    }
  }

  // Bit s: sequences i and i + 1 have the same blocks, as many, in span s of the chunk, and both
  // read the chunk.
  uint8_t SameSpans(size_t i, int64_t chunk) const {
    if (chunk < std::max(FirstChunk(i), FirstChunk(i + 1))) return 0;
    const std::byte* const* a = Attention(i).blocks.data();
    const std::byte* const* b = Attention(i + 1).blocks.data();
    uint32_t bits = 0;
    for (int64_t span = 0; span < kChunkSpans; ++span) {
      const int64_t first = chunk * kChunkBlocks + span * kSpanBlocks;
      const int64_t last = std::min(first + kSpanBlocks, Blocks(i));
      const bool same = first < last && last == std::min(first + kSpanBlocks, Blocks(i + 1)) &&
                        std::equal(a + first, a + last, b + first);
      bits |= static_cast<uint32_t>(same) << span;
    }
    return static_cast<uint8_t>(bits);
  }

  void LayOutTasks(bool share) {
    const size_t count = sequences_.size();
    const auto chunks = static_cast<size_t>(end_chunk_ - first_chunk_);
    s_.joined.assign(chunks * count, 0);  // [chunks][count]; the last sequence has no neighbour
    for (size_t i = 0; share && i + 1 < count; ++i) {
      for (size_t c = 0; c < chunks; ++c) {
        s_.joined[c * count + i] = SameSpans(i, first_chunk_ + static_cast<int64_t>(c));
      }
    }
    s_.tasks.clear(), s_.tiles.clear();
    for (size_t c = 0; c < chunks; ++c) {
      const uint8_t* joined = &s_.joined[c * count];
      for (size_t i = 0, last; i < count; i = last) {
        last = i + 1;
        while (joined[last - 1] != 0) ++last;
        AddTasks(first_chunk_ + static_cast<int64_t>(c), i, last, joined);
      }
    }
    s_.costs.clear();
    int64_t sum = 0;
    for (const Task& task : s_.tasks) {
      for (int g = 0; g < groups_; ++g) s_.costs.push_back(sum += task.cost);
    }
  }

  // The chunk of sequences [first, last), each joined with the next.
  void AddTasks(int64_t chunk, size_t first, size_t last, const uint8_t* joined) {
    if (last == first + 1 && (chunk < FirstChunk(first) || chunk >= EndChunk(first))) return;
    const int row = s_.first_row[first], rows = s_.first_row[last] - row;
    const int parts = (rows + kMaxTileRows - 1) / kMaxTileRows;
    for (int p = 0; p < parts; ++p) {
      Task task{.chunk = chunk, .row = row + rows * p / parts, .tile = s_.tiles.size()};
      task.rows = row + rows * (p + 1) / parts - task.row;
      AddTiles(task, first, last, joined);
      task.tiles = s_.tiles.size() - task.tile;
      for (size_t t = task.tile; t < s_.tiles.size(); ++t) {
        task.cost += s_.tiles[t].count * (s_.tiles[t].rows + kBlockRows);
      }
      s_.tasks.push_back(task);
    }
  }

  // Runs of sequences with the same span, span by span; spans with the same runs are one tile.
  void AddTiles(const Task& task, size_t first, size_t last, const uint8_t* joined) {
    const auto bits_at = [&](int64_t span, size_t i) { return joined[i] >> span & 1; };
    for (int64_t span = 0, next; span < kChunkSpans; span = next) {
      next = span + 1;
      const auto same = [&](int64_t other) {
        for (size_t i = first; i < last; ++i) {
          if (bits_at(other, i) != bits_at(span, i)) return false;
        }
        return true;
      };
      while (next < kChunkSpans && same(next)) ++next;
      for (size_t i = first, end; i < last; i = end) {
        end = i + 1;
        while (bits_at(span, end - 1) != 0) ++end;
        // Alone, a sequence may end before the others.
        const int64_t at = task.chunk * kChunkBlocks + span * kSpanBlocks;
        const int64_t blocks = std::min(at + (next - span) * kSpanBlocks, Blocks(i)) - at;
        const int from = std::max(s_.first_row[i], task.row);
        const int to = std::min(s_.first_row[end], task.row + task.rows);
        if (blocks > 0 && from < to) s_.tiles.push_back({at, blocks, from, to - from, i});
      }
    }
  }

  // Row `row` of a group in the form that the storage's kernel reads: f16 f32 values, int8 codes.
  // As Attend does it, to the bit.
  void PrepareRow(int group, int row, float* values) {
    const auto it = std::upper_bound(s_.first_row.begin(), s_.first_row.end(), row) - 1;
    const int in_sequence = row - *it;
    const SequenceQueries& sequence = sequences_[it - s_.first_row.begin()];
    const int64_t token = in_sequence / group_;
    const float* from =
        sequence.q + (token * shape_.heads + group * group_ + in_sequence % group_) * d_;
    const float scale = shape_.scale * kLog2E;
    if (shape_.storage != KvStorage::kInt8) return kernels_.scale(from, scale, d_, values);
    const size_t at = static_cast<size_t>(group) * rows_ + row, parts = d_ / kInt8Part;
    static thread_local std::vector<float> sums;
    static thread_local std::vector<int32_t> halves;
    sums.resize(parts);
    halves.resize(2 * parts);
    kernels_.quantize_row(from, d_, {&s_.codes[at * d_], &s_.scales[at * parts], sums.data(),
                                     &s_.negative_sums[at * parts], halves.data(), 1});
    for (size_t part = 0; part < parts; ++part) s_.scales[at * parts + part] *= scale;
  }

  void PrepareRows(Threads* threads) {
    const size_t all = static_cast<size_t>(rows_) * groups_;
    s_.q.resize(all * d_);
    if (shape_.storage == KvStorage::kInt8) {
      s_.codes.resize(all * d_);
      s_.scales.resize(all * d_ / kInt8Part);
      s_.negative_sums.resize(all * d_ / kInt8Part);
    }
    const auto chunks = static_cast<size_t>(end_chunk_ - first_chunk_);
    const size_t floats = chunks * groups_ * StateFloats(rows_, d_);
    if (s_.states.size() < floats) s_.states.resize(floats);
    ParallelFor(threads, all, 16, [&](size_t begin, size_t end, int) {
      for (size_t i = begin; i < end; ++i) {
        PrepareRow(static_cast<int>(i / rows_), static_cast<int>(i % rows_), &s_.q[i * d_]);
      }
    });
  }

  TileState State(int group, int64_t chunk) const {
    const size_t at = static_cast<size_t>(chunk - first_chunk_) * groups_ + group;
    return StateAt(s_.states.data() + at * StateFloats(rows_, d_), rows_, d_);
  }

  // Where a group's part of a tile's blocks begins.
  const std::byte* HeadOf(const Tile& tile, int64_t block, int group) const {
    const size_t head = static_cast<size_t>(group) * shape_.kv_heads / groups_;
    return Attention(tile.sequence).blocks[tile.first + block] +
           head * HeadBytes(d_, shape_.storage);
  }

  void RunTask(size_t index) {
    const Task& task = s_.tasks[index / groups_];
    const int group = static_cast<int>(index) % groups_;
    const TileState all = State(group, task.chunk);
    Clear(all.From(task.row, d_), task.rows, d_);
    for (size_t t = task.tile; t < task.tile + task.tiles; ++t) {
      // What is read next is asked for ahead: this group's next tile, or the next group's or task's
      // first.
      const bool last = t + 1 == task.tile + task.tiles;
      const size_t next = !last ? t + 1 : (index + 1) % groups_ != 0 ? task.tile : t + 1;
      const int next_group = last ? static_cast<int>(index + 1) % groups_ : group;
      RunTile(s_.tiles[t], group, next < s_.tiles.size() ? &s_.tiles[next] : nullptr, next_group,
              all.From(s_.tiles[t].row, d_));
    }
  }

  void RunTile(const Tile& tile, int group, const Tile* next, int next_group,
               const TileState& state) const {
    const std::byte* heads[kChunkBlocks + kAheadBlocks] = {};
    for (int64_t b = 0; b < tile.count; ++b) heads[b] = HeadOf(tile, b, group);
    for (int64_t b = 0; next != nullptr && b < static_cast<int64_t>(kAheadBlocks); ++b) {
      if (b < next->count) heads[tile.count + b] = HeadOf(*next, b, next_group);
    }
    const size_t at = static_cast<size_t>(group) * rows_ + tile.row;
    const int64_t first_key = tile.first * kKvBlockTokens;
    const int64_t *begin = &s_.begin[tile.row], *end = &s_.end[tile.row];
    if (shape_.storage == KvStorage::kInt8) {
      const size_t parts = d_ / kInt8Part;
      kernels_.attend_int8({tile.rows, d_, heads, static_cast<size_t>(tile.count), first_key,
                            &s_.codes[at * d_], &s_.scales[at * parts],
                            &s_.negative_sums[at * parts], begin, end, state.acc, state.peak,
                            state.sums});
      return;
    }
    KeyBlock blocks[kChunkBlocks];
    for (int64_t b = 0; b < tile.count; ++b) {
      blocks[b] = {heads[b], heads[b] + HeadBytes(d_, shape_.storage) / 2};
    }
    kernels_.attend({tile.rows, d_, true, static_cast<size_t>(d_),
                     std::span<const KeyBlock>(blocks, static_cast<size_t>(tile.count)), first_key,
                     &s_.q[at * d_], begin, end, state.acc, state.peak, state.sums});
  }

  void MergeRow(size_t index) const {
    const int group = static_cast<int>(index / rows_), row = static_cast<int>(index % rows_);
    const auto it = std::upper_bound(s_.first_row.begin(), s_.first_row.end(), row) - 1;
    const auto i = static_cast<size_t>(it - s_.first_row.begin());
    const TileState total = State(group, FirstChunk(i)).From(row, d_);
    for (int64_t c = FirstChunk(i) + 1; c < EndChunk(i); ++c) {
      Merge(kernels_, 1, d_, State(group, c).From(row, d_), total);
    }
    const int in_sequence = row - *it;
    const int64_t at = static_cast<int64_t>(in_sequence / group_) * shape_.heads +
                       group * group_ + in_sequence % group_;
    const float l = kernels_.finish_row(total.acc, *total.peak, total.sums,
                                        sequences_[i].out + at * d_, d_);
    if (sequences_[i].lse != nullptr) sequences_[i].lse[at] = l;
  }

  const KernelSet& kernels_;
  const std::span<const SequenceQueries> sequences_;
  const PagedAttention& shape_;
  const int d_, group_, groups_;
  int rows_ = 0;
  int64_t first_chunk_ = 0, end_chunk_ = 0;
  Scratch& s_;
};

}  // namespace

void AttendTogether(std::span<const SequenceQueries> sequences, bool share, Threads* threads) {
  static thread_local Scratch scratch;
  static thread_local std::vector<SequenceQueries> few;
  few.clear();
  for (const SequenceQueries& s : sequences) {
    if (s.n <= 0) continue;
    if (s.n * GroupHeads(s.attention.heads, s.attention.kv_heads) > kOwnTileRows) {
      Attend(s.attention, s.q, s.n, s.out, s.lse, threads);
    } else {
      few.push_back(s);
    }
  }
  if (few.size() == 1) {
    Attend(few[0].attention, few[0].q, few[0].n, few[0].out, few[0].lse, threads);
  } else if (!few.empty()) {
    Together(Kernels(), few, share, scratch).Run(threads);
  }
}

}  // namespace weir::tensor
