// The AVX2 target: the shared templates on two registers of 8 lanes, and the table.
#include <cpuid.h>
#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "tensor/simd/avx2.h"
#include "tensor/simd/gate.h"
#include "tensor/simd/turn_keys.h"
#include "tensor/simd/unroll.h"

// The order matters.
// clang-format off
#include "tensor/simd/target_avx2.h"
#include "tensor/simd/vec16_avx2.h"
// clang-format on

namespace weir::tensor {
namespace avx2 {
namespace {

inline constexpr int kScoreRows = 3;
inline constexpr int kValueRows = 4;
inline constexpr int kValueVectors = 1;
inline constexpr int kInt8ScoreRows = 3;
inline constexpr int kInt8ValueRows = 2;
inline constexpr int kInt8ValueVectors = 1;
inline constexpr int kFloatRows = 6;
inline constexpr int kFloatGroups = 1;

namespace shared {
// clang-format off
#include "tensor/simd/ops-inl.h"
#include "tensor/simd/attention-inl.h"
#include "tensor/simd/attention_int8-inl.h"
#include "tensor/simd/turn_keys-inl.h"
#include "tensor/simd/float_matmul-inl.h"
// clang-format on
}  // namespace shared

void Multiply(const PackedMatrix& w, size_t begin, size_t end, const Activations& a, float* y) {
  if (IsFloat(w.type)) return shared::MultiplyFloats(w, begin, end, a, y);
  if (a.n == 1) return MultiplyOne(w, begin, end, a, y);
  MultiplyQuantised(w, begin, end, a, y);
}

}  // namespace
}  // namespace avx2
}  // namespace weir::tensor

#include "tensor/simd/target_end.h"

namespace weir::tensor {

namespace {
bool SupportedAvx2() {
  unsigned a, b, c, d;  // F16C by hand: not every compiler's built-in knows it
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}
}  // namespace

extern const KernelSet kAvx2Kernels = {
    .name = "AVX2",
    .supported = SupportedAvx2,
    .quantize_row = avx2::shared::QuantizeRow,
    .multiply = avx2::Multiply,
    .unpack = avx2::Unpack,
    .attend = avx2::shared::AttendTile,
    .attend_int8 = avx2::shared::AttendInt8Tile,
    .quantize_vector = avx2::shared::QuantizeVector,
    .merge_row = avx2::shared::MergeRow,
    .finish_row = avx2::shared::FinishRow,
    .scale = avx2::shared::Scale,
    .to_half = avx2::shared::ToHalf,
    .rms_norm = avx2::shared::RmsNorm,
    .layer_norm = avx2::shared::LayerNorm,
    .add_to = avx2::shared::AddTo,
    .silu_multiply = avx2::shared::SiluMultiply,
    .gelu = avx2::shared::Gelu,
    .softmax = avx2::shared::Softmax,
    .rotary_interleaved = avx2::shared::RotaryInterleaved,
    .rotary_halves = avx2::shared::RotaryHalves,
    .dot = avx2::shared::Dot,
    .dot_int8 = avx2::DotInt8,
    .scan_int8 = avx2::ScanInt8,
    .read = avx2::Read,
    .int8_peak = avx2::Int8Peak,
    .float_peak = avx2::shared::FloatPeak,
};

extern const GateKernel kAvx2GeluTanh = avx2::shared::GeluTanhMultiply;
extern const TurnKeysKernel kAvx2TurnKeys = avx2::shared::TurnKeys;

}  // namespace weir::tensor
