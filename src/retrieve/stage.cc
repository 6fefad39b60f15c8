#include "retrieve/stage.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "index/lexical/bm25.h"

namespace weir::retrieve {
namespace {

// The query's terms, each once: a question that says a word twice does not mean it twice.
absl::Status TermsOfWords(Query& query, const Resources& resources) {
  std::vector<int32_t> terms = resources.vocabulary->Words(query.text);
  std::sort(terms.begin(), terms.end());
  terms.erase(std::unique(terms.begin(), terms.end()), terms.end());
  if (!terms.empty() && terms[0] < 0) terms.erase(terms.begin());  // what it does not know
  const bool by_rarity = resources.options.sparse.queries == "words";
  index::SparseFrequencies frequencies;
  if (by_rarity) {
    WEIR_ASSIGN_OR_RETURN(frequencies, resources.store.CountSparse(terms, resources.scope));
  }
  for (size_t i = 0; i < terms.size(); ++i) {
    float weight = 1;
    if (by_rarity) {
      if (frequencies.of_terms[i] == 0) continue;  // would only coarsen the others' 7 bits
      weight = static_cast<float>(
          index::Bm25Idf(frequencies.passages, frequencies.of_terms[i]));
    }
    query.terms.push_back({terms[i], weight});
  }
  return absl::OkStatus();
}

}  // namespace

Candidate& Query::At(int64_t passage) {
  auto [it, fresh] = index_.try_emplace(passage, candidates.size());
  if (fresh) candidates.push_back({.passage = passage});
  return candidates[it->second];
}

void Query::Add(std::span<const index::Scored> found, const std::string& kind) {
  for (const index::Scored& hit : found) {
    Candidate& candidate = At(hit.passage);
    candidate.scores[kind] = hit.score;
    candidate.score = hit.score;
  }
}

void Query::Sort() {
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return a.score != b.score ? a.score > b.score : a.passage < b.passage;
  });
  index_.clear();
  for (size_t i = 0; i < candidates.size(); ++i) index_[candidates[i].passage] = i;
}

absl::Status EnsureVector(Query& query, const Resources& resources, const Context& context) {
  if (!query.vector.empty()) return absl::OkStatus();
  if (resources.encoder == nullptr || !resources.store.has_vectors()) {
    return absl::FailedPreconditionError(
        "dense search: the store has no vectors or no encoder is loaded; index with an encoder, or "
        "search with --mode lexical");
  }
  query.vector.resize(resources.encoder->dimensions());
  const std::string_view text = query.text;
  return resources.encoder->Encode({&text, 1}, text::EncodeAs::kQuery,
                                   std::span<float>(query.vector), context);
}

absl::StatusOr<std::span<const float>> VectorOf(const std::string& encoder, Query& query,
                                                const Resources& resources,
                                                const Context& context) {
  if (encoder.empty()) {
    WEIR_RETURN_IF_ERROR(EnsureVector(query, resources, context));
    return std::span<const float>(query.vector);
  }
  std::vector<float>& vector = query.vectors_beside[encoder];
  if (!vector.empty()) return std::span<const float>(vector);
  for (const text::Encoder* const each : resources.beside) {
    if (each->name() != encoder) continue;
    std::vector<float> made(static_cast<size_t>(each->dimensions()));
    const std::string_view text = query.text;
    WEIR_RETURN_IF_ERROR(each->Encode({&text, 1}, text::EncodeAs::kQuery, made, context));
    vector = std::move(made);
    return std::span<const float>(vector);
  }
  return absl::FailedPreconditionError(
      absl::StrCat("dense search: encoder ", encoder, " is not loaded"));
}

absl::Status EnsureTerms(Query& query, const Resources& resources, const Context& context) {
  if (!query.terms.empty()) return absl::OkStatus();
  const bool words = resources.options.sparse.by_words();
  const bool loaded = words ? resources.vocabulary != nullptr : resources.sparse_encoder != nullptr;
  if (!loaded || !resources.store.has_sparse_vectors()) {
    return absl::FailedPreconditionError(
        "sparse search: the store has no sparse vectors or no sparse encoder is loaded; index with "
        "--sparse, or search with --mode lexical");
  }
  if (words) return TermsOfWords(query, resources);
  const std::string_view text = query.text;
  return resources.sparse_encoder->Encode({&text, 1}, text::EncodeAs::kQuery, {&query.terms, 1},
                                          context);
}

absl::Status EnsureTokens(Query& query, const Resources& resources, const Context& context) {
  if (!query.tokens.empty()) return absl::OkStatus();
  if (resources.token_encoder == nullptr || !resources.store.has_multi_vectors()) {
    return absl::FailedPreconditionError(
        "multi-vector search: the store has no token vectors or no encoder is loaded; index with "
        "--multivector, or search with --mode lexical");
  }
  const std::string_view text = query.text;
  return resources.token_encoder->Encode({&text, 1}, text::EncodeAs::kQuery, {&query.tokens, 1},
                                         context);
}

}  // namespace weir::retrieve
