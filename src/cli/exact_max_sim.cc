#include "cli/exact_max_sim.h"

#include <algorithm>
#include <cmath>

#include "base/progress.h"
#include "base/status.h"
#include "cli/best_list.h"
#include "tensor/matmul.h"
#include "tensor/vector.h"

namespace weir::cli {
namespace {

constexpr size_t kBatch = 128;    // passages
constexpr size_t kColumns = 32;   // of a block of the matrix

class Scorer {
 public:
  Scorer(std::span<const text::TokenVectors> queries, size_t d, size_t depth, bool all)
      : d_(d), columns_((d + kColumns - 1) / kColumns * kColumns), all_(all) {
    std::vector<float> rows;
    for (const text::TokenVectors& query : queries) {
      begins_.push_back(rows.size() / columns_);
      sums_.emplace_back(d);
      for (size_t at = 0; at < query.size(); at += d) {
        rows.insert(rows.end(), query.begin() + static_cast<long>(at),
                    query.begin() + static_cast<long>(at + d));
        rows.resize((rows.size() + columns_ - 1) / columns_ * columns_);
        for (size_t i = 0; i < d; ++i) sums_.back()[i] += query[at + i];
      }
    }
    tokens_ = rows.size() / columns_;
    begins_.push_back(tokens_);
    matrix_ = *tensor::Matrix::Pack({tensor::DType::kF32,
                                     reinterpret_cast<const std::byte*>(rows.data()), tokens_,
                                     columns_},
                                    nullptr);  // columns are whole blocks
    best_.assign(queries.size(), BestList(depth));
    pooled_.assign(queries.size(), BestList(depth));
    nearest_.assign(all ? tokens_ : 0, BestList(kNearestTokens));
  }

  void Score(int64_t passage, std::span<const float> vectors,
             std::span<const std::vector<int64_t>> among, const Context& context) {
    const size_t n = vectors.size() / d_;
    if (n == 0) return;
    std::vector<float> x(n * columns_), most(tokens_, -2.0f);
    products_.resize(n * tokens_);
    const int64_t start = context.now_ns();
    for (size_t t = 0; t < n; ++t) std::copy_n(&vectors[t * d_], d_, &x[t * columns_]);
    matrix_.Multiply(x.data(), n, products_.data(), nullptr);
    for (size_t t = 0; t < n; ++t) {
      const float* row = &products_[t * tokens_];
      for (size_t q = 0; q < tokens_; ++q) most[q] = std::max(most[q], row[q]);
    }
    for (size_t q = 0; q + 1 < begins_.size(); ++q) {
      if (!among.empty() && !std::binary_search(among[q].begin(), among[q].end(), passage))
        continue;
      float sum = 0;
      for (size_t t = begins_[q]; t < begins_[q + 1]; ++t) sum += most[t];
      best_[q].Add({passage, sum});
    }
    scoring_ns_ += context.now_ns() - start;
    passage_tokens_ += static_cast<int64_t>(n);
    if (all_) Compare(passage, vectors, n);
  }

  ExactMaxSim Take() {
    ExactMaxSim out;
    for (BestList& best : best_) out.best.push_back(best.Take());
    for (BestList& pooled : pooled_) out.pooled.push_back(pooled.Take());
    for (size_t q = 0; all_ && q + 1 < begins_.size(); ++q) {
      out.nearest.emplace_back();
      for (size_t t = begins_[q]; t < begins_[q + 1]; ++t) {
        out.nearest.back().push_back(nearest_[t].Take());
      }
    }
    out.micros = static_cast<double>(scoring_ns_) * 1e-3 / static_cast<double>(best_.size());
    out.tokens = passage_tokens_;
    return out;
  }

 private:
  // What only comparisons need, outside of the clock.
  void Compare(int64_t passage, std::span<const float> vectors, size_t n) {
    std::vector<float> mean(d_);
    for (size_t t = 0; t < n; ++t) {
      for (size_t i = 0; i < d_; ++i) mean[i] += vectors[t * d_ + i];
    }
    const float length = std::sqrt(tensor::Dot(mean.data(), mean.data(), d_));
    for (size_t q = 0; q < pooled_.size() && length > 0; ++q) {
      pooled_[q].Add({passage, tensor::Dot(sums_[q].data(), mean.data(), d_) / length});
    }
    for (size_t t = 0; t < n; ++t) {
      for (size_t q = 0; q < tokens_; ++q) nearest_[q].Add({passage, products_[t * tokens_ + q]});
    }
  }

  size_t d_, columns_, tokens_ = 0;
  bool all_;
  std::vector<size_t> begins_;
  std::vector<std::vector<float>> sums_;
  tensor::Matrix matrix_;
  std::vector<BestList> best_, pooled_, nearest_;
  std::vector<float> products_;
  int64_t scoring_ns_ = 0, passage_tokens_ = 0;
};

}  // namespace

absl::StatusOr<ExactMaxSim> ScoreExactly(const index::Store& store,
                                         const text::TokenEncoder& encoder,
                                         std::span<const int64_t> passages,
                                         std::span<const text::TokenVectors> queries,
                                         std::span<const std::vector<int64_t>> among, size_t depth,
                                         const Context& context, EncodingVariants* variants) {
  Scorer scorer(queries, static_cast<size_t>(encoder.dimensions()), depth, among.empty());
  if (context.progress != nullptr) {
    context.progress->Start("exact MaxSim", static_cast<int64_t>(passages.size()), "passages");
  }
  for (size_t begin = 0; begin < passages.size(); begin += kBatch) {
    WEIR_RETURN_IF_ERROR(context.CheckCancelled());
    const size_t n = std::min(kBatch, passages.size() - begin);
    std::vector<std::string> texts;
    for (size_t i = 0; i < n; ++i) {
      WEIR_ASSIGN_OR_RETURN(text::Passage passage, store.GetPassage(passages[begin + i]));
      texts.push_back(std::move(passage.text));
    }
    std::vector<text::TokenVectors> vectors(n);
    WEIR_RETURN_IF_ERROR(
        encoder.Encode(std::vector<std::string_view>(texts.begin(), texts.end()),
                       text::EncodeAs::kPassage, vectors, context));
    for (size_t i = 0; i < n; ++i) {
      scorer.Score(passages[begin + i], vectors[i], among, context);
      if (variants == nullptr || vectors[i].empty()) continue;
      WEIR_RETURN_IF_ERROR(variants->Add(passages[begin + i], vectors[i]));
    }
    if (context.progress != nullptr) context.progress->Advance(static_cast<int64_t>(n));
  }
  if (context.progress != nullptr) context.progress->Finish();
  return scorer.Take();
}

}  // namespace weir::cli
