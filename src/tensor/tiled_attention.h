// Exact f32 softmax attention of one head over contiguous rows, with the schedule and every tile
// size given by the caller. The engine's own attention is attention.h; this one exists so that a
// planner's choice of schedule and tiles can be timed (plan/attention_clock.h). Single core.
//
//   kRowOuter   a tile of rows stays, keys and values stream past it, softmax is online; scores
//               never leave the tile (FlashAttention-2 order)
//   kTwoPhase   all scores and each row's maximum and sum are written first, then each output tile
//               is summed up over them (for caches smaller than head_dim squared)
//
// Keys and values are packed into panels of 32 columns once a call, which both schedules pay.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "tensor/packed.h"

namespace weir::tensor {

struct TiledKernels;

enum class TiledSchedule { kRowOuter, kTwoPhase };
std::string_view NameOf(TiledSchedule schedule);

struct TiledShape {
  int64_t n = 0;  // queries and keys
  int64_t head_dim = 0;
  float scale = 0;  // usually 1 / sqrt(head_dim)
  bool causal = false;
};

struct TileSizes {
  int64_t rows = 0;
  int64_t columns = 0;  // keys a tile, and output columns of kTwoPhase; a multiple of 32
  int64_t slab = 0;     // channels of head_dim that a score tile takes up at a time
};

// The workspace of one shape, schedule and tile; Run may be called many times, by one thread.
class TiledAttention {
 public:
  static constexpr size_t kMaxWorkspaceBytes = size_t{1} << 30;

  // kInvalidArgument for sizes below 1 or columns that are not whole panels, kResourceExhausted
  // above kMaxWorkspaceBytes. `kernels` null: those of the target in use.
  static absl::StatusOr<TiledAttention> Make(const TiledShape& shape, TiledSchedule schedule,
                                             const TileSizes& tiles,
                                             const TiledKernels* kernels = nullptr);

  // q, k, v, out: [n, head_dim].
  void Run(const float* q, const float* k, const float* v, float* out);

  size_t workspace_bytes() const { return floats_ * sizeof(float); }

 private:
  TiledAttention() = default;
  size_t Layout(float* base);
  void Pack(const float* k, const float* v);
  void LoadQueries(const float* q, int64_t first, int64_t rows);
  void ScoreTile(int64_t rows, int64_t first_key, int64_t keys, float* scores, size_t stride);
  void RunRowOuter(const float* q, float* out);
  void RunTwoPhase(const float* q, float* out);
  void SumOutputTile(int64_t first, int64_t rows, int64_t column, float* out);
  int64_t Visible(int64_t row) const { return shape_.causal ? row + 1 : shape_.n; }
  // Keys of [first_key, first_key + keys) that `row` sees.
  size_t VisibleIn(int64_t row, int64_t first_key, int64_t keys) const;

  TiledShape shape_;
  TiledSchedule schedule_ = TiledSchedule::kRowOuter;
  TileSizes tiles_;
  const TiledKernels* kernels_ = nullptr;
  AlignedBytes bytes_;
  size_t floats_ = 0;
  int64_t padded_n_ = 0, padded_dim_ = 0;  // whole panels
  float* keys_ = nullptr;                  // [padded_n / 32][head_dim][32]
  float* values_ = nullptr;                // [padded_dim / 32][n][32]
  float* queries_ = nullptr;               // [rows][head_dim], times scale * log2(e)
  float* scores_ = nullptr;                // a tile, or all of them
  float* weights_ = nullptr;               // [rows][columns], kTwoPhase
  float* acc_ = nullptr;                   // [rows][padded_dim or columns]
  float* peak_ = nullptr;                  // [n or rows]
  float* sum_ = nullptr;
};

}  // namespace weir::tensor
