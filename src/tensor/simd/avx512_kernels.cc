// The AVX-512 target: the shared templates on one register of 16 lanes, and the table.
#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "tensor/simd/avx512.h"
#include "tensor/simd/gate.h"
#include "tensor/simd/turn_keys.h"
#include "tensor/simd/unroll.h"

// The order matters.
// clang-format off
#include "tensor/simd/target_avx512.h"
#include "tensor/simd/avx512_dot.h"
#include "tensor/simd/vec16_avx512.h"
// clang-format on

namespace weir::tensor {
namespace avx512 {
namespace {

inline constexpr int kScoreRows = 8;
inline constexpr int kValueRows = 4;
inline constexpr int kValueVectors = 4;
inline constexpr int kInt8ScoreRows = 6;
inline constexpr int kInt8ValueRows = 3;
inline constexpr int kInt8ValueVectors = 4;
inline constexpr int kFloatRows = 12;
inline constexpr int kFloatGroups = 2;

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
  a.n <= kMostFew ? MultiplyFew(w, begin, end, a, y) : MultiplyMany(w, begin, end, a, y);
}

}  // namespace
}  // namespace avx512
}  // namespace weir::tensor

#include "tensor/simd/target_end.h"

namespace weir::tensor {

namespace {
bool SupportedAvx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("avx2");
}
}  // namespace

extern const KernelSet kAvx512Kernels = {
    .name = "AVX3_DL+VNNI",
    .supported = SupportedAvx512,
    .quantize_row = avx512::QuantizeRow,
    .multiply = avx512::Multiply,
    .unpack = avx512::Unpack,
    .attend = avx512::shared::AttendTile,
    .attend_int8 = avx512::shared::AttendInt8Tile,
    .quantize_vector = avx512::shared::QuantizeVector,
    .merge_row = avx512::shared::MergeRow,
    .finish_row = avx512::shared::FinishRow,
    .scale = avx512::shared::Scale,
    .to_half = avx512::shared::ToHalf,
    .rms_norm = avx512::shared::RmsNorm,
    .layer_norm = avx512::shared::LayerNorm,
    .add_to = avx512::shared::AddTo,
    .silu_multiply = avx512::shared::SiluMultiply,
    .gelu = avx512::shared::Gelu,
    .softmax = avx512::shared::Softmax,
    .rotary_interleaved = avx512::shared::RotaryInterleaved,
    .rotary_halves = avx512::shared::RotaryHalves,
    .dot = avx512::shared::Dot,
    .dot_int8 = avx512::DotInt8,
    .scan_int8 = avx512::ScanInt8,
    .read = avx512::Read,
    .int8_peak = avx512::Int8Peak,
    .float_peak = avx512::shared::FloatPeak,
};

extern const GateKernel kAvx512GeluTanh = avx512::shared::GeluTanhMultiply;
extern const TurnKeysKernel kAvx512TurnKeys = avx512::shared::TurnKeys;

}  // namespace weir::tensor
