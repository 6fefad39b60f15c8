#include "tensor/kernel_bench.h"

#include <cstdio>
#include <cstdlib>

#include "gtest/gtest.h"
#include "tensor/matmul.h"

namespace weir::tensor {
namespace {

// WEIR_BENCH_KERNELS=<filter> prints the table ("" for all); without it one small row is a smoke
// test.
TEST(KernelBenchTest, MeasuresAndPrints) {
  const char* filter = std::getenv("WEIR_BENCH_KERNELS");
  Threads two(2);
  KernelBenchOptions options;
  options.filter = filter == nullptr ? "op dot" : filter;
  options.rounds = filter == nullptr ? 1 : 5;
  const std::vector<BenchRow> rows = BenchKernels(options, &two);
  ASSERT_FALSE(rows.empty());
  for (const BenchRow& r : rows) {
    EXPECT_GT(r.weir, 0) << r.name;
    if (filter == nullptr) continue;
    std::printf("%-36s %9.2f %-10s", r.name.c_str(), r.weir, r.unit.c_str());
    if (r.limit > 0) std::printf(" %4.0f%% of limit", 100 * r.weir / r.limit);
    if (r.baseline > 0) std::printf("  %6.2fx %s", r.ratio, r.baseline_name.c_str());
    std::printf("  spread %.2f\n", r.spread);
  }
}

}  // namespace
}  // namespace weir::tensor
