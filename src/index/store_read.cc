// Searching and fetching.
#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "index/lexical/match.h"
#include "index/scope_cache.h"
#include "index/store_folder.h"
#include "text/detect.h"

namespace weir::index {
namespace {

constexpr size_t kMaxQueryBytes = size_t{1} << 20;

// The query's language, when it shows, else that of most passages.
std::vector<text::Analyzer*> OwnLanguageFirst(std::string_view query,
                                              std::vector<text::Analyzer*> all) {
  if (all.size() < 2) return all;
  const std::string_view language = text::DetectLanguage(query);
  const auto own = std::find_if(all.begin(), all.end(), [&](const text::Analyzer* analyzer) {
    return analyzer->name().substr(0, analyzer->name().find(':')) == language;
  });
  if (own != all.end()) std::rotate(all.begin(), own, own + 1);
  return all;
}

}  // namespace

absl::StatusOr<LexicalQuery> FolderStore::Parse(std::string_view query,
                                                const Snapshot& snapshot,
                                                const Scope* scope) const {
  if (query.size() > kMaxQueryBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("query of ", query.size(), " bytes; at most ", kMaxQueryBytes));
  }
  WEIR_ASSIGN_OR_RETURN(QueryAnalyzers taken, TakeAnalyzers(snapshot, scope));
  const LentAnalyzers analyzers(*this, std::move(taken));
  return ParseLexicalQuery(query, OwnLanguageFirst(query, analyzers.Borrow()));
}

FolderStore::LentAnalyzers::~LentAnalyzers() {
  if (store_ == nullptr) return;
  std::lock_guard lock(store_->analyzers_mutex_);
  store_->analyzers_.push_back(std::move(lent_));
}

std::vector<text::Analyzer*> FolderStore::LentAnalyzers::Borrow() const {
  std::vector<text::Analyzer*> all;
  for (const auto& analyzer : lent_.made) all.push_back(analyzer.get());
  return all;
}

absl::StatusOr<FolderStore::LentAnalyzers> FolderStore::Lend(const Scope* scope) const {
  WEIR_ASSIGN_OR_RETURN(QueryAnalyzers taken, TakeAnalyzers(*snapshot(), scope));
  return LentAnalyzers(*this, std::move(taken));
}

// Those of the snapshot's languages, or of the one that was set for queries.
absl::StatusOr<FolderStore::QueryAnalyzers> FolderStore::TakeAnalyzers(
    const Snapshot& snapshot, const Scope* scope) const {
  QueryAnalyzers out;
  const bool own = scope != nullptr && scope->counts() == Scope::Counts::kScope &&
                   snapshot.analyzer == kAutoLanguage;
  for (const auto& [name, passages] : own ? scope->analyzers() : snapshot.analyzers)
    out.names.push_back(name);
  if (out.names.empty()) out.names.emplace_back(kDefaultLanguage);
  {
    std::lock_guard lock(analyzers_mutex_);
    if (!query_language_.empty()) out.names = {query_language_};
    while (!analyzers_.empty()) {  // those of an older generation may be of other languages
      QueryAnalyzers kept = std::move(analyzers_.back());
      analyzers_.pop_back();
      if (kept.names == out.names) return kept;
    }
  }
  for (const std::string& name : out.names) {
    absl::StatusOr<std::unique_ptr<text::Analyzer>> made = text::Analyzer::Make(name);
    if (!made.ok()) return Annotate(made.status(), folder_);
    out.made.push_back(*std::move(made));
  }
  return out;
}

absl::Status FolderStore::SetQueryLanguage(std::string_view language, bool must_exist) {
  const std::shared_ptr<const Snapshot> now = snapshot();
  WEIR_ASSIGN_OR_RETURN(const auto analyzer, text::Analyzer::Make(language));
  if (!must_exist) {
    std::lock_guard lock(analyzers_mutex_);
    query_language_ = analyzer->name();
    return absl::OkStatus();
  }
  std::string known;
  for (const auto& [name, passages] : now->analyzers) {
    absl::StrAppend(&known, known.empty() ? "" : ", ", name);
    if (name != analyzer->name()) continue;
    std::lock_guard lock(analyzers_mutex_);
    query_language_ = name;
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat(folder_, ": nothing in this store was analysed as ",
                   std::string(analyzer->name()), "; it has ", known));
}

absl::StatusOr<std::vector<Scored>> FolderStore::SearchLexical(std::string_view query, int64_t k,
                                                               const Context& context,
                                                               const Scope* scope) const {
  WEIR_RETURN_IF_ERROR(context.CheckCancelled());
  const std::shared_ptr<const Snapshot> now = snapshot();
  WEIR_ASSIGN_OR_RETURN(const LexicalQuery parsed, Parse(query, *now, scope));
  if (scope == nullptr) return SearchSegments(now->lexical_views, parsed, k, bm25());
  return SearchSegments(scope->cache().Lexical(now, *scope)->views, parsed, k, bm25());
}

absl::StatusOr<std::shared_ptr<const Scope>> FolderStore::NarrowBySigns(
    std::string_view query, std::shared_ptr<const Scope> scope) const {
  const std::shared_ptr<const Snapshot> now = snapshot();
  WEIR_ASSIGN_OR_RETURN(const LexicalQuery parsed, Parse(query, *now, scope.get()));
  const bool filters = std::any_of(parsed.clauses.begin(), parsed.clauses.end(),
                                   [](const LexicalClause& c) { return c.need != Need::kShould; });
  if (!filters) return scope;
  ScopeCache::Shared<SegmentView> scoped;
  if (scope != nullptr) scoped = scope->cache().Lexical(now, *scope);
  WEIR_ASSIGN_OR_RETURN(
      const std::vector<int64_t> matches,
      MatchSegments(scoped == nullptr ? now->lexical_views : scoped->views, parsed));
  std::vector<IdRange> ranges;
  for (const int64_t id : matches) {
    if (!ranges.empty() && ranges.back().last + 1 == id) {
      ranges.back().last = id;
    } else {
      ranges.push_back({id, id});
    }
  }
  WEIR_ASSIGN_OR_RETURN(const std::vector<int64_t> ids, IdsOf(std::move(ranges)));
  if (scope == nullptr)
    return std::make_shared<const Scope>(PassageSet(ids), Scope::Counts::kStore);
  return std::make_shared<const Scope>(PassageSet(ids), std::move(scope));
}

absl::StatusOr<std::vector<TermScore>> FolderStore::ExplainLexical(std::string_view query,
                                                                   int64_t passage,
                                                                   const Scope* scope) const {
  const std::shared_ptr<const Snapshot> now = snapshot();
  WEIR_ASSIGN_OR_RETURN(const LexicalQuery parsed, Parse(query, *now, scope));
  if (scope == nullptr) return ExplainSegments(now->lexical_views, parsed, passage, bm25());
  return ExplainSegments(scope->cache().Lexical(now, *scope)->views, parsed, passage, bm25());
}

absl::StatusOr<std::vector<Scored>> FolderStore::SearchDense(std::span<const float> query,
                                                             int64_t k,
                                                             const Context& context,
                                                             const Scope* scope) const {
  WEIR_ASSIGN_OR_RETURN(auto found, SearchDenseMany(query, 1, k, {}, context, scope));
  return std::move(found[0]);
}

absl::StatusOr<std::vector<std::vector<Scored>>> FolderStore::SearchDenseMany(
    std::span<const float> queries, size_t n, int64_t k, const VectorSearchOptions& options,
    const Context& context, const Scope* scope) const {
  const std::shared_ptr<const Snapshot> now = snapshot();
  if (now->vectors.empty()) {
    return absl::NotFoundError(
        absl::StrCat(folder_, ": the store has no vectors; index with an encoder first"));
  }
  if (scope == nullptr) return SearchVectors(now->vector_views, queries, n, k, options, context);
  VectorSearchOptions scoped = options;
  scoped.allowed = &scope->allowed();
  return SearchVectors(scope->cache().Dense(now, *scope)->views, queries, n, k, scoped, context);
}

bool FolderStore::has_vectors() const { return !snapshot()->vectors.empty(); }

absl::StatusOr<std::vector<Scored>> FolderStore::SearchSparse(const text::SparseVector& query,
                                                              int64_t k,
                                                              const SparseSearchOptions& options,
                                                              const Context& context,
                                                              const Scope* scope) const {
  const std::shared_ptr<const Snapshot> now = snapshot();
  if (now->sparse.empty()) {
    return absl::NotFoundError(absl::StrCat(
        folder_, ": the store has no sparse vectors; index with a sparse encoder first"));
  }
  WEIR_ASSIGN_OR_RETURN(const SparseQuery terms,
                        MakeSparseQuery(query, now->sparse_encoder.dimensions));
  if (scope == nullptr) return index::SearchSparse(now->sparse_views, terms, k, options, context);
  return index::SearchSparse(scope->cache().Sparse(now, *scope)->views, terms, k, options, context);
}

bool FolderStore::has_sparse_vectors() const { return !snapshot()->sparse.empty(); }

absl::StatusOr<std::vector<Scored>> FolderStore::SearchMulti(std::span<const float> query,
                                                             int64_t k,
                                                             const MultiSearchOptions& options,
                                                             const Context& context,
                                                             const Scope* scope) const {
  const std::shared_ptr<const Snapshot> now = snapshot();
  if (now->multi.empty()) {
    return absl::NotFoundError(absl::StrCat(
        folder_, ": the store has no token vectors; index with --multivector first"));
  }
  if (scope == nullptr) return index::SearchMulti(now->multi_views, query, k, options, context);
  std::vector<MultiView> views = now->multi_views;
  for (MultiView& view : views) view.allowed = &scope->allowed();
  return index::SearchMulti(views, query, k, options, context);
}

absl::StatusOr<std::vector<Scored>> FolderStore::MultiCandidates(std::span<const float> query,
                                                                 const MultiSearchOptions& options,
                                                                 const Context& context) const {
  return FindCandidates(snapshot()->multi_views, query, options, context);
}

bool FolderStore::has_multi_vectors() const { return !snapshot()->multi.empty(); }

absl::StatusOr<std::vector<float>> FolderStore::ScoreSparse(
    const text::SparseVector& query, std::span<const int64_t> passages) const {
  const std::shared_ptr<const Snapshot> now = snapshot();
  WEIR_ASSIGN_OR_RETURN(const SparseQuery terms,
                        MakeSparseQuery(query, now->sparse_encoder.dimensions));
  std::vector<float> scores(passages.size());
  for (size_t i = 0; i < passages.size(); ++i) {
    for (const auto& loaded : now->sparse) {
      const int64_t row = loaded.segment->Row(passages[i]);
      if (row < 0 || loaded.deleted->Contains(static_cast<uint32_t>(row))) continue;
      scores[i] = ScoreSparseRow(*loaded.segment, static_cast<size_t>(row), terms);
    }
  }
  return scores;
}

absl::StatusOr<std::vector<float>> FolderStore::ScoreMulti(
    std::span<const float> query, std::span<const int64_t> passages) const {
  return ScorePassages(snapshot()->multi_views, query, passages);
}

absl::StatusOr<SparseFrequencies> FolderStore::CountSparse(std::span<const int32_t> terms,
                                                           const Scope* scope) const {
  const std::shared_ptr<const Snapshot> now = snapshot();
  for (const int32_t term : terms) {
    if (term < 0 || term >= now->sparse_encoder.dimensions) {
      return absl::InvalidArgumentError(
          absl::StrCat("term ", term, " of ", now->sparse_encoder.dimensions));
    }
  }
  const Scope* counted = scope == nullptr || scope->counts() == Scope::Counts::kStore ? nullptr
                         : scope->whole() != nullptr ? scope->whole() : scope;
  const auto scoped = counted == nullptr ? nullptr : counted->cache().Sparse(now, *counted);
  SparseFrequencies out{.of_terms = std::vector<int64_t>(terms.size())};
  for (const SparseView& view : scoped == nullptr ? now->sparse_views : scoped->views) {
    out.passages += CountRows(view);
    for (size_t i = 0; i < terms.size(); ++i) {
      WEIR_ASSIGN_OR_RETURN(const int64_t rows, CountRowsWith(view, terms[i]));
      out.of_terms[i] += rows;
    }
  }
  return out;
}

absl::StatusOr<text::SparseVector> FolderStore::GetSparseVector(int64_t passage) const {
  const std::shared_ptr<const Snapshot> now = snapshot();
  for (const auto& loaded : now->sparse) {
    const int64_t row = loaded.segment->Row(passage);
    if (row < 0 || loaded.deleted->Contains(static_cast<uint32_t>(row))) continue;
    const uint8_t* impact = loaded.segment->impacts(static_cast<size_t>(row));
    text::SparseVector vector;
    for (uint16_t term : loaded.segment->terms(static_cast<size_t>(row))) {
      vector.push_back({term, static_cast<float>(*impact++) / kImpactSteps});
    }
    return vector;
  }
  return absl::NotFoundError(absl::StrCat("passage ", passage, " has no sparse vector"));
}

namespace {

absl::StatusOr<std::vector<float>> VectorOf(int64_t passage,
                                            const std::vector<Loaded<VectorSegment>>& segments) {
  for (const auto& loaded : segments) {
    const int64_t row = loaded.segment->Row(passage);
    if (row < 0 || loaded.deleted->Contains(static_cast<uint32_t>(row))) continue;
    const float* begin = loaded.segment->vector(static_cast<size_t>(row));
    return std::vector<float>(begin, begin + loaded.segment->dimensions());
  }
  return absl::NotFoundError(absl::StrCat("passage ", passage, " has no vector"));
}

absl::Status NoneBeside(const std::string& folder, std::string_view encoder) {
  return absl::NotFoundError(absl::StrCat(folder, ": the store has no vectors of ",
                                          std::string(encoder),
                                          "; index with --encoder-beside first"));
}

}  // namespace

absl::StatusOr<std::vector<float>> FolderStore::GetVector(int64_t passage) const {
  return VectorOf(passage, snapshot()->vectors);
}

absl::StatusOr<std::vector<float>> FolderStore::GetVectorBeside(std::string_view encoder,
                                                                int64_t passage) const {
  const std::shared_ptr<const Snapshot> now = snapshot();
  const VectorSet* set = now->FindBeside(encoder);
  return set == nullptr ? NoneBeside(folder_, encoder) : VectorOf(passage, set->segments);
}

absl::StatusOr<std::vector<Scored>> FolderStore::SearchBeside(std::string_view encoder,
                                                              std::span<const float> query,
                                                              int64_t k, const Context& context,
                                                              const Scope* scope) const {
  const std::shared_ptr<const Snapshot> now = snapshot();
  const VectorSet* set = now->FindBeside(encoder);
  if (set == nullptr || set->segments.empty()) return NoneBeside(folder_, encoder);
  VectorSearchOptions options;
  ScopeCache::Shared<VectorView> scoped;
  if (scope != nullptr) {
    options.allowed = &scope->allowed();
    scoped = scope->cache().Beside(now, *set, *scope);
  }
  WEIR_ASSIGN_OR_RETURN(auto found, SearchVectors(scoped != nullptr ? scoped->views : set->views,
                                                  query, 1, k, options, context));
  return std::move(found[0]);
}

absl::StatusOr<std::string> FolderStore::ReadText(const DocumentRow& document, int64_t start,
                                                  int64_t size) const {
  const std::shared_ptr<const Snapshot> now = snapshot();
  auto at = now->texts.find(document.text_segment);
  if (at == now->texts.end() || start < 0 || size < 0 || start > document.text_size ||
      size > document.text_size - start || document.text_start < 0) {
    return absl::DataLossError(absl::StrCat("document ", document.id, " (", document.path,
                                            "): its text is not where the catalogue says"));
  }
  return at->second->Read(static_cast<uint64_t>(document.text_start) + static_cast<uint64_t>(start),
                          static_cast<uint64_t>(size));
}

absl::StatusOr<text::Passage> FolderStore::GetPassage(int64_t passage) const {
  std::lock_guard lock(catalogue_mutex_);
  WEIR_ASSIGN_OR_RETURN(text::Passage p, catalogue_->GetPassage(passage));
  WEIR_ASSIGN_OR_RETURN(const DocumentRow document, catalogue_->GetDocument(p.document));
  WEIR_ASSIGN_OR_RETURN(p.text, ReadText(document, p.span.start, p.span.size()));
  return p;
}

absl::StatusOr<text::DocumentRef> FolderStore::GetDocument(int64_t document) const {
  std::lock_guard lock(catalogue_mutex_);
  WEIR_ASSIGN_OR_RETURN(DocumentRow row, catalogue_->GetDocument(document));
  return text::DocumentRef{row.id, std::move(row.path), std::move(row.sha256),
                           std::move(row.title)};
}

absl::StatusOr<int64_t> FolderStore::FindDocument(std::string_view path) const {
  std::lock_guard lock(catalogue_mutex_);
  WEIR_ASSIGN_OR_RETURN(const std::optional<DocumentRow> row, catalogue_->FindDocument(path));
  if (!row.has_value()) return absl::NotFoundError(absl::StrCat(path, ": not in the store"));
  return row->id;
}

absl::StatusOr<std::string> FolderStore::GetText(int64_t document) const {
  std::lock_guard lock(catalogue_mutex_);
  WEIR_ASSIGN_OR_RETURN(const DocumentRow row, catalogue_->GetDocument(document));
  return ReadText(row, 0, row.text_size);
}

bool FolderStore::IsCurrent(std::string_view path, std::string_view sha256) const {
  std::lock_guard lock(catalogue_mutex_);
  auto row = catalogue_->FindDocument(path);
  return row.ok() && row->has_value() && !sha256.empty() && (*row)->sha256 == sha256;
}

bool FolderStore::IsUnchanged(std::string_view path, int64_t size, int64_t mtime_ns) const {
  std::lock_guard lock(catalogue_mutex_);
  auto row = catalogue_->FindDocument(path);
  return row.ok() && row->has_value() && mtime_ns >= 0 && (*row)->size == size &&
         (*row)->mtime_ns == mtime_ns;
}

absl::StatusOr<std::vector<std::string>> FolderStore::Paths() const {
  std::lock_guard lock(catalogue_mutex_);
  return catalogue_->Paths();
}

std::vector<int64_t> FolderStore::Passages() const {
  const std::shared_ptr<const Snapshot> now = snapshot();
  std::vector<int64_t> ids;
  for (const auto& loaded : now->lexical) {
    for (uint32_t row = 0; row < loaded.segment->rows(); ++row) {
      if (!loaded.deleted->Contains(row)) ids.push_back(loaded.segment->passage(row));
    }
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

absl::StatusOr<StoreStatus> FolderStore::Status() const {
  StoreStatus status;
  std::lock_guard lock(catalogue_mutex_);
  const std::shared_ptr<const Snapshot> now = snapshot();
  WEIR_ASSIGN_OR_RETURN(status.documents, catalogue_->DocumentCount());
  WEIR_ASSIGN_OR_RETURN(status.failed, catalogue_->Failures());
  status.generation = now->generation;
  status.passages = now->live_passages();
  status.pending = status.passages - now->live_vectors();
  status.encoder = now->encoder.name;
  for (const VectorSet& set : now->beside) {
    int64_t live = 0;
    for (const auto& loaded : set.segments) live += loaded.live();
    status.encoders_beside.push_back(
        {set.encoder.name, status.passages - live, set.encoder.fingerprint});
  }
  status.encoder_fingerprint = now->encoder.fingerprint;
  status.sparse_fingerprint = now->sparse_encoder.fingerprint;
  status.multi_fingerprint = now->multi_encoder.fingerprint;
  status.sparse_encoder = now->sparse_encoder.name;
  if (!status.sparse_encoder.empty()) {
    status.sparse_pending = status.passages - now->live_sparse();
  }
  WEIR_ASSIGN_OR_RETURN(status.given_terms, catalogue_->given_terms().Documents());
  status.multi_encoder = now->multi_encoder.name;
  if (!status.multi_encoder.empty()) status.multi_pending = status.passages - now->live_multi();
  status.bytes = now->bytes;
  status.language = now->analyzer;
  WEIR_ASSIGN_OR_RETURN(const auto languages, catalogue_->Languages());
  status.languages.assign(languages.begin(), languages.end());
  for (const char* name : {"catalogue.sqlite", "catalogue.sqlite-wal"}) {
    std::error_code error;
    const auto size = std::filesystem::file_size(absl::StrCat(folder_, "/", name), error);
    if (!error) status.bytes += static_cast<int64_t>(size);
  }
  return status;
}

}  // namespace weir::index
