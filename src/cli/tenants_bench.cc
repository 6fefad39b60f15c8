#include "cli/tenants_bench.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <numeric>
#include <random>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status.h"
#include "cli/inverted_file.h"
#include "index/dense/vector_search.h"
#include "index/tenants/range_lists.h"
#include "index/tenants/tenant_tree.h"

namespace weir::cli {
namespace {

using index::Scored;
constexpr int64_t kTop = 10;
constexpr size_t kQueriesOfTenant = 20;
constexpr double kSmallShare = 0.02, kTenantsOfVector = 5;
constexpr size_t kLeastSize = 20, kMostSize = 10000;

std::vector<float> Mixture(size_t n, size_t d, uint64_t seed) {
  constexpr size_t kCentres = 500;
  constexpr float kSpread = 0.6f;
  std::mt19937_64 middles(1), random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> centres(kCentres * d), out(n * d);
  for (float& x : centres) x = normal(middles);
  for (size_t i = 0; i < n; ++i) {
    const size_t c = random() % kCentres;
    float square = 0;
    for (size_t j = 0; j < d; ++j) {
      out[i * d + j] = centres[c * d + j] + kSpread * normal(random);
      square += out[i * d + j] * out[i * d + j];
    }
    for (size_t j = 0; j < d; ++j) out[i * d + j] /= std::sqrt(square);
  }
  return out;
}

absl::StatusOr<std::vector<float>> ReadFloats(const std::string& path, size_t most) {
  std::error_code error;
  const uintmax_t bytes = std::filesystem::file_size(path, error);
  if (error) return absl::NotFoundError(absl::StrCat(path, ": ", error.message()));
  std::vector<float> out(std::min<size_t>(bytes / sizeof(float), most));
  std::ifstream in(path, std::ios::binary);
  if (!in.read(reinterpret_cast<char*>(out.data()),
               static_cast<std::streamsize>(out.size() * sizeof(float))))
    return absl::DataLossError(absl::StrCat(path, ": cannot be read"));
  return out;
}

// Vectors, and which tenant has which of them.
struct Data {
  size_t d = 0;
  std::vector<float> vectors, queries;
  std::vector<std::vector<uint32_t>> members;  // rows of each tenant, ascending
  size_t n() const { return vectors.size() / d; }
  std::span<const float> row(size_t i) const { return std::span(vectors).subspan(i * d, d); }
  std::span<const float> query(size_t tenant, size_t i) const {
    const size_t count = queries.size() / d;
    return std::span(queries).subspan((tenant * kQueriesOfTenant + i) % count * d, d);
  }
};

absl::StatusOr<Data> MakeData(const TenantsBenchOptions& options) {
  Data data;
  if (options.vectors.empty()) {
    data.d = 64;
    data.vectors = Mixture(100000, data.d, 2);
    data.queries = Mixture(4000, data.d, 3);
  } else {
    data.d = static_cast<size_t>(options.dimensions);
    const size_t most = options.vector_rows > 0 ? options.vector_rows * data.d : SIZE_MAX;
    WEIR_ASSIGN_OR_RETURN(data.vectors, ReadFloats(options.vectors, most));
    WEIR_ASSIGN_OR_RETURN(data.queries, ReadFloats(options.queries, SIZE_MAX));
    data.vectors.resize(data.vectors.size() / data.d * data.d);
    if (data.n() < 1000 || data.queries.size() < data.d)
      return absl::InvalidArgumentError("bench of tenants: fewer than 1,000 vectors or no query");
  }
  // Sizes from 20 to 10,000 by Zipf's law, members at random.
  const size_t most = std::min(kMostSize, data.n() / 2);
  const double power = options.tenants < 2 ? 0
                                           : std::log(static_cast<double>(most) / kLeastSize) /
                                                 std::log(static_cast<double>(options.tenants));
  std::mt19937_64 random(4);
  std::vector<uint32_t> rows(data.n());
  std::iota(rows.begin(), rows.end(), 0u);
  for (int64_t t = 0; t < options.tenants; ++t) {
    const size_t size = static_cast<size_t>(
        std::lround(static_cast<double>(most) / std::pow(static_cast<double>(t + 1), power)));
    for (size_t i = 0; i < size; ++i) std::swap(rows[i], rows[i + random() % (rows.size() - i)]);
    data.members.emplace_back(rows.begin(), rows.begin() + static_cast<ptrdiff_t>(size));
    std::sort(data.members.back().begin(), data.members.back().end());
  }
  return data;
}

// Each vector belongs to its first tenant, those of none to one more.
absl::StatusOr<std::unique_ptr<index::TenantTree>> MakeTree(const Data& data,
                                                            const std::vector<bool>& gone,
                                                            const Context& context) {
  std::vector<float> kept;
  std::vector<int64_t> labels;
  for (size_t i = 0; i < data.n(); ++i) {
    if (!gone.empty() && gone[i]) continue;
    kept.insert(kept.end(), data.row(i).begin(), data.row(i).end());
    labels.push_back(static_cast<int64_t>(i));
  }
  std::vector<uint32_t> owner(data.n(), static_cast<uint32_t>(data.members.size())), owners;
  for (size_t t = data.members.size(); t-- > 0;) {
    for (const uint32_t row : data.members[t]) owner[row] = static_cast<uint32_t>(t);
  }
  for (const int64_t label : labels) owners.push_back(owner[label]);
  WEIR_ASSIGN_OR_RETURN(auto tree, index::TenantTree::Train(kept, data.d, {}, context));
  WEIR_RETURN_IF_ERROR(tree->InsertMany(labels, kept, owners));
  for (uint32_t t = 0; t < data.members.size(); ++t) {
    for (const uint32_t row : data.members[t]) {
      if (gone.empty() || !gone[row]) WEIR_RETURN_IF_ERROR(tree->Grant(row, t).status());
    }
  }
  return tree;
}

using SearchOne = std::function<std::vector<Scored>(size_t tenant, std::span<const float> query)>;

// Tenants to search, with what is right for each of their queries.
struct Work {
  const Data& data;
  std::vector<size_t> tenants;
  std::vector<std::vector<std::vector<Scored>>> exact;  // of all tenants

  // Mean over the tenants; and the worst one's.
  std::pair<double, double> Recall(const SearchOne& search) const {
    double sum = 0, worst = 1;
    for (const size_t t : tenants) {
      size_t hits = 0, all = 0;
      for (size_t i = 0; i < kQueriesOfTenant; ++i) {
        const auto got = search(t, data.query(t, i));
        for (const Scored& want : exact[t][i]) {
          hits += std::any_of(got.begin(), got.end(),
                              [&](const Scored& g) { return g.passage == want.passage; });
        }
        all += exact[t][i].size();
      }
      const double recall = all == 0 ? 1 : static_cast<double>(hits) / static_cast<double>(all);
      sum += recall;
      worst = std::min(worst, recall);
    }
    return {sum / static_cast<double>(tenants.size()), worst};
  }
  // Microseconds of each query by each search: the searches take turns, query by query, and the
  // median of the rounds counts, so that what else the machine does falls on all or on none.
  std::vector<std::vector<double>> Times(const std::vector<SearchOne>& searches,
                                         int64_t rounds) const {
    std::vector<std::vector<double>> medians(searches.size());
    std::vector<double> micros(static_cast<size_t>(rounds));
    for (size_t s = 0; s < searches.size(); ++s) medians[s].reserve(tenants.size());
    std::vector<std::vector<std::vector<double>>> all(
        searches.size(),
        std::vector<std::vector<double>>(static_cast<size_t>(rounds)));
    for (int64_t round = 0; round < rounds; ++round) {
      for (size_t i = 0; i < kQueriesOfTenant; ++i) {
        for (size_t s = 0; s < searches.size(); ++s) {
          for (const size_t t : tenants) {
            const int64_t start = SteadyNowNs();
            (void)searches[s](t, data.query(t, i));
            all[s][round].push_back(static_cast<double>(SteadyNowNs() - start) * 1e-3);
          }
        }
      }
    }
    for (size_t s = 0; s < searches.size(); ++s) {
      for (size_t q = 0; q < all[s][0].size(); ++q) {
        for (int64_t round = 0; round < rounds; ++round) micros[round] = all[s][round][q];
        std::sort(micros.begin(), micros.end());
        medians[s].push_back(micros[micros.size() / 2]);
      }
    }
    return medians;
  }
};

double MeanOf(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

BenchRow Single(std::string name, std::string unit, double value) {
  return {.name = std::move(name), .unit = std::move(unit), .weir = value};
}

BenchRow Beside(std::string name, std::string unit, double value, std::string baseline_name,
                double baseline, bool lower_is_better) {
  return {.name = std::move(name),
          .unit = std::move(unit),
          .weir = value,
          .baseline = baseline,
          .baseline_name = std::move(baseline_name),
          .ratio = lower_is_better ? baseline / value : value / baseline};
}

// The fewest clusters, in steps of a half more, with which the recall is reached.
size_t Probes(const Work& work, size_t most, double recall,
              const std::function<SearchOne(size_t)>& with) {
  for (size_t probes = 1; probes < most; probes += (probes + 1) / 2) {
    if (work.Recall(with(probes)).first >= recall) return probes;
  }
  return most;
}

class Bench {
 public:
  Bench(const TenantsBenchOptions& options, const Context& context, Data data)
      : options_(options),
        context_(context),
        data_(std::move(data)),
        name_(absl::StrCat("tenants-", data_.n() / 1000, "k")) {}

  absl::Status Run(std::vector<BenchRow>& rows) {
    WEIR_ASSIGN_OR_RETURN(tree_, MakeTree(data_, {}, context_));
    MakeExact(*tree_, exact_);
    MakePeers();
    Work small{data_, {}, exact_}, all{data_, {}, exact_};
    for (size_t t = 0; t < data_.members.size(); ++t) {
      all.tenants.push_back(t);
      const double share = static_cast<double>(data_.members[t].size()) /
                           static_cast<double>(data_.n());
      if (share < kSmallShare) small.tenants.push_back(t);
    }
    Speed(small, "-small", rows);
    Speed(all, "-all", rows);
    Quality(all, rows);
    Tails(all, rows);
    WEIR_RETURN_IF_ERROR(Scopes(all, rows));
    WEIR_RETURN_IF_ERROR(Updates(all, rows));
    return Memory(rows);
  }

 private:
  SearchOne Ours() const {
    return [this](size_t tenant, std::span<const float> query) {
      return *tree_->Search(query, kTop, static_cast<uint32_t>(tenant));
    };
  }
  SearchOne Filtered(size_t probes) const {
    return [this, probes](size_t tenant, std::span<const float> query) {
      return shared_->SearchAllowed(query, kTop, probes, allowed_[tenant]);
    };
  }
  SearchOne Own(size_t probes) const {
    return [this, probes](size_t tenant, std::span<const float> query) {
      return own_[tenant].Search(query, kTop, probes);
    };
  }

  void MakeExact(const index::TenantTree& tree,
                 std::vector<std::vector<std::vector<Scored>>>& exact) const {
    exact.assign(data_.members.size(), {});
    for (uint32_t t = 0; t < data_.members.size(); ++t) {
      for (size_t i = 0; i < kQueriesOfTenant; ++i)
        exact[t].push_back(tree.SearchExactly(data_.query(t, i), kTop, t));
    }
  }

  void MakePeers() {
    std::vector<uint32_t> rows(data_.n());
    std::iota(rows.begin(), rows.end(), 0u);
    shared_ = std::make_unique<InvertedFile>(data_.vectors, data_.d, std::move(rows));
    for (const std::vector<uint32_t>& members : data_.members) {
      own_.emplace_back(data_.vectors, data_.d, members);
      allowed_.emplace_back((data_.n() + 63) / 64);
      for (const uint32_t row : members) allowed_.back()[row / 64] |= uint64_t{1} << (row % 64);
    }
  }

  void Speed(const Work& work, const std::string& suffix, std::vector<BenchRow>& rows) const {
    const double recall = work.Recall(Ours()).first;
    const size_t filtered = Probes(work, shared_->clusters(), recall,
                                   [&](size_t probes) { return Filtered(probes); });
    const size_t own = Probes(work, 1000, recall, [&](size_t probes) { return Own(probes); });
    const auto times = work.Times({Ours(), Filtered(filtered), Own(own)}, options_.rounds);
    const std::string unit = absl::StrFormat("us/query at recall %.4f", recall);
    rows.push_back(Beside(
        absl::StrCat(name_, suffix), unit, MeanOf(times[0]),
        absl::StrFormat("filtered IVF, %d of %d lists, recall %.4f", filtered, shared_->clusters(),
                        work.Recall(Filtered(filtered)).first),
        MeanOf(times[1]), true));
    rows.push_back(Beside(absl::StrCat(name_, suffix, "-own"), unit, MeanOf(times[0]),
                          absl::StrFormat("an IVF a tenant, %d lists, recall %.4f", own,
                                          work.Recall(Own(own)).first),
                          MeanOf(times[2]), true));
  }

  void Quality(const Work& all, std::vector<BenchRow>& rows) const {
    const auto [mean, worst] = all.Recall(Ours());
    rows.push_back(Beside(name_ + "-recall", "at 10, mean of tenants", mean, "asked", 0.95, false));
    rows.push_back(Beside(name_ + "-worst", "recall at 10", worst, "asked", 0.85, false));
    Work tiny{data_, {}, exact_};
    for (const size_t t : all.tenants) {
      if (data_.members[t].size() <= index::TenantTreeOptions().longest_list)
        tiny.tenants.push_back(t);
    }
    if (tiny.tenants.empty()) return;
    rows.push_back(Beside(
        absl::StrCat(name_, "-tiny"),
        absl::StrCat("recall of the worst of ", tiny.tenants.size(), " tenants of one list"),
        tiny.Recall(Ours()).second, "asked", 1, false));
  }

  // The tail beside the mean: tenants equally often, and as often as they are large.
  void Tails(const Work& all, std::vector<BenchRow>& rows) const {
    for (const bool by_size : {false, true}) {
      Work work{data_, {}, exact_};
      std::mt19937_64 random(5);
      std::vector<double> sizes;
      for (const auto& members : data_.members)
        sizes.push_back(static_cast<double>(members.size()));
      std::discrete_distribution<size_t> by(sizes.begin(), sizes.end());
      for (size_t i = 0; i < all.tenants.size(); ++i)
        work.tenants.push_back(by_size ? by(random) : i);
      std::vector<double> micros = work.Times({Ours()}, options_.rounds)[0];
      const double mean = MeanOf(micros);
      std::sort(micros.begin(), micros.end());
      rows.push_back(Beside(absl::StrCat(name_, by_size ? "-p99-by-size" : "-p99"), "us",
                            micros[micros.size() * 99 / 100],
                            absl::StrFormat("three times the mean of %.2f", mean), 3 * mean, true));
    }
  }

  // As a store does it: one segment, the tenant's ranges of its clusters, beside its scan with a
  // filter.
  absl::Status Scopes(const Work& all, std::vector<BenchRow>& rows) const {
    const std::string folder = absl::StrCat(std::filesystem::temp_directory_path().string(),
                                            "/weir-tenants-", SteadyNowNs());
    std::error_code error;
    std::filesystem::create_directory(folder, error);
    const auto remove = absl::MakeCleanup([&] { std::filesystem::remove_all(folder, error); });
    std::vector<int64_t> ids(data_.n());
    std::iota(ids.begin(), ids.end(), int64_t{0});
    WEIR_RETURN_IF_ERROR(index::WriteVectorSegment(ids, data_.vectors, static_cast<int>(data_.d),
                                                   folder, "vectors", context_)
                             .status());
    WEIR_ASSIGN_OR_RETURN(const auto segment, index::VectorSegment::Open(folder + "/vectors"));
    if (!segment->clustered()) return absl::OkStatus();
    index::SegmentTrees trees;
    std::vector<index::PassageSet> sets;
    std::vector<index::RowSet> allowed(data_.members.size());
    std::vector<std::unique_ptr<index::RangeLists>> lists;
    std::vector<index::VectorView> views;
    const int64_t start = SteadyNowNs();
    const auto tree = trees.Get(0, *segment);
    const int64_t made = SteadyNowNs();
    for (size_t t = 0; t < data_.members.size(); ++t) {
      for (const uint32_t row : data_.members[t]) allowed[t].Add(row, data_.n(), 0);
      lists.push_back(std::make_unique<index::RangeLists>(*segment, allowed[t], tree));
      views.push_back({segment.get(), nullptr, &allowed[t], lists.back().get()});
    }
    const double per_scope = static_cast<double>(SteadyNowNs() - made) * 1e-3 /
                             static_cast<double>(data_.members.size());
    rows.push_back(Single(name_ + "-scope-tree", "ms once a segment",
                          static_cast<double>(made - start) * 1e-6));
    rows.push_back(Single(name_ + "-scope-make", "us a tenant and generation", per_scope));
    for (const auto& members : data_.members) {
      const std::vector<int64_t> set(members.begin(), members.end());
      sets.emplace_back(set);
    }
    const index::VectorView plain{segment.get(), nullptr};
    const SearchOne ranges = [&](size_t t, std::span<const float> q) {
      return (*index::SearchVectors({&views[t], 1}, q, 1, kTop, {.allowed = &sets[t]}, {}))[0];
    };
    const SearchOne filter = [&](size_t t, std::span<const float> q) {
      return (*index::SearchVectors({&plain, 1}, q, 1, kTop, {.allowed = &sets[t]}, {}))[0];
    };
    const auto [recall, worst] = all.Recall(ranges);
    const auto times = all.Times({ranges, filter}, options_.rounds);
    rows.push_back(Beside(
        name_ + "-scope", absl::StrFormat("us/query at recall %.4f, worst %.4f", recall, worst),
        MeanOf(times[0]),
        absl::StrFormat("clustered scan with a filter, recall %.4f", all.Recall(filter).first),
        MeanOf(times[1]), true));
    return absl::OkStatus();
  }

  absl::Status Updates(const Work& all, std::vector<BenchRow>& rows) {
    // Insert and grant of every tenth vector, which was taken out before; owners may delete.
    std::vector<bool> gone(data_.n());
    int64_t start = SteadyNowNs(), count = 0;
    for (size_t i = 0; i < data_.n(); i += 10, ++count) {
      const uint32_t owner = *tree_->OwnerOf(static_cast<int64_t>(i));
      WEIR_RETURN_IF_ERROR(tree_->Delete(static_cast<int64_t>(i), owner));
    }
    rows.push_back(Single(name_ + "-delete", "us",
                          static_cast<double>(SteadyNowNs() - start) * 1e-3 /
                              static_cast<double>(count)));
    std::vector<std::vector<uint32_t>> of(data_.n());
    for (uint32_t t = 0; t < data_.members.size(); ++t) {
      for (const uint32_t row : data_.members[t]) of[row].push_back(t);
    }
    const uint32_t nobody = static_cast<uint32_t>(data_.members.size());
    start = SteadyNowNs();
    for (size_t i = 0; i < data_.n(); i += 10) {
      WEIR_RETURN_IF_ERROR(tree_->Insert(static_cast<int64_t>(i), data_.row(i),
                                         of[i].empty() ? nobody : of[i][0]));
      for (const uint32_t t : of[i])
        WEIR_RETURN_IF_ERROR(tree_->Grant(static_cast<int64_t>(i), t).status());
    }
    rows.push_back(Beside(name_ + "-update", "us, insert with its grants",
                          static_cast<double>(SteadyNowNs() - start) * 1e-3 /
                              static_cast<double>(count),
                          "asked", 200, true));
    std::mt19937_64 random(6);
    for (size_t i = 0; i < data_.n(); ++i) {
      if (random() % 2 == 0) continue;
      gone[i] = true;
      WEIR_RETURN_IF_ERROR(tree_->Delete(static_cast<int64_t>(i),
                                         *tree_->OwnerOf(static_cast<int64_t>(i))));
    }
    WEIR_ASSIGN_OR_RETURN(const auto fresh, MakeTree(data_, gone, context_));
    Work left{data_, all.tenants, {}};
    MakeExact(*fresh, left.exact);
    const double recall = left.Recall(Ours()).first;
    const double anew = left.Recall([&](size_t t, std::span<const float> q) {
                              return *fresh->Search(q, kTop, static_cast<uint32_t>(t));
                            })
                            .first;
    rows.push_back(Beside(name_ + "-deleted", "recall after half is deleted", recall,
                          "a fresh tree", anew, false));
    return absl::OkStatus();
  }

  // With five tenants a vector: what an index without tenants takes, what they add, and what an
  // inverted file for each of them takes.
  absl::Status Memory(std::vector<BenchRow>& rows) {
    Data shared;
    shared.d = data_.d;
    shared.vectors = data_.vectors;
    shared.members.resize(data_.members.size());
    std::vector<double> sizes;
    for (const auto& members : data_.members) sizes.push_back(static_cast<double>(members.size()));
    std::mt19937_64 random(7);
    std::discrete_distribution<size_t> by(sizes.begin(), sizes.end());
    for (uint32_t row = 0; row < shared.n(); ++row) {
      std::vector<size_t> of;
      while (of.size() < std::min<size_t>(kTenantsOfVector, sizes.size())) {
        const size_t t = by(random);
        if (std::find(of.begin(), of.end(), t) == of.end()) of.push_back(t);
      }
      for (const size_t t : of) shared.members[t].push_back(row);
    }
    WEIR_ASSIGN_OR_RETURN(const auto tree, MakeTree(shared, {}, context_));
    const index::TenantTree::Memory m = tree->MemoryUse();
    size_t own = 0;
    for (const auto& members : shared.members)
      own += InvertedFile(shared.vectors, shared.d, members).bytes();
    const double mb = 1e-6;
    rows.push_back(Beside(name_ + "-memory", "MB that tenants add, five a vector",
                          mb * static_cast<double>(m.tenants),
                          absl::StrFormat("35%% of %.2f MB without tenants, int8", mb * m.index),
                          0.35 * mb * static_cast<double>(m.index), true));
    rows.push_back(Beside(name_ + "-memory-own", "MB of int8 index",
                          mb * static_cast<double>(m.index + m.tenants),
                          "int8 IVF of every tenant", mb * static_cast<double>(own), true));
    const size_t f32 = shared.vectors.size() * sizeof(float);
    rows.push_back(Beside(
        name_ + "-memory-f32", "MB, f32 rows with it",
        mb * static_cast<double>(m.index + m.tenants + f32), "the same of every tenant",
        mb * static_cast<double>(own + static_cast<size_t>(kTenantsOfVector) * f32), true));
    return absl::OkStatus();
  }

  const TenantsBenchOptions& options_;
  const Context& context_;
  const Data data_;
  const std::string name_;
  std::unique_ptr<index::TenantTree> tree_;
  std::unique_ptr<InvertedFile> shared_;
  std::vector<InvertedFile> own_;
  std::vector<std::vector<uint64_t>> allowed_;
  std::vector<std::vector<std::vector<Scored>>> exact_;
};

}  // namespace

absl::Status BenchTenants(const TenantsBenchOptions& options, const Context& context,
                          std::vector<BenchRow>& rows) {
  WEIR_ASSIGN_OR_RETURN(Data data, MakeData(options));
  return Bench(options, context, std::move(data)).Run(rows);
}

}  // namespace weir::cli
