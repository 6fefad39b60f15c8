// Searching and fetching.
#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "index/store_folder.h"

namespace weir::index {
namespace {

constexpr size_t kMaxQueryBytes = size_t{1} << 20;

}  // namespace

absl::StatusOr<LexicalQuery> FolderStore::Parse(std::string_view query,
                                                const Snapshot& snapshot) const {
  if (query.size() > kMaxQueryBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("query of ", query.size(), " bytes; at most ", kMaxQueryBytes));
  }
  std::unique_ptr<text::Analyzer> analyzer;
  {
    std::lock_guard lock(analyzers_mutex_);
    if (!analyzers_.empty()) {
      analyzer = std::move(analyzers_.back());
      analyzers_.pop_back();
    }
  }
  if (analyzer == nullptr) {
    WEIR_ASSIGN_OR_RETURN(analyzer, text::Analyzer::Make(snapshot.analyzer));
  }
  LexicalQuery parsed = ParseLexicalQuery(query, *analyzer);
  std::lock_guard lock(analyzers_mutex_);
  analyzers_.push_back(std::move(analyzer));
  return parsed;
}

absl::StatusOr<std::vector<Scored>> FolderStore::SearchLexical(std::string_view query, int64_t k,
                                                               const Context& context) const {
  WEIR_RETURN_IF_ERROR(context.CheckCancelled());
  const std::shared_ptr<const Snapshot> now = snapshot();
  WEIR_ASSIGN_OR_RETURN(const LexicalQuery parsed, Parse(query, *now));
  Bm25Options options;
  {
    std::lock_guard lock(snapshot_mutex_);
    options = bm25_;
  }
  return SearchSegments(now->lexical_views, parsed, k, options);
}

absl::StatusOr<std::vector<TermScore>> FolderStore::ExplainLexical(std::string_view query,
                                                                   int64_t passage) const {
  const std::shared_ptr<const Snapshot> now = snapshot();
  WEIR_ASSIGN_OR_RETURN(const LexicalQuery parsed, Parse(query, *now));
  Bm25Options options;
  {
    std::lock_guard lock(snapshot_mutex_);
    options = bm25_;
  }
  return ExplainSegments(now->lexical_views, parsed, passage, options);
}

absl::StatusOr<std::vector<Scored>> FolderStore::SearchDense(std::span<const float> query,
                                                             int64_t k,
                                                             const Context& context) const {
  WEIR_ASSIGN_OR_RETURN(auto found, SearchDenseMany(query, 1, k, {}, context));
  return std::move(found[0]);
}

absl::StatusOr<std::vector<std::vector<Scored>>> FolderStore::SearchDenseMany(
    std::span<const float> queries, size_t n, int64_t k, const VectorSearchOptions& options,
    const Context& context) const {
  const std::shared_ptr<const Snapshot> now = snapshot();
  if (now->vectors.empty()) {
    return absl::NotFoundError(
        absl::StrCat(folder_, ": the store has no vectors; index with an encoder first"));
  }
  return SearchVectors(now->vector_views, queries, n, k, options, context);
}

bool FolderStore::has_vectors() const { return !snapshot()->vectors.empty(); }

absl::StatusOr<std::vector<float>> FolderStore::GetVector(int64_t passage) const {
  const std::shared_ptr<const Snapshot> now = snapshot();
  for (const auto& loaded : now->vectors) {
    const int64_t row = loaded.segment->Row(passage);
    if (row < 0 || loaded.deleted->Contains(static_cast<uint32_t>(row))) continue;
    const float* begin = loaded.segment->vector(static_cast<size_t>(row));
    return std::vector<float>(begin, begin + loaded.segment->dimensions());
  }
  return absl::NotFoundError(absl::StrCat("passage ", passage, " has no vector"));
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
  status.passages = now->live_passages();
  status.pending = status.passages - now->live_vectors();
  status.encoder = now->encoder.name;
  status.bytes = now->bytes;
  for (const char* name : {"catalogue.sqlite", "catalogue.sqlite-wal"}) {
    std::error_code error;
    const auto size = std::filesystem::file_size(absl::StrCat(folder_, "/", name), error);
    if (!error) status.bytes += static_cast<int64_t>(size);
  }
  return status;
}

}  // namespace weir::index
