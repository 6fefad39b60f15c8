// The scalar target: the shared templates over plain arrays, and the twins of scalar_matmul.cc.
#include "tensor/kernels.h"
#include "tensor/simd/gate.h"
#include "tensor/simd/turn_keys.h"
#include "tensor/simd/scalar.h"
#include "tensor/simd/unroll.h"
#include "tensor/simd/vec16_scalar.h"

namespace weir::tensor {
namespace scalar {
namespace {

inline constexpr int kScoreRows = 1;
inline constexpr int kValueRows = 1;
inline constexpr int kValueVectors = 1;
inline constexpr int kInt8ScoreRows = 1;
inline constexpr int kInt8ValueRows = 1;
inline constexpr int kInt8ValueVectors = 1;

namespace shared {
using ::weir::tensor::scalar::Ints;
// clang-format off
#include "tensor/simd/ops-inl.h"
#include "tensor/simd/attention-inl.h"
#include "tensor/simd/attention_int8-inl.h"
#include "tensor/simd/turn_keys-inl.h"
// clang-format on
}  // namespace shared

int32_t DotInt8(const int8_t* a, const int8_t* b, size_t n) {
  int32_t sum = 0;
  for (size_t i = 0; i < n; ++i) sum += static_cast<int32_t>(a[i]) * b[i];
  return sum;
}

void ScanInt8(const int8_t* query, float query_scale, const int8_t* rows, const float* row_scales,
              size_t row_count, size_t n, float* scores) {
  for (size_t i = 0; i < row_count; ++i) {
    scores[i] = static_cast<float>(DotInt8(query, rows + i * n, n)) * row_scales[i] * query_scale;
  }
}

void Read(const std::byte* p, size_t bytes) {
  uint64_t sum = 0;
  for (size_t i = 0; i + 8 <= bytes; i += 8) {
    uint64_t word;
    std::memcpy(&word, p + i, 8);
    sum ^= word;
  }
  asm volatile("" : : "r"(sum));
}

double Int8Peak(size_t loops) {
  int32_t sum = 0, x = 3;
  for (size_t i = 0; i < loops; ++i) {
    asm volatile("" : "+r"(x));
    sum += x * x;
  }
  asm volatile("" : : "r"(sum));
  return 1;
}

bool Supported() { return true; }

}  // namespace
}  // namespace scalar

const KernelSet kScalarKernels = {
    .name = "SCALAR",
    .supported = scalar::Supported,
    .quantize_row = scalar::QuantizeRow,
    .multiply = scalar::Multiply,
    .unpack = scalar::Unpack,
    .attend = scalar::shared::AttendTile,
    .attend_int8 = scalar::shared::AttendInt8Tile,
    .quantize_vector = scalar::shared::QuantizeVector,
    .merge_row = scalar::shared::MergeRow,
    .finish_row = scalar::shared::FinishRow,
    .scale = scalar::shared::Scale,
    .to_half = scalar::shared::ToHalf,
    .rms_norm = scalar::shared::RmsNorm,
    .layer_norm = scalar::shared::LayerNorm,
    .add_to = scalar::shared::AddTo,
    .silu_multiply = scalar::shared::SiluMultiply,
    .gelu = scalar::shared::Gelu,
    .softmax = scalar::shared::Softmax,
    .rotary_interleaved = scalar::shared::RotaryInterleaved,
    .rotary_halves = scalar::shared::RotaryHalves,
    .dot = scalar::shared::Dot,
    .dot_int8 = scalar::DotInt8,
    .scan_int8 = scalar::ScanInt8,
    .read = scalar::Read,
    .int8_peak = scalar::Int8Peak,
    .float_peak = scalar::shared::FloatPeak,
};

extern const GateKernel kScalarGeluTanh = scalar::shared::GeluTanhMultiply;
extern const TurnKeysKernel kScalarTurnKeys = scalar::shared::TurnKeys;

}  // namespace weir::tensor
