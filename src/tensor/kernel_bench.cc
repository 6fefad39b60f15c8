#include "tensor/kernel_bench.h"

#include <algorithm>
#include <functional>
#include <random>

#include "base/context.h"
#include "base/statistics.h"
#include "tensor/attention.h"
#include "tensor/kernels.h"
#include "tensor/machine_limits.h"
#include "tensor/matmul.h"
#include "tensor/ops.h"
#include "tensor/vector.h"

namespace weir::tensor {
namespace {

double SecondsOf(absl::FunctionRef<void()> work) {
  const int64_t start = SteadyNowNs();
  work();
  return static_cast<double>(SteadyNowNs() - start) * 1e-9;
}

// Repeats `work` until it takes 5 ms at least, so that the clock and waking threads do not count.
double SecondsPerCall(absl::FunctionRef<void()> work) {
  const double once = SecondsOf(work);
  const int repeats = once >= 0.005 ? 1 : static_cast<int>(0.005 / std::max(once, 1e-7)) + 1;
  return SecondsOf([&] {
           for (int i = 0; i < repeats; ++i) work();
         }) /
         repeats;
}

class Bench {
 public:
  Bench(const KernelBenchOptions& options, Threads* threads)
      : options_(options), threads_(threads) {
    random_.seed(7);
  }

  bool Wanted(const std::string& name) const {
    return name.find(options_.filter) != std::string::npos;
  }

  bool Wanted(DType type) const {
    const std::vector<DType>& types = options_.types;
    return types.empty() || std::find(types.begin(), types.end(), type) != types.end();
  }

  // `amount` units of 1e9 are done by one call of `ours` (and of `theirs`, interleaved, if given).
  void Row(const std::string& name, const std::string& unit, double amount, double limit,
           const std::function<void()>& ours, const std::string& baseline_name = "",
           const std::function<void()>& theirs = nullptr) {
    BenchRow row;
    row.name = name;
    row.unit = unit;
    std::vector<double> rates, others;
    for (int i = 0; i < options_.rounds; ++i) {
      rates.push_back(amount * 1e-9 / SecondsPerCall(ours));
      if (theirs != nullptr && options_.baselines)
        others.push_back(amount * 1e-9 / SecondsPerCall(theirs));
    }
    row.weir = *std::max_element(rates.begin(), rates.end());
    row.spread = Spread(rates);
    row.rounds = options_.rounds;
    row.limit = limit;
    if (!others.empty()) {
      row.baseline = *std::max_element(others.begin(), others.end());
      row.baseline_name = baseline_name;
      row.ratio = row.weir / row.baseline;
    }
    rows_.push_back(row);
  }

  void AddLimit(const std::string& name, const std::string& unit, double rate) {
    BenchRow row;
    row.name = name;
    row.unit = unit;
    row.weir = rate * 1e-9;
    rows_.push_back(row);
  }

  double Limit(const std::string& name) const {
    for (const BenchRow& row : rows_) {
      if (row.name == name) return row.weir;
    }
    return 0;
  }

  // A matrix of random bytes with sane scales: one packed row group repeated, so that it is made
  // quickly.
  PackedMatrix Random(DType type, size_t rows, size_t columns, AlignedBytes* bytes) {
    std::vector<std::byte> source(kGroupRows * RowBytes(type, columns));
    for (std::byte& b : source)
      b = static_cast<std::byte>(random_() & 0x3b);  // halves stay finite and small
    PackedMatrix m;
    m.type = type;
    m.rows = rows;
    m.columns = columns;
    m.groups = rows / kGroupRows;
    m.group_bytes = GroupBytes(type, columns);
    *bytes = AllocateAligned(m.groups * m.group_bytes);
    m.data = bytes->get();
    ParallelFor(threads_, m.groups, 1, [&](size_t begin, size_t end, int) {
      for (size_t g = begin; g < end; ++g) {
        std::byte* to = bytes->get() + g * m.group_bytes;
        if (g == begin) {
          PackGroup({type, source.data(), kGroupRows, columns}, 0, to);
        } else {
          std::copy_n(to - m.group_bytes, m.group_bytes, to);
        }
      }
    });
    return m;
  }

  std::vector<float> Floats(size_t n) {
    std::normal_distribution<float> normal;
    std::vector<float> out(n);
    for (float& x : out) x = normal(random_);
    return out;
  }

  void Multiply(const KernelSet& kernels, const PackedMatrix& m, const float* x, size_t n,
                float* y) {
    const QuantizedActivations a(kernels, x, n, m.columns, !IsFloat(m.type), threads_);
    ParallelFor(threads_, m.groups, n == 1 ? 1 : 2, [&](size_t begin, size_t end, int) {
      kernels.multiply(m, begin, end, a.view(), y);
    });
  }

  Threads* threads() const { return threads_; }
  std::vector<BenchRow> Take() { return std::move(rows_); }

 private:
  KernelBenchOptions options_;
  Threads* threads_;
  std::mt19937 random_;
  std::vector<BenchRow> rows_;
};

constexpr DType kTypes[] = {DType::kQ4_1, DType::kQ8_0, DType::kQ4_K, DType::kQ6_K,
                            DType::kQ5_0, DType::kQ4_0, DType::kQ5_1, DType::kQ5_K,
                            DType::kF16,  DType::kBF16, DType::kF32};

// The set one step below the one in use.
const KernelSet& Below() {
  const auto all = AllKernels();
  for (size_t i = 1; i < all.size(); ++i) {
    if (all[i] == &Kernels()) return *all[i - 1];
  }
  return *all[0];
}

void MeasureLimits(Bench& bench) {
  for (const size_t megabytes : {96, 512}) {
    bench.AddLimit("limit read " + std::to_string(megabytes) + " MB", "GB/s",
                   ReadBandwidth(megabytes << 20, bench.threads()));
  }
  bench.AddLimit("limit int8 dot", "GMAC/s", Int8Peak(bench.threads()));
  bench.AddLimit("limit f32", "GMAC/s", FloatPeak(bench.threads()));
}

void MeasureProducts(Bench& bench) {
  for (const DType type : kTypes) {
    if (!bench.Wanted(type)) continue;
    const std::string name(InfoOf(type).name);
    if (bench.Wanted("decode " + name)) {
      // About 100 MB, the size of the smallest model, so that it streams from memory.
      const size_t columns = 1536;
      const size_t rows = (size_t{100} << 20) / RowBytes(type, columns) / 64 * 64;
      AlignedBytes bytes;
      const PackedMatrix m = bench.Random(type, rows, columns, &bytes);
      const std::vector<float> x = bench.Floats(columns);
      std::vector<float> y(rows);
      bench.Row(
          "decode " + name, "GB/s", static_cast<double>(m.groups * m.group_bytes),
          bench.Limit("limit read 96 MB"),
          [&] { bench.Multiply(Kernels(), m, x.data(), 1, y.data()); }, std::string(Below().name),
          [&] { bench.Multiply(Below(), m, x.data(), 1, y.data()); });
    }
    for (const size_t n : {16, 64, 512}) {
      const std::string full = "prefill " + std::to_string(n) + " " + name;
      if (!bench.Wanted(full)) continue;
      const size_t columns = 1536, rows = 1536;
      AlignedBytes bytes;
      const PackedMatrix m = bench.Random(type, rows, columns, &bytes);
      const std::vector<float> x = bench.Floats(columns * n);
      std::vector<float> y(rows * n);
      bench.Row(
          full, "GMAC/s", static_cast<double>(rows) * columns * n,
          bench.Limit(IsFloat(type) ? "limit f32" : "limit int8 dot"),
          [&] { bench.Multiply(Kernels(), m, x.data(), n, y.data()); }, std::string(Below().name),
          [&] { bench.Multiply(Below(), m, x.data(), n, y.data()); });
    }
  }
}

struct AttentionShape {
  const char* name;
  int64_t n, length;
  int heads, kv_heads, head_dim;
};

void MeasureAttention(Bench& bench, const AttentionShape& s, KvStorage storage) {
  const bool int8 = storage == KvStorage::kInt8;
  const std::string name = std::string(s.name) + (int8 ? " q8" : " f16");
  if (!bench.Wanted(name)) return;
  const size_t width = static_cast<size_t>(s.kv_heads) * s.head_dim;
  const size_t block = KvBlockBytes(s.kv_heads, s.head_dim, storage);
  const size_t layer_bytes = s.length / 32 * block;
  // Decoding reads a layer once a token: as many layers as stream from memory.
  const bool decode = s.n == 1;
  const size_t layers = decode ? (size_t{100} << 20) / layer_bytes : 1;
  const AlignedBytes bytes = AllocateAligned(layers * layer_bytes);
  std::vector<const std::byte*> blocks;
  for (int64_t t = 0; t < s.length; ++t) {
    const std::vector<float> k = bench.Floats(width), v = bench.Floats(width);
    WriteKv(bytes.get() + t / 32 * block, static_cast<int>(t % 32), k.data(), v.data(), s.kv_heads,
            s.head_dim, storage);
  }
  for (size_t l = 0; l < layers; ++l) {
    if (l > 0) std::copy_n(bytes.get(), layer_bytes, bytes.get() + l * layer_bytes);
    for (int64_t b = 0; b < s.length / 32; ++b)
      blocks.push_back(bytes.get() + l * layer_bytes + b * block);
  }
  const std::vector<float> q = bench.Floats(s.n * s.heads * s.head_dim);
  std::vector<float> out(q.size());
  const double keys = decode ? s.length : s.n * (s.n + 1) / 2;  // query, key pairs
  // Int8: keys take one dot, values two (weights of 14 bits are two factors of 7).
  bench.Row(name, decode ? "GB/s" : "GMAC/s",
            decode ? static_cast<double>(layers * layer_bytes)
                   : keys * s.heads * s.head_dim * (int8 ? 3 : 2),
            bench.Limit(decode ? "limit read 96 MB" : int8 ? "limit int8 dot" : "limit f32"), [&] {
              for (size_t l = 0; l < layers; ++l) {
                const PagedAttention a = {
                    std::span(blocks).subspan(l * s.length / 32, s.length / 32),
                    s.length,
                    s.heads,
                    s.kv_heads,
                    s.head_dim,
                    0.125f,
                    0,
                    storage};
                Attend(a, q.data(), s.n, out.data(), nullptr, bench.threads());
              }
            });
}

void MeasureAttention(Bench& bench) {
  constexpr AttentionShape kShapes[] = {
      {"attention decode 2k, 9/3 x 64", 1, 2048, 9, 3, 64},
      {"attention decode 2k, 12/2 x 128", 1, 2048, 12, 2, 128},
      {"attention prefill 512, 9/3 x 64", 512, 512, 9, 3, 64},
      {"attention prefill 512, 12/2 x 128", 512, 512, 12, 2, 128}};
  for (const AttentionShape& s : kShapes) {
    MeasureAttention(bench, s, KvStorage::kInt8);
    MeasureAttention(bench, s, KvStorage::kHalf);
  }
}

void MeasureVectors(Bench& bench) {
  if (bench.Wanted("scan int8 100k x 384")) {
    const size_t rows = 100000, n = 384;
    std::vector<int8_t> codes(rows * n, 3), query(n, 5);
    const std::vector<float> scales(rows, 0.5f);
    std::vector<float> scores(rows);
    bench.Row(
        "scan int8 100k x 384", "GB/s", static_cast<double>(rows * n),
        bench.Limit("limit read 96 MB"),
        [&] {
          ScanInt8(query.data(), 1.0f, codes.data(), scales.data(), rows, n, scores.data(),
                   bench.threads());
        },
        std::string(Below().name),
        [&] {
          Below().scan_int8(query.data(), 1.0f, codes.data(), scales.data(), rows, n,
                            scores.data());
        });
  }
  constexpr size_t kSize = 8960;
  std::vector<float> x = bench.Floats(kSize), y = bench.Floats(kSize), out(kSize);
  struct Op {
    const char* name;
    std::function<void(const KernelSet&)> run;
  };
  const Op ops[] = {
      {"op rms-norm",
       [&](const KernelSet& k) { k.rms_norm(x.data(), y.data(), 1e-5f, out.data(), kSize); }},
      {"op layer-norm",
       [&](const KernelSet& k) {
         k.layer_norm(x.data(), y.data(), y.data(), 1e-5f, out.data(), kSize);
       }},
      {"op silu-multiply",
       [&](const KernelSet& k) { k.silu_multiply(x.data(), y.data(), out.data(), kSize); }},
      {"op gelu",
       [&](const KernelSet& k) {
         out = x;
         k.gelu(out.data(), kSize);
       }},
      {"op softmax",
       [&](const KernelSet& k) {
         out = x;
         k.softmax(out.data(), kSize);
       }},
      {"op dot", [&](const KernelSet& k) { out[0] = k.dot(x.data(), y.data(), kSize); }},
  };
  for (const Op& op : ops) {
    if (!bench.Wanted(op.name)) continue;
    bench.Row(
        op.name, "Gelement/s", kSize, 0, [&] { op.run(Kernels()); }, std::string(Below().name),
        [&] { op.run(Below()); });
  }
}

}  // namespace

std::vector<BenchRow> BenchKernels(const KernelBenchOptions& options, Threads* threads) {
  Bench bench(options, threads);
  MeasureLimits(bench);
  MeasureProducts(bench);
  MeasureAttention(bench);
  if (options.types.empty()) MeasureVectors(bench);
  return bench.Take();
}

}  // namespace weir::tensor
