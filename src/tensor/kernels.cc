#include "tensor/kernels.h"

#include <string>
#include <vector>

#include "base/environment.h"

namespace weir::tensor {
namespace {

const std::vector<const KernelSet*>& Supported() {
  static const std::vector<const KernelSet*>* const sets = [] {
    auto* found = new std::vector<const KernelSet*>;
    for (const KernelSet* set : {&kScalarKernels, &kAvx2Kernels, &kAvx512Kernels}) {
      if (set->supported()) found->push_back(set);
    }
    return found;
  }();
  return *sets;
}

const KernelSet& Choose() {
  // Tests and benches lower the target with it.
  const std::string wanted = EnvironmentVariable("WEIR_CPU_TARGET");
  for (const KernelSet* set : Supported()) {
    if ((wanted == "scalar" && set->name == "SCALAR") ||
        (wanted == "avx2" && set->name == "AVX2")) {
      return *set;
    }
  }
  return *Supported().back();
}

}  // namespace

std::span<const KernelSet* const> AllKernels() { return Supported(); }

const KernelSet& Kernels() {
  static const KernelSet& chosen = Choose();
  return chosen;
}

std::string_view KernelTarget() { return Kernels().name; }

namespace {

// The memory of the last activations of this thread. Fresh pages for each of the hundreds of
// products of a pass cost more than the quantising.
thread_local QuantizedActivations::Scratch kept;

QuantizedActivations::Scratch TakeScratch(size_t bytes) {
  QuantizedActivations::Scratch scratch = std::move(kept);
  kept.clear();
  const size_t lines = (bytes + 63) / 64;
  if (scratch.size() < lines) {
    scratch = {};  // first, so that both are never held
    scratch.resize(lines);
  }
  return scratch;
}

}  // namespace

QuantizedActivations::~QuantizedActivations() {
  if (scratch_.size() > kept.size()) kept = std::move(scratch_);
}

QuantizedActivations::QuantizedActivations(const KernelSet& kernels, const float* x, size_t n,
                                           size_t columns, bool codes, Threads* threads) {
  view_.n = n;
  view_.columns = columns;
  view_.x = x;
  if (!codes || n == 0 || columns == 0) return;
  const size_t supers = (columns / kBlockColumns + kSuperBlocks - 1) / kSuperBlocks * n;
  const size_t codes_bytes = supers * kSuperColumns;
  const size_t array = (supers * kSuperBlocks * sizeof(float) + 63) / 64 * 64;
  scratch_ = TakeScratch(codes_bytes + 5 * array);
  auto* at = reinterpret_cast<std::byte*>(scratch_.data());
  auto take = [&at](size_t bytes) { return std::exchange(at, at + bytes); };
  const ActivationRow first = {
      reinterpret_cast<int8_t*>(take(codes_bytes)), reinterpret_cast<float*>(take(array)),
      reinterpret_cast<float*>(take(array)),        reinterpret_cast<int32_t*>(take(array)),
      reinterpret_cast<int32_t*>(take(2 * array)),  n};
  view_.codes = first.codes;
  view_.scales = first.scales;
  view_.scaled_sums = first.scaled_sums;
  view_.negative_sums = first.negative_sums;
  view_.negative_halves = first.negative_halves;
  ParallelShare(n > 4 ? threads : nullptr, n, 16, [&](size_t begin, size_t end, int) {
    for (size_t i = begin; i < end; ++i) {
      ActivationRow row = first;
      row.codes += i * kSuperColumns;
      row.scales += i * kSuperBlocks;
      row.scaled_sums += i * kSuperBlocks;
      row.negative_sums += i * kSuperBlocks;
      row.negative_halves += 2 * i * kSuperBlocks;
      kernels.quantize_row(x + i * columns, columns, row);
    }
  });
}

}  // namespace weir::tensor
