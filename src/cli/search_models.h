// The models that a search of a store needs, loaded by the same rules for every verb that searches.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/session.h"
#include "generate/engine.h"
#include "index/store.h"
#include "retrieve/pipeline.h"
#include "text/ports.h"

namespace weir::cli {

struct SearchModels {
  std::unique_ptr<text::Encoder> encoder;
  std::vector<std::unique_ptr<text::Encoder>> beside;  // of dense@NAME
  std::unique_ptr<text::SparseEncoder> sparse;
  std::unique_ptr<text::TermVocabulary> vocabulary;  // in place of `sparse`, for queries by words
  std::unique_ptr<text::TokenEncoder> tokens;
  std::unique_ptr<text::PairScorer> scorer;   // of --rerank cross
  std::unique_ptr<generate::Engine> engine;   // of --rerank likelihood

  retrieve::Encoders Borrow() const;
};

// What a hybrid search of the store fuses unless told: all that it has, of encoders beside its own
// those that are installed and have vectors of all passages.
absl::StatusOr<std::vector<std::string>> HybridKinds(const index::Store& store, Session& session);

// The encoders of the store's vectors that a search needs; the others are null. `wanted`: name of
// the dense one, "" for the store's. A hybrid search that does not say what it fuses
// fuses all that the store has; where that is words alone it becomes lexical, with a note.
// kFailedPrecondition when the store has no vectors of a kind that is asked for, or of the
// encoder that is wanted. The store searches that one's vectors from then on.
absl::StatusOr<SearchModels> LoadEncoders(index::Store& store, const std::string& wanted,
                                          retrieve::SearchOptions& search, Session& session);
// What `options` ask for beside them. `model`: of the likelihood, "" for the default.
absl::Status LoadRerankers(const retrieve::RerankOptions& options, std::string_view model,
                           Session& session, SearchModels& models);

}  // namespace weir::cli
