// Tenants of the store: grants, and the scopes in which tenants search.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "index/store_folder.h"

namespace weir::index {
namespace {

// Scopes kept between searches; one takes a bit a passage and what its searches derive.
constexpr size_t kMaxScopes = 256;
constexpr int64_t kMaxIdRange = int64_t{1} << 33;  // bits of a scope

}  // namespace

// REQUIRES: catalogue_mutex_ is held.
absl::StatusOr<std::vector<int64_t>> FolderStore::DocumentIds(
    std::span<const std::string> paths) const {
  std::vector<int64_t> ids;
  for (const std::string& path : paths) {
    WEIR_ASSIGN_OR_RETURN(const std::optional<DocumentRow> row, catalogue_->FindDocument(path));
    if (!row.has_value()) return absl::NotFoundError(absl::StrCat(path, ": not in the store"));
    ids.push_back(row->id);
  }
  return ids;
}

// REQUIRES: catalogue_mutex_ is held.
absl::Status FolderStore::CheckOwner(const DocumentRow& row, std::string_view tenant) const {
  Grants& grants = catalogue_->grants();
  WEIR_ASSIGN_OR_RETURN(const std::optional<int64_t> id, grants.Find(tenant));
  bool granted = false;
  if (id.has_value()) {
    WEIR_ASSIGN_OR_RETURN(granted, grants.Has(*id, row.id));
  }
  // The same as for a path that is not there: a tenant learns nothing of other documents.
  if (!granted) return absl::NotFoundError(absl::StrCat(row.path, ": not in the store"));
  WEIR_ASSIGN_OR_RETURN(const std::optional<int64_t> owner, grants.Owner(row.id));
  if (owner == id) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat(row.path, ": tenant ", tenant, " does not own this document"));
}

absl::StatusOr<int64_t> FolderStore::Grant(std::string_view tenant,
                                           std::span<const std::string> paths) {
  WEIR_RETURN_IF_ERROR(Writable());
  WEIR_RETURN_IF_ERROR(CheckTenantName(tenant));
  std::lock_guard lock(catalogue_mutex_);
  WEIR_ASSIGN_OR_RETURN(const std::vector<int64_t> documents, DocumentIds(paths));
  WEIR_ASSIGN_OR_RETURN(Transaction transaction, catalogue_->BeginWrite());
  WEIR_ASSIGN_OR_RETURN(const int64_t id, catalogue_->grants().FindOrAdd(tenant));
  int64_t changed = 0;
  for (const int64_t document : documents) {
    WEIR_ASSIGN_OR_RETURN(const bool added, catalogue_->grants().Add(id, document, false));
    changed += added;
  }
  WEIR_RETURN_IF_ERROR(Finish(transaction));
  return changed;
}

absl::StatusOr<int64_t> FolderStore::Revoke(std::string_view tenant,
                                            std::span<const std::string> paths) {
  WEIR_RETURN_IF_ERROR(Writable());
  WEIR_RETURN_IF_ERROR(CheckTenantName(tenant));
  std::lock_guard lock(catalogue_mutex_);
  WEIR_ASSIGN_OR_RETURN(const std::vector<int64_t> documents, DocumentIds(paths));
  WEIR_ASSIGN_OR_RETURN(const std::optional<int64_t> id, catalogue_->grants().Find(tenant));
  if (!id.has_value()) return int64_t{0};
  WEIR_ASSIGN_OR_RETURN(Transaction transaction, catalogue_->BeginWrite());
  int64_t changed = 0;
  for (const int64_t document : documents) {
    WEIR_ASSIGN_OR_RETURN(const bool removed, catalogue_->grants().Remove(*id, document));
    changed += removed;
  }
  WEIR_RETURN_IF_ERROR(Finish(transaction));
  return changed;
}

absl::StatusOr<std::vector<TenantStatus>> FolderStore::Tenants() const {
  std::lock_guard lock(catalogue_mutex_);
  WEIR_ASSIGN_OR_RETURN(const std::vector<TenantRow> rows, catalogue_->grants().Tenants());
  std::vector<TenantStatus> out;
  for (const TenantRow& row : rows)
    out.push_back({row.name, row.documents, row.passages, row.owned});
  return out;
}

absl::StatusOr<std::vector<std::string>> FolderStore::Paths(std::string_view tenant) const {
  std::lock_guard lock(catalogue_mutex_);
  WEIR_ASSIGN_OR_RETURN(const std::optional<int64_t> id, catalogue_->grants().Find(tenant));
  if (!id.has_value()) return std::vector<std::string>();
  return catalogue_->grants().Paths(*id);
}

// The passages of documents. A catalogue that names more than there are fills no memory.
absl::StatusOr<std::vector<int64_t>> FolderStore::IdsOf(std::vector<IdRange> ranges) const {
  const int64_t most = snapshot()->live_passages();
  std::vector<int64_t> ids;
  std::sort(ranges.begin(), ranges.end(),
            [](const IdRange& a, const IdRange& b) { return a.first < b.first; });
  int64_t count = 0;
  for (const IdRange& range : ranges) {
    count += std::min(range.last - range.first, most) + 1;
    if (range.first < 0 || range.last < range.first || count > most ||
        range.last - ranges.front().first > kMaxIdRange) {
      return absl::DataLossError(absl::StrCat(folder_, ": catalogue: passages [", range.first, ", ",
                                              range.last, "] of a document"));
    }
    for (int64_t passage = range.first; passage <= range.last; ++passage) ids.push_back(passage);
  }
  return ids;
}

absl::StatusOr<std::shared_ptr<const Scope>> FolderStore::TenantScope(
    std::string_view tenant) const {
  // Under this lock no reload comes between reading the grants and keeping what they make.
  std::lock_guard lock(catalogue_mutex_);
  return TenantScopeHeld(tenant);
}

absl::StatusOr<std::shared_ptr<const Scope>> FolderStore::TenantScopeHeld(
    std::string_view tenant) const {
  {
    std::lock_guard scopes_lock(scopes_mutex_);
    const auto at = scopes_.find(tenant);
    if (at != scopes_.end()) return at->second;
  }
  std::vector<int64_t> ids;
  std::map<std::string, int64_t> languages;
  WEIR_ASSIGN_OR_RETURN(const std::optional<int64_t> id, catalogue_->grants().Find(tenant));
  if (id.has_value()) {
    WEIR_ASSIGN_OR_RETURN(std::vector<IdRange> ranges, catalogue_->grants().Passages(*id));
    WEIR_ASSIGN_OR_RETURN(ids, IdsOf(std::move(ranges)));
    WEIR_ASSIGN_OR_RETURN(languages, catalogue_->grants().Languages(*id));
  }
  auto scope = std::make_shared<const Scope>(PassageSet(ids), Scope::Counts::kScope,
                                             MostFirst(languages));
  if (!id.has_value()) return scope;  // names that are made up must not fill the memory
  std::lock_guard scopes_lock(scopes_mutex_);
  if (scopes_.size() >= kMaxScopes) scopes_.clear();
  scopes_.emplace(tenant, scope);
  return scope;
}

}  // namespace weir::index
