#include "cli/sparse_bench.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <utility>

#include "absl/strings/numbers.h"
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

// Of the exact best ten the share that a search finds, or equals in score. scores(i): those of what
// it found for query i.
absl::StatusOr<double> Recall(
    const index::Store& store, const std::vector<SparseVector>& queries, const Context& context,
    const std::function<absl::StatusOr<std::vector<float>>(size_t)>& scores) {
  double sum = 0;
  for (size_t i = 0; i < queries.size(); ++i) {
    WEIR_ASSIGN_OR_RETURN(const auto exact, store.SearchSparse(queries[i], 10, {}, context));
    WEIR_ASSIGN_OR_RETURN(const std::vector<float> found, scores(i));
    if (exact.empty()) {
      sum += 1;
      continue;
    }
    const auto good = std::count_if(found.begin(), found.end(),
                                    [&](float score) { return score >= exact.back().score; });
    sum += static_cast<double>(good) / static_cast<double>(exact.size());
  }
  return sum / static_cast<double>(queries.size());
}

// What the peer found, by Weir's scores of it. ids: of the passages as the peer got them.
absl::StatusOr<double> PeerRecall(WorkPeer& peer, const index::Store& store,
                                  const std::vector<SparseVector>& queries,
                                  const std::vector<int64_t>& ids, const Context& context) {
  WEIR_ASSIGN_OR_RETURN(const std::string answer, peer.Ask("hits", ""));
  const std::vector<std::string> lists = absl::StrSplit(answer, ';');
  if (lists.size() != queries.size()) {
    return absl::UnavailableError(
        absl::StrCat("peer: hits of ", lists.size(), " queries; expected ", queries.size()));
  }
  return Recall(store, queries, context, [&](size_t i) -> absl::StatusOr<std::vector<float>> {
    std::vector<int64_t> hits;
    for (const absl::string_view each : absl::StrSplit(lists[i], ' ', absl::SkipEmpty())) {
      size_t at = 0;
      if (!absl::SimpleAtoi(each, &at) || at >= ids.size()) {
        return absl::UnavailableError(absl::StrCat("peer: hit ", each));
      }
      hits.push_back(ids[at]);
    }
    return store.ScoreSparse(queries[i], hits);
  });
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
  std::vector<int64_t> ids;
  WEIR_RETURN_IF_ERROR(encoder->Encode(texts, text::EncodeAs::kQuery, vectors, context));
  for (const int64_t passage : store.Passages()) {
    absl::StatusOr<SparseVector> v = store.GetSparseVector(passage);
    if (absl::IsNotFound(v.status())) continue;  // not encoded yet
    WEIR_RETURN_IF_ERROR(v.status());
    passages.push_back(*std::move(v));
    ids.push_back(passage);
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
  const auto found = [&](size_t i) -> absl::StatusOr<std::vector<float>> {
    WEIR_ASSIGN_OR_RETURN(const auto hits,
                          store.SearchSparse(vectors[i], 10, {.exact = false}, context));
    std::vector<float> scores;
    for (const index::Scored& hit : hits) scores.push_back(hit.score);
    return scores;
  };
  WEIR_ASSIGN_OR_RETURN(const double recall, Recall(store, vectors, context, found));
  rows.push_back(Compare("sparse-approximate-recall10", "share", 1, false, [&] { return recall; },
                         "exact", [] { return 1.0; }));
  WEIR_RETURN_IF_ERROR(status);
  if (!(least >= 0)) return absl::InternalError("bench: the baseline scored nothing");
  WEIR_ASSIGN_OR_RETURN(const auto peer, StartPeer(options, python, passages, vectors));
  if (peer == nullptr) return absl::OkStatus();
  rows.push_back(Compare("sparse-approximate", "us/query", rounds, true, ours(false), options.peer,
                         [&] { return peer->Run(status); }));
  WEIR_RETURN_IF_ERROR(status);
  WEIR_ASSIGN_OR_RETURN(const double theirs_recall,
                        PeerRecall(*peer, store, vectors, ids, context));
  rows.push_back(Compare("sparse-approximate-recall10", "share", 1, false, [&] { return recall; },
                         options.peer, [&] { return theirs_recall; }));
  return absl::OkStatus();
}

}  // namespace weir::cli
