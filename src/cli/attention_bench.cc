#include "cli/attention_bench.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status.h"
#include "generate/kv/block_sparse.h"
#include "generate/kv/sequence.h"
#include "tensor/machine_limits.h"
#include "tensor/matmul.h"
#include "tensor/unfused_attention.h"

namespace weir::cli {
namespace {

double Seconds(absl::FunctionRef<void()> work) {
  const int64_t start = SteadyNowNs();
  work();
  return static_cast<double>(SteadyNowNs() - start) * 1e-9;
}

// A filled cache and the queries of its newest tokens.
struct Filled {
  std::unique_ptr<generate::KvPlacement> placement;
  std::unique_ptr<generate::PagedSequence> sequence;
};

class Bench {
 public:
  Bench(const AttentionBenchOptions& options, const Registry& techniques, const Context& context)
      : o_(options), techniques_(techniques), context_(context) {
    std::mt19937_64 random(context.seed);
    std::normal_distribution<float> normal;
    q_.resize(o_.tokens * o_.heads * o_.head_dim);
    k_.resize(o_.tokens * o_.kv_heads * o_.head_dim);
    v_.resize(k_.size());
    out_.resize(q_.size());
    for (auto* x : {&q_, &k_, &v_}) {
      for (float& value : *x) value = normal(random);
    }
  }

  absl::StatusOr<AttentionBenchReport> Go() {
    WEIR_RETURN_IF_ERROR(Check());
    if (Wanted("prefill")) {
      for (const int64_t n : {int64_t{256}, int64_t{1024}, o_.tokens}) {
        if (n > o_.tokens || (n == o_.tokens && !report_.rows.empty() && n <= 1024)) continue;
        for (const char* format : {"f16", "q8"}) WEIR_RETURN_IF_ERROR(Prefill(n, format));
      }
    }
    if (Wanted("decode")) {
      for (const char* format : {"f16", "q8"}) WEIR_RETURN_IF_ERROR(Decode(format));
    }
    if (Wanted("sparse")) {
      for (const char* format : {"f16", "q8"}) {
        WEIR_RETURN_IF_ERROR(Sparse(format, {}));
        WEIR_RETURN_IF_ERROR(Sparse(format, {.local = 256, .global = 32, .stride = 0}));
        WEIR_RETURN_IF_ERROR(Sparse(format, {.local = 1024, .global = 0, .stride = 4}));
      }
    }
    return std::move(report_);
  }

 private:
  absl::Status Check() const {
    if (o_.heads % o_.kv_heads != 0 || o_.head_dim % 32 != 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "attention of ", o_.heads, " heads, ", o_.kv_heads, " KV heads and ", o_.head_dim,
          " channels; expected whole groups of heads and a multiple of 32 channels"));
    }
    for (const std::string& row : o_.rows) {
      if (row != "prefill" && row != "decode" && row != "sparse") {
        return absl::InvalidArgumentError(
            absl::StrCat("rows: '", row, "'; expected prefill, decode or sparse"));
      }
    }
    return absl::OkStatus();
  }

  bool Wanted(std::string_view row) const {
    return o_.rows.empty() || std::find(o_.rows.begin(), o_.rows.end(), row) != o_.rows.end();
  }

  // A sequence whose layers hold all tokens but the newest `queries`, which are appended only.
  absl::StatusOr<Filled> Fill(const std::string& kv, int64_t tokens, int64_t queries, int layers) {
    const generate::KvShape shape{layers, static_cast<int>(o_.heads),
                                  static_cast<int>(o_.kv_heads), static_cast<int>(o_.head_dim), {}};
    WEIR_ASSIGN_OR_RETURN(const auto choice, generate::ParseKvChoice(kv, techniques_));
    WEIR_ASSIGN_OR_RETURN(const auto policy, generate::KvPolicy::Make(choice, shape, techniques_));
    Filled made;
    WEIR_ASSIGN_OR_RETURN(made.placement, policy->MakePlacement(shape, tokens));
    made.sequence =
        std::make_unique<generate::PagedSequence>(policy, shape, made.placement.get());
    const int64_t width = o_.kv_heads * o_.head_dim, stored = tokens - queries;
    for (const auto& [at, n] : {std::pair{int64_t{0}, stored}, {stored, queries}}) {
      if (n == 0) continue;
      WEIR_RETURN_IF_ERROR(context_.CheckCancelled());
      WEIR_RETURN_IF_ERROR(made.sequence->Reserve(n));
      for (int l = 0; l < layers; ++l) {
        made.sequence->Append(l, n, &k_[at * width], &v_[at * width], context_.threads);
      }
      if (at == 0 && stored > 0) made.sequence->Commit(n);
    }
    return made;
  }

  double PrefillSeconds(Filled& filled, int64_t n) {
    return Seconds(
        [&] { filled.sequence->Attend(0, n, q_.data(), out_.data(), context_.threads); });
  }

  // Multiply-adds of one head: two a channel and visible pair.
  double Products(int64_t n) const {
    return static_cast<double>(n) * static_cast<double>(n + 1) * static_cast<double>(o_.head_dim);
  }

  absl::Status Prefill(int64_t n, const std::string& format) {
    WEIR_ASSIGN_OR_RETURN(Filled filled, Fill(format, n, n, 1));
    WEIR_ASSIGN_OR_RETURN(auto unfused, tensor::UnfusedAttention::Make(n, o_.head_dim));
    const double giga = Products(n) * static_cast<double>(o_.heads) * 1e-9;
    const int64_t group = o_.heads / o_.kv_heads, d = o_.head_dim;
    const auto theirs = [&] {
      return giga / Seconds([&] {
               for (int64_t h = 0; h < o_.heads; ++h) {
                 unfused.Run(&q_[h * d], o_.heads * d, &k_[h / group * d], &v_[h / group * d],
                             o_.kv_heads * d, 1.0f / std::sqrt(static_cast<float>(d)),
                             &out_[h * d], context_.threads);
               }
             });
    };
    (void)PrefillSeconds(filled, n);
    (void)theirs();
    WEIR_ASSIGN_OR_RETURN(const double product, ProductRate(format == "q8"));
    BenchRow row = Compare(
        absl::StrCat("prefill-", n, " ", format), "GMAC/s", o_.rounds, false,
        [&] { return giga / PrefillSeconds(filled, n); }, "three passes, f32", theirs);
    row.limit = product;
    report_.notes.push_back(absl::StrFormat("%s: %.0f%% of the engine's own %s product", row.name,
                                            100 * row.weir / product,
                                            format == "q8" ? "int8" : "f32"));
    report_.rows.push_back(std::move(row));
    return absl::OkStatus();
  }

  // The engine's product of 512 rows with a matrix of 1536 x 1536, GMAC/s, best of some.
  absl::StatusOr<double> ProductRate(bool int8) {
    constexpr size_t kSize = 1536, kRows = 512;
    const tensor::DType type = int8 ? tensor::DType::kQ8_0 : tensor::DType::kF32;
    std::vector<std::byte> bytes(kSize * tensor::RowBytes(type, kSize), std::byte{0x11});
    WEIR_ASSIGN_OR_RETURN(const tensor::Matrix matrix,
                          tensor::Matrix::Pack({type, bytes.data(), kSize, kSize},
                                               context_.threads));
    const std::vector<float> x(kRows * kSize, 0.5f);
    std::vector<float> y(kRows * kSize);
    double best = 0;
    for (int64_t i = 0; i <= o_.rounds; ++i) {
      const double seconds =
          Seconds([&] { matrix.Multiply(x.data(), kRows, y.data(), context_.threads); });
      best = std::max(best, 1e-9 * kRows * kSize * kSize / seconds);
    }
    return best;
  }

  absl::Status Decode(const std::string& format) {
    const int layers = static_cast<int>(o_.layers);
    WEIR_ASSIGN_OR_RETURN(Filled filled, Fill(format, o_.tokens, 1, layers));
    const double bytes = static_cast<double>(filled.placement->used_blocks()) *
                         static_cast<double>(filled.placement->block_bytes());
    // The best of eight passes, as ReadBandwidth gives.
    const auto ours = [&] {
      double best = 0;
      for (int pass = 0; pass < 8; ++pass) {
        const double seconds = Seconds([&] {
          for (int l = 0; l < layers; ++l) {
            filled.sequence->Attend(l, 1, q_.data(), out_.data(), context_.threads);
          }
        });
        best = std::max(best, 1e-9 * bytes / seconds);
      }
      return best;
    };
    const auto theirs = [&] {
      return 1e-9 * tensor::ReadBandwidth(static_cast<size_t>(bytes), context_.threads);
    };
    (void)ours();
    BenchRow row = Compare(absl::StrCat("decode-", o_.tokens, " ", format), "GB/s", o_.rounds,
                           false, ours, "reading as many bytes", theirs);
    row.limit = row.baseline;
    report_.notes.push_back(absl::StrFormat("%s: %.1f MB of keys and values a token", row.name,
                                            1e-6 * bytes));
    report_.rows.push_back(std::move(row));
    return absl::OkStatus();
  }

  absl::Status Sparse(const std::string& format, const generate::BlockSparseOptions& pattern) {
    const std::string words = absl::StrCat("local=", pattern.local, ",global=", pattern.global,
                                           ",stride=", pattern.stride);
    const int64_t n = o_.tokens;
    WEIR_ASSIGN_OR_RETURN(Filled dense, Fill(format, n, n, 1));
    WEIR_ASSIGN_OR_RETURN(Filled sparse,
                          Fill(absl::StrCat(format, "+block-sparse:", words), n, n, 1));
    (void)PrefillSeconds(dense, n);
    (void)PrefillSeconds(sparse, n);
    BenchRow row = Compare(
        absl::StrCat("sparse-", n, " ", format, " ", words), "ms", o_.rounds, true,
        [&] { return 1e3 * PrefillSeconds(sparse, n); }, "dense",
        [&] { return 1e3 * PrefillSeconds(dense, n); });
    const double density = generate::BlockSparse(pattern).Density(n);
    row.limit = density * row.baseline;
    report_.notes.push_back(absl::StrFormat("%s: density %.3f, time %.3f of dense", row.name,
                                            density, row.weir / row.baseline));
    report_.rows.push_back(std::move(row));
    return absl::OkStatus();
  }

  const AttentionBenchOptions& o_;
  const Registry& techniques_;
  const Context& context_;
  std::vector<float> q_, k_, v_, out_;
  AttentionBenchReport report_;
};

}  // namespace

absl::StatusOr<AttentionBenchReport> BenchAttention(const AttentionBenchOptions& options,
                                                    const Registry& techniques,
                                                    const Context& context) {
  return Bench(options, techniques, context).Go();
}

}  // namespace weir::cli
