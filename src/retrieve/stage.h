// One step of the query pipeline. Fetching stages add candidates, fusing stages set their final
// score, later stages drop or reorder them. Stages are registered techniques of kind
// RetrievalStage.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/context.h"
#include "index/store.h"
#include "retrieve/pipeline.h"
#include "text/ports.h"

namespace weir::retrieve {

struct Candidate {
  int64_t passage = -1;
  double score = 0;                      // what the list is ordered by
  std::map<std::string, double> scores;  // by stage, for --explain
};

// The query on its way through the stages. Candidates are unique by passage.
struct Query {
  std::string text;   // for those who read meaning: encoders, rerankers
  std::string words;  // for search by words, with the signs that filter
  std::vector<float> vector;  // filled by the first stage that needs it
  text::SparseVector terms;   // likewise
  text::TokenVectors tokens;  // likewise
  std::map<std::string, std::vector<float>> vectors_beside;  // likewise, by encoder
  std::vector<Candidate> candidates;

  // The candidate of `passage`, made if it is new.
  // One list that a search of one kind found.
  void Add(std::span<const index::Scored> found, const std::string& kind);
  Candidate& At(int64_t passage);
  // Orders by (score descending, passage ascending): the one order of the room.
  void Sort();

 private:
  absl::flat_hash_map<int64_t, size_t> index_;
};

class RetrievalStage;

// A kind of search among those that are fused.
struct FusedKind {
  std::string name;  // of its stage and of its scores
  double weight = 0;
  const RetrievalStage* stage = nullptr;
};

// What stages may use; borrowed.
struct Resources {
  const index::Store& store;
  const text::Encoder* encoder = nullptr;
  const SearchOptions& options;
  const text::SparseEncoder* sparse_encoder = nullptr;
  const text::TermVocabulary* vocabulary = nullptr;  // of queries by words
  const text::TokenEncoder* token_encoder = nullptr;
  const text::PairScorer* scorer = nullptr;
  text::Completer* completer = nullptr;
  const index::Scope* scope = nullptr;  // that the query is asked in; null: everything
  std::span<const text::Encoder* const> beside = {};  // of the vectors beside the store's own
  std::span<const FusedKind> fused = {};  // what a fusing stage fuses; weights sum to 1
};

class RetrievalStage {
 public:
  virtual ~RetrievalStage() = default;
  virtual absl::Status Run(Query& query, const Resources& resources,
                           const Context& context) const = 0;
  // Of a stage that fetches: its score of these passages, for fusion to compare what another one
  // fetched; 0 for one that it has nothing of.
  virtual absl::StatusOr<std::vector<double>> Score(std::span<const int64_t> passages,
                                                    Query& query, const Resources& resources,
                                                    const Context& context) const {
    return absl::UnimplementedError("this stage fetches nothing");
  }
};

// Encodes the query once. kFailedPrecondition when the store has no vectors or no encoder was
// given.
absl::Status EnsureVector(Query& query, const Resources& resources, const Context& context);
// The query's vector by an encoder beside the store's own, or by that where the name is "".
absl::StatusOr<std::span<const float>> VectorOf(const std::string& encoder, Query& query,
                                                const Resources& resources,
                                                const Context& context);
// The same for its weighted terms: by the encoder, or by its words and the vocabulary alone
// (SparseOptions::queries). A query of no word that the vocabulary knows has none.
absl::Status EnsureTerms(Query& query, const Resources& resources, const Context& context);
// The same for the vectors of its tokens.
absl::Status EnsureTokens(Query& query, const Resources& resources, const Context& context);

}  // namespace weir::retrieve
