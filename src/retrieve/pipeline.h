// The query pipeline: analyse, fetch (lexical, dense, sparse, multi-vector), fuse, deduplicate,
// rerank, spread. Stages are registered techniques (kind RetrievalStage); a mode names a list of
// them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "base/registry.h"
#include "index/store.h"
#include "text/ports.h"
#include "text/records.h"

namespace weir::retrieve {

// How many each index returns and how they become one list.
struct FusionOptions {
  std::string fusion = "convex";
  std::vector<std::string> kinds = {};
  int64_t fetch = 100;
  template <class V>
  void Visit(V& v) {
    v(fusion, {.name = "fusion",
               .help = "How the scores of a hybrid search are fused.",
               .choices = {"convex", "rrf"}});
    v(kinds,
      {.name = "fuse",
       .help = "What a hybrid search fuses, of bm25, dense, sparse, multi and, for the vectors "
               "of an encoder beside the store's own, dense@NAME; with a weight "
               "as dense:2 where they are not to weigh alike. Empty: all that the "
               "store has; where an evaluation makes its store, bm25 and dense."});
    v(fetch, {.name = "fetch",
              .help = "How many candidates each index returns.",
              .unit = "passages",
              .min = 1,
              .max = 10000});
  }
};

struct SparseOptions {
  std::string search = "exact";
  std::string queries = "encoder";
  // Whether queries are their words alone, so that no model runs.
  bool by_words() const { return queries != "encoder"; }
  template <class V>
  void Visit(V& v) {
    v(queries,
      {.name = "sparse-queries",
       .help = "What weighs a sparse query's terms: the encoder; or, without any model, their "
               "rarity in the store (words) or nothing (equal-words).",
       .choices = {"encoder", "words", "equal-words"}});
    v(search,
      {.name = "sparse-search",
       .help = "Whether sparse search finds the best passages for certain, or nearly always "
               "and faster.",
       .choices = {"exact", "approximate"}});
  }
};

// What happens to the first candidates once they are found.
struct RerankOptions {
  std::string rerank = "none";
  int64_t depth = 30;
  double weight = 0.5;
  double mmr = 1;
  template <class V>
  void Visit(V& v) {
    v(rerank, {.name = "rerank",
               .help = "Reread the first candidates together with the question: cross (a small "
                       "BERT) or likelihood (a language model).",
               .choices = {"none", "cross", "likelihood"}});
    v(depth, {.name = "rerank-depth",
              .help = "How many candidates are reread.",
              .unit = "passages",
              .min = 1,
              .max = 1000});
    v(weight, {.name = "rerank-weight",
               .help = "Weight of the new score; the rest is the old one's.",
               .min = 0,
               .max = 1});
    v(mmr, {.name = "mmr",
            .help = "Below 1, passages that differ from better ones come earlier; the weight of a "
                    "passage's score against its likeness to them.",
            .min = 0,
            .max = 1});
  }
  bool rereads() const { return rerank != "none"; }
  bool spreads() const { return mmr < 1; }
};

struct SearchOptions {
  std::string mode = "hybrid";
  FusionOptions fuse = {};
  SparseOptions sparse = {};
  index::MultiSearchOptions multi = {};
  RerankOptions rerank = {};
  int64_t top_k = 10;
  bool dedupe = true;
  std::string tenant = {};  // "": everything, also documents that no tenant was granted
  std::string where = {};   // "": no filter; see docs/filters.md
  std::string where_statistics = "store";
  // Whether + and - before words filter (index/lexical/query.h): for what people type as a query,
  // not for questions and claims in prose.
  bool signs = false;
  index::ScopeRequest scope() const {
    return {tenant, where, where_statistics == "subset"};
  }
  // Candidates that the last stages may still reorder.
  int64_t kept() const {
    return rerank.rereads() || rerank.spreads() ? std::max(top_k, rerank.depth) : top_k;
  }
  template <class V>
  void Visit(V& v) {
    v(mode, {.name = "mode",
             .help = "How passages are fetched.",
             .choices = {"lexical", "bm25", "dense", "sparse", "multi", "multivector", "hybrid"}});
    fuse.Visit(v);
    sparse.Visit(v);
    multi.Visit(v);
    rerank.Visit(v);
    v(top_k,
      {.name = "top-k", .help = "How many hits to return.", .unit = "hits", .min = 1, .max = 1000});
    v(dedupe, {.name = "dedupe", .help = "Drop passages that repeat a better one."});
    v(tenant,
      {.name = "tenant",
       .help = "Search as this tenant: its documents alone are found, counted and scored."});
    v(where, {.name = "where",
              .help = "Search documents whose fields pass this test alone, as in \"author ~ knuth "
                      "and year in (1968, 1970..1973)\"; weir fields lists what there is."});
    v(where_statistics,
      {.name = "where-statistics",
       .help = "Whose frequencies of words count with --where: those of all documents, or of the "
               "ones that pass.",
       .choices = {"store", "subset"}});
  }
};

// Which encoders a mode or pipeline needs. kInvalidArgument for an unknown one, or an unknown kind.
struct ModeNeeds {
  bool dense = false, sparse = false, multi = false;
  std::vector<std::string> beside = {};  // names of encoders beside the store's own
};
// Before such a name in a kind of search.
inline constexpr std::string_view kDenseOf = "dense@";
absl::StatusOr<ModeNeeds> NeedsOf(std::string_view mode, const FusionOptions& fuse);

// Borrowed; those that no mode needs may be null.
struct Encoders {
  Encoders(const text::Encoder* dense = nullptr,  // NOLINT: a dense one alone is the usual case
           const text::SparseEncoder* sparse = nullptr,
           const text::TokenEncoder* tokens = nullptr)
      : dense(dense), sparse(sparse), tokens(tokens) {}
  const text::Encoder* dense;
  const text::SparseEncoder* sparse;
  const text::TokenEncoder* tokens;
  std::vector<const text::Encoder*> beside = {};  // dense ones that stand beside the store's own
  // Of queries by words; null: that of `sparse`.
  const text::TermVocabulary* vocabulary = nullptr;
  const text::PairScorer* scorer = nullptr;  // of --rerank cross
  text::Completer* completer = nullptr;      // of --rerank likelihood
};

class Pipeline {
 public:
  virtual ~Pipeline() = default;
  // Store, encoders and registry must outlive the pipeline.
  static absl::StatusOr<std::unique_ptr<Pipeline>> Make(const index::Store& store,
                                                        Encoders encoders,
                                                        const SearchOptions& options,
                                                        const Registry& registry);
  virtual absl::StatusOr<std::vector<text::Hit>> Search(std::string_view query,
                                                        const Context& context) const = 0;
};

}  // namespace weir::retrieve
