#include "cli/dense_bench.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <numeric>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "index/dense/vector_search.h"

namespace weir::cli {
namespace {

constexpr int64_t kTop = 10;
constexpr int kPeerTimeoutS = 3 * 3600;  // a graph of a million rows takes an hour

absl::StatusOr<std::vector<float>> ReadFloats(const std::string& path, int64_t rows, size_t d) {
  std::error_code error;
  const uintmax_t bytes = std::filesystem::file_size(path, error);
  if (error) return absl::NotFoundError(absl::StrCat(path, ": ", error.message()));
  const size_t row_bytes = d * sizeof(float);
  size_t n = bytes / row_bytes;
  if (rows > 0) n = std::min(n, static_cast<size_t>(rows));
  if (n == 0) return absl::InvalidArgumentError(absl::StrCat(path, ": no row of ", d, " numbers"));
  std::vector<float> out(n * d);
  std::ifstream in(path, std::ios::binary);
  if (!in.read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(n * row_bytes)))
    return absl::DataLossError(absl::StrCat(path, ": cannot be read"));
  return out;
}

std::string NameOf(size_t rows) {
  if (rows >= 1000000) return absl::StrCat("dense-", rows / 1000000, "m");
  return rows >= 1000 ? absl::StrCat("dense-", rows / 1000, "k") : absl::StrCat("dense-", rows);
}

using Results = std::vector<std::vector<index::Scored>>;

double Recall(const Results& want, const Results& got) {
  size_t hits = 0, all = 0;
  for (size_t q = 0; q < want.size(); ++q) {
    for (const index::Scored& w : want[q]) {
      hits += std::any_of(got[q].begin(), got[q].end(),
                          [&](const index::Scored& g) { return g.passage == w.passage; });
    }
    all += want[q].size();
  }
  return static_cast<double>(hits) / static_cast<double>(all);
}

struct Bench {
  const index::VectorView& view;
  std::span<const float> queries;
  size_t d;
  int64_t (*now)();

  size_t count() const { return queries.size() / d; }
  // Each query alone, on this thread; microseconds of each, ascending.
  absl::StatusOr<std::vector<double>> Round(index::Effort effort, size_t n,
                                            Results& results) const {
    std::vector<double> micros;
    results.clear();
    for (size_t q = 0; q < n; ++q) {
      const int64_t start = now();
      WEIR_ASSIGN_OR_RETURN(auto found, index::SearchVectors({&view, 1}, queries.subspan(q * d, d),
                                                             1, kTop, {.effort = effort}, {}));
      micros.push_back(static_cast<double>(now() - start) * 1e-3);
      results.push_back(std::move(found[0]));
    }
    std::sort(micros.begin(), micros.end());
    return micros;
  }
};

BenchRow Single(std::string name, std::string unit, double value) {
  return {.name = std::move(name), .unit = std::move(unit), .weir = value};
}

absl::Status BenchEffort(const Bench& bench, const std::string& name, index::Effort effort,
                         double exact_micros, const Results& exact, int64_t rounds,
                         std::vector<BenchRow>& rows) {
  std::vector<double> p50, p99;
  Results results;
  for (int64_t round = 0; round <= rounds; ++round) {
    WEIR_ASSIGN_OR_RETURN(const auto micros, bench.Round(effort, bench.count(), results));
    if (round == 0) continue;  // it fills the caches
    p50.push_back(micros[micros.size() / 2]);
    p99.push_back(micros[micros.size() * 99 / 100]);
  }
  size_t at = 0;
  const double recall = Recall(exact, results);
  rows.push_back(Compare(name, absl::StrFormat("us p50 at recall %.4f", recall), rounds, true,
                         [&] { return p50[at++]; }, "exact f32 scan",
                         [&] { return exact_micros; }));
  std::sort(p99.begin(), p99.end());
  rows.push_back(Single(absl::StrCat(name, "-p99"), "us", p99[p99.size() / 2]));
  rows.push_back(Single(absl::StrCat(name, "-recall"), "at 10", recall));
  return absl::OkStatus();
}

// The peer answers a setting by "name p50 recall build-seconds megabytes" joined by semicolons.
absl::Status BenchPeerEngine(const DenseBenchOptions& options, const std::string& name, size_t n,
                             std::vector<BenchRow>& rows) {
  WEIR_ASSIGN_OR_RETURN(
      const auto peer,
      WorkPeer::Start(options.peer, {options.vectors, options.queries, absl::StrCat(n),
                                     absl::StrCat(options.dimensions), options.peer.name}));
  if (peer == nullptr) return absl::OkStatus();
  WEIR_ASSIGN_OR_RETURN(const std::string answer, peer->Ask("run", "all", kPeerTimeoutS));
  for (std::string_view setting : absl::StrSplit(answer, ';', absl::SkipEmpty())) {
    const std::vector<std::string> parts = absl::StrSplit(setting, ' ');
    double p50 = 0, recall = 0;
    if (parts.size() != 5 || !absl::SimpleAtod(parts[1], &p50) ||
        !absl::SimpleAtod(parts[2], &recall)) {
      return absl::UnavailableError(absl::StrCat("peer: no setting: ", setting));
    }
    rows.push_back({.name = absl::StrCat(name, "-peer"),
                    .unit = absl::StrCat("us p50 at recall ", parts[2], ", build ", parts[3],
                                         " s, ", parts[4], " MB"),
                    .baseline = p50,
                    .baseline_name = parts[0]});
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status BenchDense(const DenseBenchOptions& options, Session& session,
                        std::vector<BenchRow>& rows) {
  const size_t d = static_cast<size_t>(options.dimensions);
  WEIR_ASSIGN_OR_RETURN(const auto vectors, ReadFloats(options.vectors, options.rows, d));
  WEIR_ASSIGN_OR_RETURN(const auto queries, ReadFloats(options.queries, 0, d));
  const size_t n = vectors.size() / d;
  std::vector<int64_t> ids(n);
  std::iota(ids.begin(), ids.end(), int64_t{0});
  const std::string folder =
      absl::StrCat(std::filesystem::temp_directory_path().string(), "/weir-dense-", SteadyNowNs());
  std::error_code error;
  if (!std::filesystem::create_directory(folder, error))
    return absl::UnavailableError(absl::StrCat(folder, ": ", error.message()));
  const auto remove = absl::MakeCleanup([&] { std::filesystem::remove_all(folder, error); });

  const std::string name = NameOf(n);
  const int64_t start = SteadyNowNs();
  WEIR_RETURN_IF_ERROR(index::WriteVectorSegment(ids, vectors, static_cast<int>(d), folder,
                                                 "vectors", session.context())
                           .status());
  rows.push_back(Single(absl::StrCat(name, "-build"), "s",
                        static_cast<double>(SteadyNowNs() - start) * 1e-9));
  WEIR_ASSIGN_OR_RETURN(const auto segment, index::VectorSegment::Open(folder + "/vectors"));
  rows.push_back(Single(absl::StrCat(name, "-bytes"), "MB beside the f32 rows",
                        static_cast<double>(segment->bytes_beside_rows()) * 1e-6));

  const index::VectorView view{segment.get(), nullptr};
  WEIR_ASSIGN_OR_RETURN(const Results exact,
                        index::SearchVectors({&view, 1}, queries, queries.size() / d, kTop,
                                             {.effort = index::Effort::kExact}, session.context()));
  const Bench bench{view, queries, d, SteadyNowNs};
  Results ignored;
  WEIR_ASSIGN_OR_RETURN(const auto scan,
                        bench.Round(index::Effort::kExact,
                                    std::min<size_t>(bench.count(), 50), ignored));
  for (const auto& [suffix, effort] : {std::pair{"-quick", index::Effort::kQuick},
                                       std::pair{"-normal", index::Effort::kNormal},
                                       std::pair{"-thorough", index::Effort::kThorough}}) {
    WEIR_RETURN_IF_ERROR(BenchEffort(bench, name + suffix, effort, scan[scan.size() / 2], exact,
                                     options.rounds, rows));
  }
  return BenchPeerEngine(options, name, n, rows);
}

}  // namespace weir::cli
