// For tests only: a store beside the model of its generation. What is exact by contract must be
// equal in order and to the last bit (BM25, sparse), what is summed in another order or kept in
// codes must be as near as that allows (dense, multi).
#pragma once

#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "index/model/store_model.h"

namespace weir::index {

// One generation of a model with what searches of it need. Thread-safe.
class ModelView {
 public:
  struct Live {
    int64_t document;
    const std::string* path;
    const ModelPassage* passage;
  };
  explicit ModelView(Model model) : model_(std::move(model)) {
    for (const auto& [path, document] : model_.documents) {
      for (size_t i = 0; i < document.content->passages.size(); ++i) {
        live_[document.first_passage + static_cast<int64_t>(i)] = {
            document.id, &path, &document.content->passages[i]};
      }
    }
  }
  const Model& model() const { return model_; }
  const std::map<int64_t, Live>& live() const { return live_; }  // by passage

  // Of a tenant, or with "" all. What is granted to one that is unknown is nothing.
  std::set<int64_t> Visible(const std::string& tenant) const {
    if (tenant.empty()) return model_.Passages();
    std::set<int64_t> ids;
    const auto grants = model_.grants.find(tenant);
    if (grants == model_.grants.end()) return ids;
    for (const auto& [id, live] : live_) {
      if (grants->second.contains(*live.path)) ids.insert(id);
    }
    return ids;
  }
  // Made when first asked for.
  const NaiveIndex& Index(const std::string& tenant) const {
    std::lock_guard lock(mutex_);
    std::unique_ptr<NaiveIndex>& index = indexes_[tenant];
    if (index == nullptr) {
      index = std::make_unique<NaiveIndex>();
      for (const int64_t id : Visible(tenant)) index->Add(id, live_.at(id).passage->terms);
    }
    return *index;
  }

 private:
  const Model model_;
  std::map<int64_t, Live> live_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::unique_ptr<NaiveIndex>> indexes_;
};

inline constexpr double kNear = 0.1;

struct Compared {
  int64_t searches = 0, hits = 0;
  int64_t wanted = 0, found = 0;  // of searches that may miss a hit
  int64_t near = 0;               // of the hits: with the score they should have, to kNear
  void Add(const Compared& other) {
    searches += other.searches;
    hits += other.hits;
    wanted += other.wanted;
    found += other.found;
    near += other.near;
  }
};

// Not thread-safe; the functions return "" or what differs.
class Comparer {
 public:
  // `thorough`: of a store that nobody writes to, every document and passage and the failures, too;
  // else some of them.
  explicit Comparer(uint64_t seed, bool thorough = false)
      : random_(seed), thorough_(thorough), analyzer_(*text::Analyzer::Make("english")) {}

  // Counts, lists, texts and grants.
  std::string Contents(const Store& store, const ModelView& view);
  // One search of each kind, over everything and as a tenant sees it.
  std::string Searches(const Store& store, const ModelView& view);
  // The lexical search of a generation that is one of `views`.
  std::string LexicalOfOne(const Store& store,
                           const std::function<std::vector<std::shared_ptr<const ModelView>>(
                               int64_t first, int64_t last)>& views);

  const Compared& compared() const { return compared_; }

 private:
  using Expected = std::vector<std::pair<int64_t, double>>;  // passage, score

  std::string Query();
  bool Sampled(uint64_t one_of) { return thorough_ || random_() % one_of == 0; }
  int64_t K() {
    constexpr int64_t kSizes[] = {1, 3, 10, 1000};
    return kSizes[random_() % 4];
  }
  std::string Status(const StoreStatus& status, const ModelView& view) const;
  std::string Tenants(const Store& store, const ModelView& view) const;
  std::string Texts(const Store& store, const ModelView& view);
  std::string Vectors(const Store& store, const ModelView& view);
  std::string Lexical(const Store& store, const ModelView& view, const std::string& tenant,
                      const Scope* scope);
  std::string Dense(const Store& store, const ModelView& view, const std::string& tenant,
                    const Scope* scope);
  std::string Sparse(const Store& store, const ModelView& view, const std::string& tenant,
                     const Scope* scope);
  std::string Multi(const Store& store, const ModelView& view, const std::string& tenant,
                    const Scope* scope);
  // Hits as they must be, with scores off by `tolerance` at most; `whole`: none may be missing.
  std::string Near(const absl::StatusOr<std::vector<Scored>>& hits, const Expected& expected,
                   int64_t k, double tolerance, bool whole);
  std::string Same(const absl::StatusOr<std::vector<Scored>>& hits,
                   const std::vector<Scored>& expected);
  std::string Passage(const Store& store, const ModelView& view, int64_t id) const;

  const ModelEncoders encoders_;
  std::mt19937_64 random_;
  const bool thorough_;
  std::unique_ptr<text::Analyzer> analyzer_;
  Compared compared_;
};

inline std::string Shown(const std::vector<Scored>& hits) {
  return absl::StrCat("[", absl::StrJoin(hits, " ", [](std::string* out, const Scored& hit) {
                        absl::StrAppend(out, hit.passage, ":", hit.score);
                      }), "]");
}

inline std::string Comparer::Query() {
  std::string query;
  for (size_t i = 0, n = 1 + random_() % 5; i < n; ++i) {
    const std::string word = Script::Word(random_);
    switch (random_() % 8) {
      case 0: absl::StrAppend(&query, "\"", word, " ", Script::Word(random_), "\" "); break;
      case 1: absl::StrAppend(&query, "+", word, " "); break;
      case 2: absl::StrAppend(&query, "-", word, " "); break;
      default: absl::StrAppend(&query, word, " ");
    }
  }
  return query;
}

inline std::string Comparer::Same(const absl::StatusOr<std::vector<Scored>>& hits,
                                  const std::vector<Scored>& expected) {
  if (!hits.ok()) return hits.status().ToString();
  ++compared_.searches;
  compared_.hits += static_cast<int64_t>(expected.size());
  compared_.near += static_cast<int64_t>(expected.size());
  const bool same = std::equal(hits->begin(), hits->end(), expected.begin(), expected.end(),
                               [](const Scored& a, const Scored& b) {
                                 return a.passage == b.passage && a.score == b.score;
                               });
  return same ? "" : absl::StrCat("found ", Shown(*hits), "; expected ", Shown(expected));
}

inline std::string Comparer::Near(const absl::StatusOr<std::vector<Scored>>& hits,
                                  const Expected& expected, int64_t k, double tolerance,
                                  bool whole) {
  // A store all of whose vectors are deleted may have none.
  if (expected.empty() && (absl::IsNotFound(hits.status()) || (hits.ok() && hits->empty())))
    return "";
  if (!hits.ok()) return hits.status().ToString();
  ++compared_.searches;
  compared_.hits += static_cast<int64_t>(hits->size());
  const std::map<int64_t, double> scores(expected.begin(), expected.end());
  std::vector<double> best;
  for (const auto& [passage, score] : expected) best.push_back(score);
  std::sort(best.rbegin(), best.rend());
  const size_t n = std::min(static_cast<size_t>(k), best.size());
  if (hits->size() != n) return absl::StrCat(hits->size(), " hits; expected ", n);
  for (size_t i = 0; i < n; ++i) {
    const Scored& hit = (*hits)[i];
    const auto at = scores.find(hit.passage);
    if (at == scores.end()) return absl::StrCat("found passage ", hit.passage, ", which is hidden");
    const double off = std::abs(hit.score - at->second);
    compared_.near += off <= kNear;
    if (!(off <= tolerance)) {
      return absl::StrCat("passage ", hit.passage, " scores ", hit.score, "; expected ",
                          at->second);
    }
    if (i > 0 && !Better((*hits)[i - 1], hit)) return absl::StrCat("order of ", Shown(*hits));
    const bool good = at->second >= best[n - 1] - 2 * tolerance;
    if (whole && !good) return absl::StrCat("passage ", hit.passage, " is not of the best ", n);
    compared_.wanted += !whole;
    compared_.found += !whole && good;
  }
  return "";
}

inline std::string Comparer::Lexical(const Store& store, const ModelView& view,
                                     const std::string& tenant, const Scope* scope) {
  const std::string query = Query();
  const int64_t k = K();
  const std::vector<Scored> expected =
      view.Index(tenant).Search(ParseLexicalQuery(query, *analyzer_), k, {});
  const std::string wrong = Same(store.SearchLexical(query, k, {}, scope), expected);
  if (!wrong.empty()) return absl::StrCat("lexical \"", query, "\" of ", k, ": ", wrong);
  if (expected.empty()) return "";
  const Scored& one = expected[random_() % expected.size()];
  const auto terms = store.ExplainLexical(query, one.passage, scope);
  if (!terms.ok()) return terms.status().ToString();
  double sum = 0;
  for (const TermScore& term : *terms) sum += term.score;
  if (std::abs(sum - one.score) > 1e-5)
    return absl::StrCat("explained ", sum, " of passage ", one.passage, ":", one.score);
  // A filter takes hits away and leaves scores as they are.
  if (scope == nullptr) {
    std::vector<int64_t> some;
    for (const auto& [id, live] : view.live()) {
      if (random_() % 3 == 0) some.push_back(id);
    }
    const Scope filter(PassageSet(some), Scope::Counts::kStore);
    std::vector<Scored> left =
        view.Index("").Search(ParseLexicalQuery(query, *analyzer_), 1 << 30, {});
    std::erase_if(left, [&](const Scored& hit) { return !filter.allowed().Contains(hit.passage); });
    if (left.size() > static_cast<size_t>(k)) left.resize(static_cast<size_t>(k));
    const std::string filtered = Same(store.SearchLexical(query, k, {}, &filter), left);
    if (!filtered.empty()) return absl::StrCat("filtered \"", query, "\": ", filtered);
  }
  return Passage(store, view, one.passage);
}

inline std::string Comparer::Dense(const Store& store, const ModelView& view,
                                   const std::string& tenant, const Scope* scope) {
  const Model::Vectors& vectors = view.model().vectors[kDense];
  if (vectors.encoder < 0) return store.has_vectors() ? "vectors that nobody made" : "";
  const auto encoder = static_cast<size_t>(vectors.encoder);
  const std::vector<float> query = encoders_.dense[encoder].One(Query());
  Expected expected;
  for (const int64_t id : view.Visible(tenant)) {
    if (!vectors.passages.contains(id)) continue;
    double sum = 0;
    const std::vector<float>& v = view.live().at(id).passage->dense[encoder];
    for (size_t i = 0; i < v.size(); ++i) sum += double{query[i]} * double{v[i]};
    expected.emplace_back(id, sum);
  }
  constexpr double kRounding = 1e-5;
  for (const Effort effort : {Effort::kExact, Effort::kNormal}) {
    const int64_t k = K();
    auto hits = store.SearchDenseMany(query, 1, k, {.effort = effort}, {}, scope);
    auto one = hits.ok() ? absl::StatusOr<std::vector<Scored>>(std::move((*hits)[0]))
                         : absl::StatusOr<std::vector<Scored>>(hits.status());
    const std::string wrong = Near(one, expected, k, kRounding, effort == Effort::kExact);
    if (!wrong.empty()) return absl::StrCat("dense of ", k, ": ", wrong);
  }
  return "";
}

inline std::string Comparer::Sparse(const Store& store, const ModelView& view,
                                    const std::string& tenant, const Scope* scope) {
  const Model::Vectors& vectors = view.model().vectors[kSparse];
  if (vectors.encoder < 0) return store.has_sparse_vectors() ? "sparse vectors of nobody" : "";
  const auto encoder = static_cast<size_t>(vectors.encoder);
  const text::SparseVector terms = encoders_.sparse[encoder].One(Query());
  const SparseQuery query = *MakeSparseQuery(terms, encoders_.sparse[encoder].vocabulary());
  std::vector<Scored> expected;
  for (const int64_t id : view.Visible(tenant)) {
    if (!vectors.passages.contains(id)) continue;
    uint32_t sum = 0;
    for (const text::TermWeight& t : view.live().at(id).passage->sparse[encoder]) {
      const auto impact =
          static_cast<uint32_t>(std::min(std::round(t.weight * kImpactSteps), 255.0f));
      for (const SparseQuery::Term& q : query.terms) {
        if (q.term == t.term) sum += q.weight * impact;
      }
    }
    if (sum > 0) expected.push_back({id, static_cast<float>(sum) * (query.step / kImpactSteps)});
  }
  std::sort(expected.begin(), expected.end(), Better);
  const int64_t k = K();
  auto hits = store.SearchSparse(terms, k, {}, {}, scope);
  if (absl::IsNotFound(hits.status()) && vectors.passages.empty()) return "";
  const Expected all = [&] {
    Expected out;
    for (const Scored& hit : expected) out.emplace_back(hit.passage, hit.score);
    return out;
  }();
  if (expected.size() > static_cast<size_t>(k)) expected.resize(static_cast<size_t>(k));
  const std::string wrong = Same(hits, expected);
  if (!wrong.empty()) return absl::StrCat("sparse of ", k, ": ", wrong);
  // The approximate search may leave some out; what it scores is exact.
  hits = store.SearchSparse(terms, k, {.exact = false}, {}, scope);
  if (!hits.ok()) return hits.status().ToString();
  ++compared_.searches;
  const std::map<int64_t, double> scores(all.begin(), all.end());
  for (size_t i = 0; i < hits->size(); ++i) {
    const Scored& hit = (*hits)[i];
    const auto at = scores.find(hit.passage);
    if (at == scores.end() || at->second != hit.score || (i > 0 && !Better((*hits)[i - 1], hit)))
      return absl::StrCat("approximate sparse of ", k, ": ", Shown(*hits));
  }
  return "";
}

inline std::string Comparer::Multi(const Store& store, const ModelView& view,
                                   const std::string& tenant, const Scope* scope) {
  const Model::Vectors& vectors = view.model().vectors[kMulti];
  if (vectors.encoder < 0) return store.has_multi_vectors() ? "token vectors of nobody" : "";
  const auto encoder = static_cast<size_t>(vectors.encoder);
  const auto d = static_cast<size_t>(encoders_.tokens[encoder].dimensions());
  const text::TokenVectors query =
      encoders_.tokens[encoder].One(absl::StrCat(Script::Word(random_), " ",
                                                 Script::Word(random_)));
  Expected expected;
  for (const int64_t id : view.Visible(tenant)) {
    const text::TokenVectors& tokens = view.live().at(id).passage->tokens[encoder];
    if (!vectors.passages.contains(id) || tokens.empty()) continue;
    double score = 0;
    for (size_t q = 0; q < query.size(); q += d) {
      double most = -2;
      for (size_t t = 0; t < tokens.size(); t += d) {
        double dot = 0;
        for (size_t i = 0; i < d; ++i) dot += double{query[q + i]} * double{tokens[t + i]};
        most = std::max(most, dot);
      }
      score += most;
    }
    expected.emplace_back(id, score);
  }
  // A segment's codes stand for the tokens that it was made of: after merges of small ones the
  // score of a rare word may be this far off. Most are near (kNear).
  constexpr double kCodes = 2;
  const int64_t k = K();
  const std::string wrong = Near(store.SearchMulti(query, k, {.candidates = 0}, {}, scope),
                                 expected, k, kCodes, /*whole=*/true);
  return wrong.empty() ? "" : absl::StrCat("multi of ", k, ": ", wrong);
}

inline std::string Comparer::Searches(const Store& store, const ModelView& view) {
  constexpr const char* kTenants[] = {"", "anna", "bob", "carol", "nobody"};
  const std::string tenant = kTenants[random_() % 5];
  std::shared_ptr<const Scope> scope;
  if (!tenant.empty()) {
    auto made = store.TenantScope(tenant);
    if (!made.ok()) return made.status().ToString();
    scope = *made;
    const std::set<int64_t> visible = view.Visible(tenant);
    if (!std::equal(visible.begin(), visible.end(), scope->allowed().ids().begin(),
                    scope->allowed().ids().end())) {
      return absl::StrCat("tenant ", tenant, " sees ", scope->allowed().ids().size(),
                          " passages; expected ", visible.size());
    }
  }
  for (auto search : {&Comparer::Lexical, &Comparer::Dense, &Comparer::Sparse, &Comparer::Multi}) {
    const std::string wrong = (this->*search)(store, view, tenant, scope.get());
    if (!wrong.empty()) return absl::StrCat("tenant \"", tenant, "\": ", wrong);
  }
  return "";
}

inline std::string Comparer::LexicalOfOne(
    const Store& store, const std::function<std::vector<std::shared_ptr<const ModelView>>(
                            int64_t first, int64_t last)>& views) {
  const std::string query = Query();
  const int64_t k = K(), first = store.Status()->generation;
  const auto hits = store.SearchLexical(query, k, {});
  const int64_t last = store.Status()->generation;
  std::string wrong;
  for (const auto& view : views(first, last)) {
    const std::vector<Scored> expected =
        view->Index("").Search(ParseLexicalQuery(query, *analyzer_), k, {});
    wrong = Same(hits, expected);
    if (wrong.empty()) return "";
  }
  return absl::StrCat("generations ", first, " to ", last, ", \"", query, "\": ", wrong);
}

inline std::string Comparer::Passage(const Store& store, const ModelView& view, int64_t id) const {
  const auto passage = store.GetPassage(id);
  if (!passage.ok()) return passage.status().ToString();
  const ModelView::Live& live = view.live().at(id);
  const auto document = store.GetDocument(passage->document);
  if (!document.ok()) return document.status().ToString();
  const bool same = passage->id == id && passage->document == live.document &&
                    passage->text == live.passage->text &&
                    passage->heading == live.passage->heading &&
                    passage->span.start == live.passage->span.start &&
                    passage->span.end == live.passage->span.end && document->path == *live.path;
  return same ? "" : absl::StrCat("passage ", id, " is \"", passage->text, "\" of ",
                                  document->path, "; expected \"", live.passage->text, "\" of ",
                                  *live.path);
}

inline std::string Comparer::Status(const StoreStatus& status, const ModelView& view) const {
  const Model& model = view.model();
  const auto passages = static_cast<int64_t>(view.live().size());
  const auto pending = [&](Modality modality) {
    return passages - static_cast<int64_t>(model.vectors[modality].passages.size());
  };
  const auto line = [](int64_t documents, int64_t all, int64_t dense, int64_t sparse,
                       int64_t multi, auto... names) {
    return absl::StrCat(documents, " documents, ", all, " passages, pending ", dense, " ", sparse,
                        " ", multi, ", encoders ",
                        absl::StrJoin(std::initializer_list<std::string>{names...}, " "));
  };
  std::string got =
      line(status.documents, status.passages, status.pending, status.sparse_pending,
           status.multi_pending, status.encoder, status.sparse_encoder, status.multi_encoder);
  for (const StoreStatus::Encoder& one : status.encoders_beside)
    absl::StrAppend(&got, ", beside ", one.name, " ", one.pending);
  std::string want = line(
      static_cast<int64_t>(model.documents.size()), passages, pending(kDense),
      model.vectors[kSparse].encoder < 0 ? 0 : pending(kSparse),
      model.vectors[kMulti].encoder < 0 ? 0 : pending(kMulti),
      encoders_.Name(kDense, model.vectors[kDense].encoder),
      encoders_.Name(kSparse, model.vectors[kSparse].encoder),
      encoders_.Name(kMulti, model.vectors[kMulti].encoder));
  for (const auto& [encoder, done] : model.vectors[kDense].beside) {
    absl::StrAppend(&want, ", beside ", encoders_.Name(kDense, encoder), " ",
                    passages - static_cast<int64_t>(done.size()));
  }
  return got == want ? "" : absl::StrCat(got, "; expected ", want);
}

inline std::string Comparer::Tenants(const Store& store, const ModelView& view) const {
  const Model& model = view.model();
  const auto tenants = store.Tenants();
  if (!tenants.ok()) return tenants.status().ToString();
  if (tenants->size() != model.grants.size())
    return absl::StrCat(tenants->size(), " tenants; expected ", model.grants.size());
  auto at = tenants->begin();
  for (const auto& [name, grants] : model.grants) {
    const TenantStatus& status = *at++;
    std::vector<std::string> paths;
    int64_t passages = 0, owned = 0;
    for (const auto& [path, owner] : grants) {
      paths.push_back(path);
      owned += owner;
      passages += static_cast<int64_t>(model.documents.at(path).content->passages.size());
    }
    const auto granted = store.Paths(name);
    if (!granted.ok()) return granted.status().ToString();
    if (status.name != name || *granted != paths || status.owned != owned ||
        status.documents != static_cast<int64_t>(paths.size()) || status.passages != passages) {
      return absl::StrCat("tenant ", status.name, " has ", absl::StrJoin(*granted, " "), ", ",
                          status.passages, " passages, owns ", status.owned, "; expected ", name,
                          " with ", absl::StrJoin(paths, " "), ", ", passages, ", ", owned);
    }
  }
  return "";
}

inline std::string Comparer::Texts(const Store& store, const ModelView& view) {
  const Model& model = view.model();
  std::vector<std::string> paths;
  for (const auto& [path, document] : model.documents) {
    paths.push_back(path);
    if (!Sampled(4)) continue;
    const auto id = store.FindDocument(path);
    const auto text = id.ok() ? store.GetText(*id) : id.status();
    if (!text.ok()) return text.status().ToString();
    if (*id != document.id || *text != document.content->text)
      return absl::StrCat(path, " has another text");
    if (!store.IsCurrent(path, document.content->sha256))
      return absl::StrCat(path, " is not current");
  }
  const auto got = store.Paths();
  if (!got.ok()) return got.status().ToString();
  if (*got != paths) {
    return absl::StrCat("documents ", absl::StrJoin(*got, " "), "; expected ",
                        absl::StrJoin(paths, " "));
  }
  std::vector<int64_t> ids;
  for (const auto& [id, live] : view.live()) {
    ids.push_back(id);
    if (!Sampled(8)) continue;
    const std::string wrong = Passage(store, view, id);
    if (!wrong.empty()) return wrong;
  }
  if (store.Passages() != ids) return "other passages";
  // One that was deleted, or is still to come.
  const int64_t other = static_cast<int64_t>(random_() % (model.next_passage + 3));
  if (!view.live().contains(other) && !absl::IsNotFound(store.GetPassage(other).status()))
    return absl::StrCat("passage ", other, " is there");
  return "";
}

inline std::string Comparer::Vectors(const Store& store, const ModelView& view) {
  const Model& model = view.model();
  for (const auto& [id, live] : view.live()) {
    if (!Sampled(8)) continue;
    const auto vector = store.GetVector(id);
    const bool dense = model.vectors[kDense].passages.contains(id);
    if (vector.ok() != dense) return absl::StrCat("passage ", id, ": vector ", vector.ok());
    if (dense &&
        *vector != live.passage->dense[static_cast<size_t>(model.vectors[kDense].encoder)]) {
      return absl::StrCat("passage ", id, " has another vector");
    }
    const bool sparse = model.vectors[kSparse].passages.contains(id);
    if (store.GetSparseVector(id).ok() != sparse)
      return absl::StrCat("passage ", id, ": sparse vector ", !sparse);
  }
  return "";
}

inline std::string Comparer::Contents(const Store& store, const ModelView& view) {
  const auto status = store.Status();
  if (!status.ok()) return status.status().ToString();
  std::string wrong = Status(*status, view);
  const std::map<std::string, std::string> failed(status->failed.begin(), status->failed.end());
  if (thorough_ && failed != view.model().failed) return "other failures";
  if (wrong.empty()) wrong = Tenants(store, view);
  if (wrong.empty()) wrong = Texts(store, view);
  if (wrong.empty()) wrong = Vectors(store, view);
  return wrong;
}

}  // namespace weir::index
