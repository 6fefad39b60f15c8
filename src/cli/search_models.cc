#include "cli/search_models.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "model/cross_encoder.h"

namespace weir::cli {
namespace {

// A query's vector means nothing among those of another model.
absl::Status CheckSame(std::string_view vectors, std::string_view name,
                       std::string_view fingerprint, std::string_view store_name,
                       std::string_view store_fingerprint) {
  if (store_name.empty()) return absl::OkStatus();
  if (name != store_name) {
    return absl::InvalidArgumentError(absl::StrCat("encoder: ", name, "; the store's ", vectors,
                                                   " are of ", store_name));
  }
  if (fingerprint == store_fingerprint) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("encoder: ", name, " is here ", fingerprint, "; the store's ", vectors,
                   " are of ", store_fingerprint, ": run weir index to make them again"));
}

absl::StatusOr<std::unique_ptr<text::Encoder>> LoadBeside(const std::string& name,
                                                          const index::StoreStatus& status,
                                                          Session& session) {
  for (const auto& beside : status.encoders_beside) {
    if (beside.name != name) continue;
    WEIR_ASSIGN_OR_RETURN(auto encoder, session.LoadEncoder(name));
    WEIR_RETURN_IF_ERROR(CheckSame("vectors", encoder->name(), encoder->fingerprint(), name,
                                   beside.fingerprint));
    return encoder;
  }
  return absl::FailedPreconditionError(
      absl::StrCat("fuse: dense@", name, ": the store has no vectors of ", name,
                   " beside its own; index with --encoder-beside ", name));
}

}  // namespace

absl::StatusOr<std::vector<std::string>> HybridKinds(const index::Store& store, Session& session) {
  std::vector<std::string> kinds = {"bm25"};
  if (store.has_vectors()) kinds.push_back("dense");
  if (store.has_sparse_vectors()) kinds.push_back("sparse");
  if (store.has_multi_vectors()) kinds.push_back("multi");
  WEIR_ASSIGN_OR_RETURN(const index::StoreStatus status, store.Status());
  for (const auto& beside : status.encoders_beside) {
    if (beside.pending == 0 && session.FindEncoder(beside.name).ok())
      kinds.push_back(absl::StrCat(retrieve::kDenseOf, beside.name));
  }
  return kinds;
}

retrieve::Encoders SearchModels::Borrow() const {
  retrieve::Encoders all{encoder.get(), sparse.get(), tokens.get()};
  for (const auto& each : beside) all.beside.push_back(each.get());
  all.vocabulary = vocabulary.get();
  all.scorer = scorer.get();
  all.completer = engine.get();
  return all;
}

absl::StatusOr<SearchModels> LoadEncoders(index::Store& store, const std::string& wanted,
                                          retrieve::SearchOptions& search, Session& session) {
  SearchModels models;
  if (search.mode == "hybrid" && search.fuse.kinds.empty()) {
    WEIR_ASSIGN_OR_RETURN(search.fuse.kinds, HybridKinds(store, session));
    // Who names an encoder wants that one's vectors alone.
    if (!wanted.empty()) {
      std::erase_if(search.fuse.kinds,
                    [](const std::string& kind) { return kind.starts_with(retrieve::kDenseOf); });
    }
    if (search.fuse.kinds.size() == 1) {
      session.Note("the store has no vectors yet; searching by words alone (--mode lexical)");
      search.mode = "lexical";
    }
  }
  WEIR_ASSIGN_OR_RETURN(const retrieve::ModeNeeds needs,
                        retrieve::NeedsOf(search.mode, search.fuse));
  WEIR_ASSIGN_OR_RETURN(index::StoreStatus status, store.Status());
  if (needs.dense) {
    WEIR_ASSIGN_OR_RETURN(models.encoder,
                          session.LoadEncoder(wanted.empty() ? status.encoder : wanted));
    if (!status.encoder.empty() && models.encoder->name() != status.encoder) {
      WEIR_RETURN_IF_ERROR(store.SetQueryEncoder(models.encoder->name()));
      WEIR_ASSIGN_OR_RETURN(status, store.Status());
    }
    WEIR_RETURN_IF_ERROR(CheckSame("vectors", models.encoder->name(),
                                   models.encoder->fingerprint(), status.encoder,
                                   status.encoder_fingerprint));
  }
  for (const std::string& name : needs.beside) {
    WEIR_ASSIGN_OR_RETURN(auto encoder, LoadBeside(name, status, session));
    models.beside.push_back(std::move(encoder));
  }
  if (needs.sparse) {
    if (status.sparse_encoder.empty()) {
      return absl::FailedPreconditionError(
          "sparse search: the store has no sparse vectors; index with --sparse");
    }
    if (search.sparse.by_words()) {
      WEIR_ASSIGN_OR_RETURN(models.vocabulary, session.LoadTermVocabulary(status.sparse_encoder));
    } else {
      WEIR_ASSIGN_OR_RETURN(models.sparse, session.LoadSparseEncoder(status.sparse_encoder));
    }
    const text::TermVocabulary& loaded =
        models.sparse != nullptr ? *models.sparse : *models.vocabulary;
    WEIR_RETURN_IF_ERROR(CheckSame("sparse vectors", loaded.name(), loaded.fingerprint(),
                                   status.sparse_encoder, status.sparse_fingerprint));
  }
  if (needs.multi) {
    if (status.multi_encoder.empty()) {
      return absl::FailedPreconditionError(
          "multi-vector search: the store has no token vectors; index with --multivector");
    }
    const bool named = !wanted.empty() && !needs.dense;
    WEIR_ASSIGN_OR_RETURN(models.tokens,
                          session.LoadTokenEncoder(named ? wanted : status.multi_encoder));
    WEIR_RETURN_IF_ERROR(CheckSame("token vectors", models.tokens->name(),
                                   models.tokens->fingerprint(), status.multi_encoder,
                                   status.multi_fingerprint));
  }
  return models;
}

absl::Status LoadRerankers(const retrieve::RerankOptions& options, std::string_view model,
                           Session& session, SearchModels& models) {
  if (options.rerank == "cross") {
    WEIR_ASSIGN_OR_RETURN(const model::EncoderSpec base, session.FindEncoder(model::kCrossBase));
    WEIR_ASSIGN_OR_RETURN(models.scorer, model::LoadCrossEncoder(base, session.context()));
  } else if (options.rerank == "likelihood") {
    WEIR_ASSIGN_OR_RETURN(models.engine, session.LoadEngine(model, {}));
  }
  return absl::OkStatus();
}

}  // namespace weir::cli
