// The table of kernels that a CPU target provides. Rooms above never see it: matmul.h, attention.h,
// ops.h and vector.h call through Kernels(). All targets compute every output element by the same
// sequence of f32 operations (fused multiply-adds included), so products are bit-equal between
// them.
//
// An element of a quantised product is, over blocks b of 32 columns in order (Q6_K: halves of 16),
//   acc = fma(float(dot(quants, codes) - offset * sum(codes)), scale * x_scale, acc)
//   acc = fma(minimum, x_scale * sum(codes), acc)          if the format has minima (K: minus dmin
//   * m)
// and of a float product acc = fma(w, x, acc) over columns in order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tensor/packed.h"

namespace weir::tensor {

// n activation rows in int8, 32 columns to a scale. Everything lies superblock by superblock, row
// by row in it, so that a register tile finds what it reads of a row in a line or two, whatever n
// is.
struct Activations {
  size_t n = 0;
  size_t columns = 0;
  const int8_t* codes = nullptr;             // [superblocks][n][256]
  const float* scales = nullptr;             // [superblocks][n][8] max|x| / 127
  const float* scaled_sums = nullptr;        // [superblocks][n][8] scale * sum(codes)
  const int32_t* negative_sums = nullptr;    // [superblocks][n][8] -sum(codes)
  const int32_t* negative_halves = nullptr;  // [superblocks][n][16] -32 * sum of 16 codes (Q6_K)
  const float* x = nullptr;                  // [n, columns] as given, for float weights

  // Where the scale and the sums of a block lie; those of its halves lie at twice that.
  size_t IndexOf(size_t block, size_t row) const {
    return (block / kSuperBlocks * n + row) * kSuperBlocks + block % kSuperBlocks;
  }
  const int8_t* CodesOf(size_t block, size_t row) const {
    return codes + IndexOf(block, row) * kBlockColumns;
  }
};

// Where the quantiser of one row writes: the row's part of the first superblock; the next one lies
// n rows further. Only whole blocks of the row are written.
struct ActivationRow {
  int8_t* codes;
  float* scales;
  float* scaled_sums;
  int32_t* negative_sums;
  int32_t* negative_halves;
  size_t n;

  size_t IndexOf(size_t block) const {
    return block / kSuperBlocks * n * kSuperBlocks + block % kSuperBlocks;
  }
  int8_t* CodesOf(size_t block) const { return codes + IndexOf(block) * kBlockColumns; }
};

// A superblock taken apart: what the register tiles of a product of many rows read.
struct alignas(64) UnpackedSuper {
  uint8_t quants[kSuperBlocks][8][64];        // line t: 16 rows x columns 4t .. 4t+3, unsigned
  float scales[kSuperBlocks][2][kGroupRows];  // [1] is used by Q6_K only
  float minima[kSuperBlocks][kGroupRows];     // formats with minima only
};

// 32 keys and values of one KV head: keys [head_dim][32], values [32][value_stride].
struct KeyBlock {
  const void* keys;
  const void* values;
};

// Blocks of activations whose largest magnitude is at most this become zeros (1 / x must stay
// finite).
inline constexpr float kSmallestPeak = 1e-30f;

inline constexpr int kMaxTileRows = 64;
inline constexpr int kSpanBlocks = 4;  // blocks of keys that share a step of the online softmax
inline constexpr int kSpanKeys = 32 * kSpanBlocks;

// A tile of query rows against consecutive blocks of one KV head. The kernel continues from the
// state in acc, peak and sums (a fresh row is 0, -infinity, 0), so a caller may feed blocks in
// several calls; calls that are cut at multiples of kSpanKeys give the bits of one.
struct AttentionTile {
  int rows = 0;  // at most kMaxTileRows
  int head_dim = 0;
  bool half = false;        // keys and values are f16, else f32
  size_t value_stride = 0;  // elements
  std::span<const KeyBlock> blocks;
  int64_t first_key = 0;           // position of the first key of blocks[0]
  const float* q = nullptr;        // [rows][head_dim], times scale * log2(e)
  const int64_t* begin = nullptr;  // [rows]: row r sees keys in [begin[r], end[r])
  const int64_t* end = nullptr;
  float* acc = nullptr;   // [rows][head_dim]
  float* peak = nullptr;  // [rows] largest score, in units of log2
  float* sums = nullptr;  // [rows][16] partial sums of 2^(score - peak)
};

inline constexpr int kInt8Part = 32;              // channels of a key that share a scale
inline constexpr size_t kAheadBlocks = kSpanBlocks;  // how far ahead int8 blocks are asked for
inline constexpr float kWeightSteps = 16383.0f;  // 14 bits

// Offsets inside the int8 block of one KV head; attention.h has the layout.
struct Int8Head {
  explicit constexpr Int8Head(int head_dim)
      : key_scales(static_cast<size_t>(32) * head_dim),
        values(key_scales + static_cast<size_t>(2) * head_dim),
        value_scales(values + static_cast<size_t>(32) * head_dim),
        bytes(value_scales + 64) {}
  size_t key_scales, values, value_scales, bytes;
};

// As AttentionTile, over int8 blocks and int8 queries. REQUIRES: head_dim % 32 == 0.
struct Int8Tile {
  int rows = 0;
  int head_dim = 0;
  // One KV head's part of each block, and of those that will be read after them (or null).
  const std::byte* const* heads = nullptr;   // [blocks + kAheadBlocks]
  size_t blocks = 0;
  int64_t first_key = 0;                     // position of the first key of heads[0]
  const int8_t* q = nullptr;                 // [rows][head_dim]
  const float* q_scales = nullptr;           // [rows][head_dim / 32], times scale * log2(e)
  const int32_t* q_negative_sums = nullptr;  // [rows][head_dim / 32] -sum of the part's codes
  const int64_t* begin = nullptr;            // [rows]
  const int64_t* end = nullptr;
  float* acc = nullptr;
  float* peak = nullptr;
  float* sums = nullptr;
};

struct KernelSet {
  std::string_view name;
  bool (*supported)();

  void (*quantize_row)(const float* x, size_t columns, const ActivationRow& out);
  // y[i * w.rows + r] for r in groups [begin, end), i in [0, a.n).
  void (*multiply)(const PackedMatrix& w, size_t begin, size_t end, const Activations& a, float* y);
  void (*unpack)(DType type, const std::byte* super, size_t blocks, UnpackedSuper* out);

  void (*attend)(const AttentionTile& tile);
  void (*attend_int8)(const Int8Tile& tile);
  // n a multiple of 16; returns the scale.
  float (*quantize_vector)(const float* x, size_t n, int8_t* codes);
  // Adds the state of one row (acc2, ...) over later keys to that over earlier ones.
  void (*merge_row)(float* acc, float* peak, float* sums, const float* acc2, float peak2,
                    const float* sums2, int head_dim);
  // out = acc / sum, or zeros if no key was seen; returns the natural log-sum-exp.
  float (*finish_row)(const float* acc, float peak, const float* sums, float* out, int head_dim);
  void (*scale)(const float* x, float factor, size_t n, float* out);
  void (*to_half)(const float* x, uint16_t* out, size_t n);

  void (*rms_norm)(const float* x, const float* weight, float epsilon, float* out, size_t n);
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float epsilon,
                     float* out, size_t n);
  void (*add_to)(float* x, const float* y, size_t n);
  void (*silu_multiply)(const float* gate, const float* up, float* out, size_t n);
  void (*gelu)(float* x, size_t n);
  void (*softmax)(float* x, size_t n);
  void (*rotary_interleaved)(float* head, const float* cos_sin, int dim);
  void (*rotary_halves)(float* head, const float* cos_sin, int dim);

  float (*dot)(const float* a, const float* b, size_t n);
  int32_t (*dot_int8)(const int8_t* a, const int8_t* b, size_t n);
  void (*scan_int8)(const int8_t* query, float query_scale, const int8_t* rows,
                    const float* row_scales, size_t row_count, size_t n, float* scores);

  // For benches. Reads memory; repeats a loop of independent multiply-adds and returns how many one
  // iteration is.
  void (*read)(const std::byte* p, size_t bytes);
  double (*int8_peak)(size_t loops);
  double (*float_peak)(size_t loops);
};

extern const KernelSet kScalarKernels;
extern const KernelSet kAvx2Kernels;
extern const KernelSet kAvx512Kernels;

// The best set this CPU supports, or the lower one that WEIR_CPU_TARGET names. Decided once.
const KernelSet& Kernels();
// Every set that runs here, scalar first (tests and benches walk it).
std::span<const KernelSet* const> AllKernels();

// Owns the arrays of Activations.
class QuantizedActivations {
 public:
  // Quantises n rows of x; rows are split over `threads`. `codes` false: only borrows x (float
  // weights).
  QuantizedActivations(const KernelSet& kernels, const float* x, size_t n, size_t columns,
                       bool codes, Threads* threads);
  ~QuantizedActivations();
  QuantizedActivations(const QuantizedActivations&) = delete;
  QuantizedActivations& operator=(const QuantizedActivations&) = delete;
  const Activations& view() const { return view_; }

  struct alignas(64) Line {
    std::byte bytes[64];
  };
  using Scratch = std::vector<Line>;

 private:
  Scratch scratch_;
  Activations view_;
};

}  // namespace weir::tensor
