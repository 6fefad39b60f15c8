#include "tensor/machine_limits.h"

#include <algorithm>
#include <vector>

#include "absl/functional/function_ref.h"
#include "base/context.h"
#include "tensor/kernels.h"

namespace weir::tensor {
namespace {

constexpr int kPasses = 8;

double BestRate(double amount, absl::FunctionRef<void()> work) {
  double best = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    const int64_t start = SteadyNowNs();
    work();
    const double seconds = static_cast<double>(SteadyNowNs() - start) * 1e-9;
    best = std::max(best, amount / seconds);
  }
  return best;
}

double PeakOf(double (*peak)(size_t loops), Threads* threads) {
  constexpr size_t kLoops = 1'000'000;  // some milliseconds
  const size_t workers = threads == nullptr ? 1 : threads->count();
  return BestRate(static_cast<double>(workers) * peak(1) * kLoops, [&] {
    ParallelFor(threads, workers, 1, [&](size_t begin, size_t end, int) {
      for (size_t i = begin; i < end; ++i) peak(kLoops);
    });
  });
}

}  // namespace

double ReadBandwidth(size_t bytes, Threads* threads) {
  const std::vector<std::byte> memory(bytes, std::byte{1});
  // Pieces as large as a packed matrix of a small model: less would measure the hand-out of work.
  constexpr size_t kPiece = size_t{256} << 10;
  return BestRate(static_cast<double>(bytes), [&] {
    ParallelFor(threads, bytes, kPiece, [&](size_t begin, size_t end, int) {
      Kernels().read(memory.data() + begin, end - begin);
    });
  });
}

double Int8Peak(Threads* threads) { return PeakOf(Kernels().int8_peak, threads); }

double FloatPeak(Threads* threads) { return PeakOf(Kernels().float_peak, threads); }

}  // namespace weir::tensor
