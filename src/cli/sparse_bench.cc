#include "cli/sparse_bench.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "cli/peer.h"

namespace weir::cli {
namespace {

using text::SparseVector;

// All postings of a term one after the other, added into one sum a passage: no bound, no skipping.
class TermAtATime {
 public:
  TermAtATime(const std::vector<SparseVector>& passages, int32_t vocabulary)
      : starts_(static_cast<size_t>(vocabulary) + 1), sums_(passages.size()) {
    for (const SparseVector& v : passages) {
      for (const text::TermWeight& w : v) ++starts_[w.term + 1];
    }
    for (size_t t = 0; t + 1 < starts_.size(); ++t) starts_[t + 1] += starts_[t];
    rows_.resize(starts_.back());
    weights_.resize(starts_.back());
    std::vector<size_t> next(starts_.begin(), starts_.end() - 1);
    for (size_t r = 0; r < passages.size(); ++r) {
      for (const text::TermWeight& w : passages[r]) {
        const size_t at = next[w.term]++;
        rows_[at] = static_cast<uint32_t>(r);
        weights_[at] = w.weight;
      }
    }
  }

  // The least of the best ten sums.
  float Run(const SparseVector& query) {
    std::fill(sums_.begin(), sums_.end(), 0.0f);
    for (const text::TermWeight& w : query) {
      for (size_t i = starts_[w.term]; i < starts_[w.term + 1]; ++i) {
        sums_[rows_[i]] += w.weight * weights_[i];
      }
    }
    std::priority_queue<float, std::vector<float>, std::greater<>> best;
    float least = 0;
    for (float sum : sums_) {
      if (sum <= least) continue;
      best.push(sum);
      if (best.size() > 10) best.pop();
      if (best.size() == 10) least = best.top();
    }
    return least;
  }

 private:
  std::vector<size_t> starts_;
  std::vector<uint32_t> rows_;
  std::vector<float> weights_, sums_;
};

std::string AsText(const SparseVector& vector) {
  std::string out;
  for (const text::TermWeight& w : vector) absl::StrAppend(&out, w.term, ":", w.weight, " ");
  return out;
}

absl::StatusOr<std::unique_ptr<WorkPeer>> StartPeer(const SparseBenchOptions& options,
                                                    const std::string& python,
                                                    const std::vector<SparseVector>& passages,
                                                    const std::vector<SparseVector>& queries) {
  PeerOptions peer{.engine = "seismic", .script = options.script, .name = options.peer};
  peer.python = python;
  WEIR_ASSIGN_OR_RETURN(
      auto started,
      WorkPeer::Start(peer, absl::StrSplit(options.peer_arguments, ',', absl::SkipEmpty())));
  if (started == nullptr) return nullptr;
  for (const SparseVector& v : passages) WEIR_RETURN_IF_ERROR(started->Send("add", AsText(v)));
  for (const SparseVector& v : queries) WEIR_RETURN_IF_ERROR(started->Send("query", AsText(v)));
  return started;
}

// Of the exact best ten the share that the approximate search finds, or equals in score.
absl::StatusOr<double> Recall(const index::Store& store, const std::vector<SparseVector>& queries,
                              const Context& context) {
  double sum = 0;
  for (const SparseVector& query : queries) {
    WEIR_ASSIGN_OR_RETURN(const auto exact, store.SearchSparse(query, 10, {}, context));
    WEIR_ASSIGN_OR_RETURN(const auto found,
                          store.SearchSparse(query, 10, {.exact = false}, context));
    if (exact.empty()) {
      sum += 1;
      continue;
    }
    const auto good = std::count_if(found.begin(), found.end(), [&](const index::Scored& hit) {
      return hit.score >= exact.back().score;
    });
    sum += static_cast<double>(good) / static_cast<double>(exact.size());
  }
  return sum / static_cast<double>(queries.size());
}

}  // namespace

absl::Status BenchSparse(const index::Store& store, const std::vector<std::string>& queries,
                         int64_t rounds, const SparseBenchOptions& options,
                         const std::string& python, Session& session,
                         std::vector<BenchRow>& rows) {
  const Context& context = session.context();
  WEIR_ASSIGN_OR_RETURN(const index::StoreStatus of_store, store.Status());
  WEIR_ASSIGN_OR_RETURN(const auto encoder, session.LoadSparseEncoder(of_store.sparse_encoder));
  const std::vector<std::string_view> texts(queries.begin(), queries.end());
  std::vector<SparseVector> vectors(queries.size()), passages;
  WEIR_RETURN_IF_ERROR(encoder->Encode(texts, text::EncodeAs::kQuery, vectors, context));
  for (const int64_t passage : store.Passages()) {
    absl::StatusOr<SparseVector> v = store.GetSparseVector(passage);
    if (absl::IsNotFound(v.status())) continue;  // not encoded yet
    WEIR_RETURN_IF_ERROR(v.status());
    passages.push_back(*std::move(v));
  }
  TermAtATime baseline(passages, encoder->vocabulary());
  absl::Status status;
  float least = 0;
  const auto timed = [&](const std::function<void(const SparseVector&)>& one) {
    return [&, one] {
      const int64_t start = context.now_ns();
      for (const SparseVector& query : vectors) one(query);
      return static_cast<double>(context.now_ns() - start) * 1e-3 /
             static_cast<double>(vectors.size());
    };
  };
  const auto ours = [&](bool exact) {
    return timed([&, exact](const SparseVector& query) {
      status.Update(store.SearchSparse(query, 10, {.exact = exact}, context).status());
    });
  };
  const auto theirs = timed([&](const SparseVector& query) { least += baseline.Run(query); });
  rows.push_back(Compare("sparse-exact", "us/query", rounds, true, ours(true), "term at a time",
                         theirs));
  rows.push_back(Compare("sparse-approximate", "us/query", rounds, true, ours(false),
                         "term at a time", theirs));
  WEIR_ASSIGN_OR_RETURN(const double recall, Recall(store, vectors, context));
  rows.push_back(Compare("sparse-approximate-recall10", "share", 1, false, [&] { return recall; },
                         "exact", [] { return 1.0; }));
  WEIR_RETURN_IF_ERROR(status);
  if (!(least >= 0)) return absl::InternalError("bench: the baseline scored nothing");
  WEIR_ASSIGN_OR_RETURN(const auto peer, StartPeer(options, python, passages, vectors));
  if (peer == nullptr) return absl::OkStatus();
  rows.push_back(Compare("sparse-approximate", "us/query", rounds, true, ours(false), options.peer,
                         [&] { return peer->Run(status); }));
  return status;
}

}  // namespace weir::cli
