#include "cli/multi_bench.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status.h"
#include "cli/exact_max_sim.h"

namespace weir::cli {
namespace {

using Lists = std::vector<std::vector<index::Scored>>;

constexpr int64_t kTop = 10;
constexpr size_t kDepth = 100;            // of the exact lists
constexpr int64_t kMostCandidates = 5000;  // that are tried for 90%
constexpr double kWantedRecall = 0.9;

// The share of the first ten of `want` among the first `n` of `got`.
double Found(const Lists& want, const Lists& got, size_t n) {
  double hits = 0, all = 0;
  for (size_t q = 0; q < want.size(); ++q) {
    const size_t tens = std::min<size_t>(kTop, want[q].size());
    const size_t end = std::min(n, got[q].size());
    for (size_t i = 0; i < tens; ++i) {
      hits += std::any_of(
          got[q].begin(), got[q].begin() + static_cast<long>(end),
          [&](const index::Scored& hit) { return hit.passage == want[q][i].passage; });
    }
    all += static_cast<double>(tens);
  }
  return all > 0 ? hits / all : 1;
}

std::string Name(int64_t passages) {
  return passages >= 1000 ? absl::StrCat("multivector-", passages / 1000, "k")
                          : absl::StrCat("multivector-", passages);
}

BenchRow Beside(std::string name, std::string unit, bool lower_is_better, double ours,
                std::string baseline_name, double baseline) {
  return Compare(std::move(name), std::move(unit), 1, lower_is_better, [&] { return ours; },
                 std::move(baseline_name), [&] { return baseline; });
}

struct Bench {
  const index::Store& store;
  std::vector<text::TokenVectors> queries;
  const Context& context;

  // One query after the other, on this thread: the median of their microseconds.
  absl::StatusOr<double> Round(const index::MultiSearchOptions& options, int64_t k,
                               Lists& results) const {
    std::vector<double> micros;
    results.clear();
    for (const text::TokenVectors& query : queries) {
      const int64_t start = context.now_ns();
      WEIR_ASSIGN_OR_RETURN(auto found, store.SearchMulti(query, k, options, {}));
      micros.push_back(static_cast<double>(context.now_ns() - start) * 1e-3);
      results.push_back(std::move(found));
    }
    std::sort(micros.begin(), micros.end());
    return micros[micros.size() / 2];
  }
  absl::StatusOr<Lists> Candidates(int64_t n) const {
    Lists lists;
    for (const text::TokenVectors& query : queries) {
      WEIR_ASSIGN_OR_RETURN(auto found, store.MultiCandidates(query, {.candidates = n}, context));
      lists.push_back(std::move(found));
    }
    return lists;
  }
};

// The fewest that hold 90% of the exact ten; -1 when the lists are too short.
int64_t CandidatesNeeded(const Lists& want, const Lists& got) {
  size_t low = 1, high = static_cast<size_t>(kMostCandidates);
  if (Found(want, got, high) < kWantedRecall) return -1;
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (Found(want, got, middle) >= kWantedRecall) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return static_cast<int64_t>(low);
}

// The same for the passages of each query token's nearest m tokens: the mean number of them.
double HeuristicNeeds(const ExactMaxSim& exact) {
  for (size_t m = 1; m <= kNearestTokens; m += 1 + m / 8) {
    Lists lists(exact.nearest.size());
    double candidates = 0;
    for (size_t q = 0; q < lists.size(); ++q) {
      std::set<int64_t> united;
      for (const auto& nearest : exact.nearest[q]) {
        for (size_t i = 0; i < std::min(m, nearest.size()); ++i) united.insert(nearest[i].passage);
      }
      for (int64_t passage : united) lists[q].push_back({passage, 0});
      candidates += static_cast<double>(united.size());
    }
    if (Found(exact.best, lists, SIZE_MAX) >= kWantedRecall) {
      return candidates / static_cast<double>(lists.size());
    }
  }
  return -1;
}

// The store's scan codes, and encodings of other parameters.
absl::Status CompareCandidates(const Bench& bench, const ExactMaxSim& exact,
                               std::vector<EncodingVariants::Result> results,
                               const std::string& name, std::vector<BenchRow>& rows) {
  WEIR_ASSIGN_OR_RETURN(Lists codes, bench.Candidates(kMostCandidates));
  results.insert(results.begin(), {"codes", std::move(codes)});
  const double pooled = Found(exact.best, exact.pooled, 100), heuristic = HeuristicNeeds(exact);
  for (const EncodingVariants::Result& result : results) {
    rows.push_back(Beside(absl::StrCat(name, "-fde-", result.name), "share of the exact 10 in 100",
                          false, Found(exact.best, result.best, 100), "mean of the vectors",
                          pooled));
    rows.push_back(Beside(absl::StrCat(name, "-candidates-", result.name),
                          "for 90% of the exact 10", true,
                          static_cast<double>(CandidatesNeeded(exact.best, result.best)),
                          "nearest tokens", heuristic));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status BenchMulti(const index::Store& store, const std::vector<std::string>& queries,
                        int64_t rounds, const MultiBenchOptions& options, Session& session,
                        std::vector<BenchRow>& rows) {
  const Context& context = session.context();
  WEIR_ASSIGN_OR_RETURN(const index::StoreStatus of_store, store.Status());
  if (of_store.multi_encoder.empty()) {
    return absl::FailedPreconditionError("bench: the store has no token vectors; index with "
                                         "--multivector");
  }
  WEIR_ASSIGN_OR_RETURN(const auto encoder, session.LoadTokenEncoder(of_store.multi_encoder));
  std::vector<text::TokenVectors> vectors(queries.size());
  WEIR_RETURN_IF_ERROR(
      encoder->Encode(std::vector<std::string_view>(queries.begin(), queries.end()),
                      text::EncodeAs::kQuery, vectors, context));
  std::erase_if(vectors, [](const text::TokenVectors& v) { return v.empty(); });
  if (vectors.empty()) return absl::InvalidArgumentError("bench: no query has tokens");
  const Bench bench{store, std::move(vectors), context};
  std::vector<int64_t> passages = store.Passages();
  const std::string name = Name(of_store.passages - of_store.multi_pending);

  const bool all = options.exact_among == 0;
  Lists codes, found;
  WEIR_RETURN_IF_ERROR(
      bench.Round({.candidates = 0}, std::max(kTop, options.exact_among), codes).status());
  std::vector<std::vector<int64_t>> among;
  if (!all) {
    std::set<int64_t> united;
    for (const auto& list : codes) {
      among.emplace_back();
      for (const index::Scored& hit : list) among.back().push_back(hit.passage);
      std::sort(among.back().begin(), among.back().end());
      united.insert(among.back().begin(), among.back().end());
    }
    passages.assign(united.begin(), united.end());
  }
  WEIR_ASSIGN_OR_RETURN(
      EncodingVariants variants,
      EncodingVariants::Make(static_cast<uint32_t>(encoder->dimensions()),
                             all ? std::span(bench.queries) : std::span<text::TokenVectors>(),
                             kMostCandidates));
  WEIR_ASSIGN_OR_RETURN(const ExactMaxSim exact,
                        ScoreExactly(store, *encoder, passages, bench.queries, among, kDepth,
                                     context, all ? &variants : nullptr));
  absl::Status status;
  const auto timed = [&](const index::MultiSearchOptions& search, Lists& lists) {
    const auto micros = bench.Round(search, kTop, lists);
    status.Update(micros.status());
    return micros.ok() ? *micros : 0.0;
  };
  Lists ignored;
  rows.push_back(Compare(name, "us p50 a query", rounds, true,
                         [&] { return timed(options.search, found); }, "MaxSim of all codes",
                         [&] { return timed({.candidates = 0}, ignored); }));
  if (all) {
    rows.push_back(Beside(name, "us a query", true, rows.back().weir, "MaxSim of all in f32",
                          exact.micros));
  }
  WEIR_RETURN_IF_ERROR(status);
  rows.push_back(Beside(absl::StrCat(name, "-recall10"), "against f32", false,
                        Found(exact.best, found, kTop), "all codes",
                        Found(exact.best, codes, kTop)));
  rows.push_back(Beside(absl::StrCat(name, "-recall10-of-codes"), "against all codes", false,
                        Found(codes, found, kTop), "all codes", 1));
  return all ? CompareCandidates(bench, exact, variants.Take(), name, rows) : absl::OkStatus();
}

}  // namespace weir::cli
