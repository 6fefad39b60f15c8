#include "index/dense/train.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>

#include "base/status.h"
#include "base/threads.h"
#include "index/dense/codebooks.h"
#include "index/dense/principal_axes.h"
#include "index/dense/quantiser.h"
#include "tensor/lookup.h"
#include "tensor/vector.h"

namespace weir::index {
namespace {

using tensor::kCodewords;
using tensor::kLookupRows;
using tensor::kPartWidth;
using RowAt = absl::FunctionRef<const float*(size_t)>;

constexpr int kClusterRounds = 6;
constexpr size_t kRowsPerCentre = 16;   // of the sample
constexpr size_t kLeastSample = 16384;
constexpr size_t kAxesSample = 8192;  // rows that the axes and the codebooks are made of

// About 2.5 sqrt(rows), so that centres and rows of the visited clusters cost about the same.
size_t ClusterCount(size_t rows) {
  const size_t wanted = std::bit_ceil(static_cast<size_t>(2.5 * std::sqrt(rows)));
  return std::max<size_t>(1, std::min(wanted, rows / 32));
}

// The centre nearest to each row, in int8: argmax x.c - |c|^2 / 2.
class Assigner {
 public:
  Assigner(std::span<const float> centres, size_t padded) : padded_(padded) {
    std::vector<float> bias(centres.size() / padded);
    for (size_t c = 0; c < bias.size(); ++c)
      bias[c] = -0.5f * tensor::Dot(&centres[c * padded], &centres[c * padded], padded);
    matrix_ = *tensor::Int8Matrix::Pack(centres, bias, padded);  // sizes fit by construction
  }
  absl::Status Run(size_t rows, size_t dimensions, RowAt row, const Context& context,
                   uint32_t* nearest) const {
    const size_t chunks = (rows + kLookupRows - 1) / kLookupRows;
    ParallelShare(context.threads, chunks, 1, [&](size_t begin, size_t end, int) {
      std::vector<float> x(kLookupRows * padded_), scores(kLookupRows * matrix_.rows());
      tensor::Int8Matrix::Workspace workspace;
      for (size_t chunk = begin; chunk < end && context.CheckCancelled().ok(); ++chunk) {
        const size_t first = chunk * kLookupRows, n = std::min(kLookupRows, rows - first);
        for (size_t r = 0; r < n; ++r) std::copy_n(row(first + r), dimensions, &x[r * padded_]);
        matrix_.Multiply(x.data(), n, scores.data(), workspace, nullptr);
        for (size_t r = 0; r < n; ++r) {
          nearest[first + r] = static_cast<uint32_t>(
              tensor::FirstLargest(&scores[r * matrix_.rows()], matrix_.rows()));
        }
      }
    });
    return context.CheckCancelled();
  }

 private:
  size_t padded_;
  tensor::Int8Matrix matrix_;
};

// Members of each group in ascending order, and where each group begins.
void Group(std::span<const uint32_t> group_of, size_t groups, std::vector<uint32_t>& members,
           std::vector<uint32_t>& begins) {
  begins.assign(groups + 1, 0);
  for (uint32_t g : group_of) ++begins[g + 1];
  std::partial_sum(begins.begin(), begins.end(), begins.begin());
  members.resize(group_of.size());
  std::vector<uint32_t> next(begins.begin(), begins.end() - 1);
  for (size_t i = 0; i < group_of.size(); ++i)
    members[next[group_of[i]]++] = static_cast<uint32_t>(i);
}

// Lloyd's k-means over every so many-th row; [clusters][padded].
absl::StatusOr<std::vector<float>> TrainCentres(size_t rows, size_t d, size_t padded,
                                                size_t clusters, RowAt row,
                                                const Context& context) {
  const size_t n = std::min(rows, std::max(kLeastSample, kRowsPerCentre * clusters));
  auto sampled = [&](size_t i) { return row(i * rows / n); };
  std::vector<float> centres(clusters * padded);
  for (size_t c = 0; c < clusters; ++c)
    std::copy_n(sampled(c * n / clusters), d, &centres[c * padded]);
  std::vector<uint32_t> nearest(n), members, begins;
  for (int round = 0; round < kClusterRounds; ++round) {
    WEIR_RETURN_IF_ERROR(
        Assigner(centres, padded).Run(n, d, sampled, context, nearest.data()));
    Group(nearest, clusters, members, begins);
    ParallelShare(context.threads, clusters, 16, [&](size_t begin, size_t end, int) {
      for (size_t c = begin; c < end; ++c) {
        if (begins[c] == begins[c + 1]) continue;  // an empty one keeps its place
        float* centre = &centres[c * padded];
        std::fill_n(centre, d, 0.0f);
        for (size_t m = begins[c]; m < begins[c + 1]; ++m) {
          const float* x = sampled(members[m]);
          for (size_t i = 0; i < d; ++i) centre[i] += x[i];
        }
        const float part = 1.0f / static_cast<float>(begins[c + 1] - begins[c]);
        for (size_t i = 0; i < d; ++i) centre[i] *= part;
      }
    });
  }
  return centres;
}

// The sections of the quantiser as they are filled.
struct Builder {
  size_t d, clusters;
  std::vector<uint8_t> bytes;
  QuantiserView view;

  Builder(size_t dimensions, size_t cluster_count)
      : d(dimensions),
        clusters(cluster_count),
        bytes(QuantiserView::Bytes(dimensions, cluster_count)),
        view(QuantiserView::Over(bytes.data(), dimensions, cluster_count)) {}
  // The bytes are ours to write.
  template <class T>
  T* Mutable(const T* field) {
    return const_cast<T*>(field);
  }
};

void StoreCentres(std::span<const float> centres, size_t padded, Builder& b) {
  for (size_t c = 0; c < b.clusters; ++c) {
    b.Mutable(b.view.centre_scales)[c] = tensor::QuantizeInt8(
        &centres[c * padded], b.Mutable(b.view.centres) + c * b.d, b.d);
  }
}

void StoreAxes(std::span<const float> offsets, size_t n, const Context& context, Builder& b) {
  const size_t d = b.d;
  if (b.view.turned()) {
    const PrincipalAxes axes = FindPrincipalAxes(Covariance(offsets, n, d, context), d);
    const std::vector<size_t> at = AllocateAxes(axes.values, b.view.parts);
    std::vector<float> axis(d);
    for (size_t a = 0; a < at.size(); ++a) {
      std::fill(axis.begin(), axis.end(), 0.0f);
      if (at[a] < d) {
        for (size_t i = 0; i < d; ++i) axis[i] = static_cast<float>(axes.vectors[at[a] * d + i]);
      }
      b.Mutable(b.view.axis_scales)[a] =
          tensor::QuantizeInt8(axis.data(), b.Mutable(b.view.axes_codes) + a * d, d);
    }
    return;
  }
  std::vector<double> variance(d);
  for (size_t r = 0; r < n; ++r) {
    for (size_t i = 0; i < d; ++i) variance[i] += double{offsets[r * d + i]} * offsets[r * d + i];
  }
  std::vector<size_t> order(d);
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t i, size_t j) { return variance[i] > variance[j]; });
  std::vector<double> sorted(d);
  for (size_t i = 0; i < d; ++i) sorted[i] = variance[order[i]] / n;
  const std::vector<size_t> at = AllocateAxes(sorted, b.view.parts);
  for (size_t a = 0; a < at.size(); ++a)
    b.Mutable(b.view.order)[a] = static_cast<uint32_t>(at[a] < d ? order[at[a]] : d);
}

// Codebooks over x: [n][axes]; then what the codes get wrong.
void StoreCodebooks(std::span<const float> x, size_t n, const Context& context, Builder& b) {
  const size_t parts = b.view.parts, axes = b.view.axes();
  float* books = b.Mutable(b.view.codebooks);
  const std::vector<uint8_t> codes = TrainCodebooks(x, n, parts, context, books);
  for (size_t a = 0; a < axes; ++a) {
    double variance = 0, error = 0;
    for (size_t r = 0; r < n; ++r) {
      const float v = x[r * axes + a];
      const float off = v - books[a * kCodewords + codes[r * parts + a / kPartWidth]];
      variance += double{v} * v;
      error += double{off} * off;
    }
    b.Mutable(b.view.variances)[a] = static_cast<float>(variance / n);
    b.Mutable(b.view.errors)[a] = static_cast<float>(error / n);
  }
}

// Centres with no row go; ids and begins follow.
size_t DropEmpty(std::vector<uint32_t>& cluster_of, std::vector<float>& centres, size_t padded) {
  std::vector<uint32_t> rows_of(centres.size() / padded), renamed(rows_of.size());
  for (uint32_t c : cluster_of) ++rows_of[c];
  size_t kept = 0;
  for (size_t c = 0; c < rows_of.size(); ++c) {
    if (rows_of[c] == 0) continue;
    std::copy_n(&centres[c * padded], padded, &centres[kept * padded]);
    renamed[c] = static_cast<uint32_t>(kept++);
  }
  centres.resize(kept * padded);
  for (uint32_t& c : cluster_of) c = renamed[c];
  return kept;
}

void StoreSpreads(std::span<const float> squares, std::span<const uint32_t> begins, Builder& b) {
  const double all =
      std::accumulate(squares.begin(), squares.end(), 0.0) / static_cast<double>(squares.size());
  for (size_t c = 0; c < b.clusters; ++c) {
    double sum = 0;
    for (size_t p = begins[c]; p < begins[c + 1]; ++p) sum += squares[p];
    const double mean = sum / (begins[c + 1] - begins[c]);
    b.Mutable(b.view.spreads)[c] = all > 0 ? static_cast<float>(std::sqrt(mean / all)) : 1.0f;
  }
}

}  // namespace

absl::StatusOr<Clustered> ClusterRows(size_t rows, size_t d, RowAt row, const Context& context) {
  const size_t padded = (d + 15) / 16 * 16;
  WEIR_ASSIGN_OR_RETURN(std::vector<float> centres,
                        TrainCentres(rows, d, padded, ClusterCount(rows), row, context));
  std::vector<uint32_t> cluster_of(rows), begins;
  WEIR_RETURN_IF_ERROR(Assigner(centres, padded).Run(rows, d, row, context, cluster_of.data()));
  Clustered out;
  out.clusters = DropEmpty(cluster_of, centres, padded);
  Group(cluster_of, out.clusters, out.order, begins);
  Builder b(d, out.clusters);
  std::copy(begins.begin(), begins.end(), b.Mutable(b.view.begins));
  StoreCentres(centres, padded, b);

  const size_t n = std::min(rows, kAxesSample);
  std::vector<const float*> sample(n);
  std::vector<uint32_t> sample_clusters(n);
  std::vector<float> offsets(n * d);
  for (size_t i = 0; i < n; ++i) {
    const size_t r = i * rows / n;
    sample[i] = row(r);
    sample_clusters[i] = cluster_of[r];
    for (size_t j = 0; j < d; ++j)
      offsets[i * d + j] = sample[i][j] - centres[sample_clusters[i] * padded + j];
  }
  StoreAxes(offsets, n, context, b);
  WEIR_RETURN_IF_ERROR(context.CheckCancelled());
  std::vector<float> turned(n * b.view.axes());
  {
    const RowCoder coder(b.view);
    ParallelShare(context.threads, n, 64, [&](size_t begin, size_t end, int) {
      RowCoder::Scratch scratch;
      coder.Offsets(std::span(sample).subspan(begin, end - begin),
                    std::span(sample_clusters).subspan(begin, end - begin),
                    &turned[begin * b.view.axes()], scratch);
    });
  }
  StoreCodebooks(turned, n, context, b);
  WEIR_RETURN_IF_ERROR(context.CheckCancelled());

  const RowCoder coder(b.view);
  const size_t blocks = (rows + kLookupRows - 1) / kLookupRows;
  out.scan_codes.resize(blocks * b.view.block_bytes());
  std::vector<float> squares(rows);
  ParallelShare(context.threads, blocks, 1, [&](size_t begin, size_t end, int) {
    RowCoder::Scratch scratch;
    std::vector<const float*> block_rows;
    std::vector<uint32_t> block_clusters;
    for (size_t block = begin; block < end && context.CheckCancelled().ok(); ++block) {
      block_rows.clear(), block_clusters.clear();
      const size_t first = block * kLookupRows, last = std::min(rows, first + kLookupRows);
      for (size_t p = first; p < last; ++p) {
        block_rows.push_back(row(out.order[p]));
        block_clusters.push_back(cluster_of[out.order[p]]);
      }
      coder.Encode(block_rows, block_clusters, &out.scan_codes[block * b.view.block_bytes()],
                   scratch);
      for (size_t p = first; p < last; ++p) {
        const float* x = &scratch.turned[(p - first) * b.view.axes()];
        squares[p] = tensor::Dot(x, x, b.view.axes());
      }
    }
  });
  WEIR_RETURN_IF_ERROR(context.CheckCancelled());
  StoreSpreads(squares, begins, b);
  out.quantiser = std::move(b.bytes);
  return out;
}

}  // namespace weir::index
