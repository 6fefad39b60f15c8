// Fields of the store's documents, and the scopes that filters make of them.
#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "index/fields/built_in.h"
#include "index/fields/filter.h"
#include "index/store_folder.h"
#include "text/fields.h"

namespace weir::index {
namespace {

// Filters kept between searches; one takes a bit a passage and what its searches derive.
constexpr size_t kMaxFilters = 64;

// What is stored of a document itself: its own fields, those with the name of a built-in one under
// another, and what no other table has.
std::vector<text::Field> OwnFields(const Prepared& prepared) {
  const text::Document& d = prepared.document;
  std::vector<text::Field> out;
  if (!d.pages.empty()) out.push_back({"pages", absl::StrCat(d.pages.size())});
  if (prepared.file_mtime_ns < 0 && prepared.file_modified_ns >= 0)
    out.push_back({"modified", DateText(prepared.file_modified_ns / 1000)});
  for (const text::Field& field : d.fields) {
    if (FindBuiltIn(field.name) == nullptr) {
      out.push_back(field);
    } else if (field.name != "title" || field.value != d.title) {
      out.push_back({absl::StrCat(kOwnPrefix, field.name), field.value});
    }
  }
  return out;
}

std::string LanguageOfAll(const Snapshot& snapshot) {
  return snapshot.analyzer == kAutoLanguage
             ? ""
             : snapshot.analyzer.substr(0, snapshot.analyzer.find(':'));
}

FieldSummary Summarise(std::string name, const std::vector<std::pair<size_t, std::string>>& values,
                       const BuiltInField* built_in, size_t most) {
  FieldSummary out;
  out.name = std::move(name);
  out.built_in = built_in != nullptr;
  SeenTypes seen;
  absl::flat_hash_map<std::string_view, int64_t> counts;
  for (size_t i = 0; i < values.size(); ++i) {
    if (built_in == nullptr) seen.Add(ReadValue(values[i].second));
    out.documents += i == 0 || values[i].first != values[i - 1].first;
    if (static_cast<int64_t>(counts.size()) < kMaxCountedValues ||
        counts.contains(values[i].second)) {
      ++counts[values[i].second];
    }
  }
  const FieldType type = built_in != nullptr ? built_in->type : seen.Common();
  out.type = FieldTypeName(type);
  out.values = static_cast<int64_t>(counts.size());
  if (type == FieldType::kText) {
    out.frequent.assign(counts.begin(), counts.end());
    const auto more = [](const auto& a, const auto& b) {
      return a.second != b.second ? a.second > b.second : a.first < b.first;
    };
    const size_t kept = std::min(most, out.frequent.size());
    std::partial_sort(out.frequent.begin(), out.frequent.begin() + static_cast<long>(kept),
                      out.frequent.end(), more);
    out.frequent.resize(kept);
    return out;
  }
  const auto key = [&](const std::string& value) {
    const FieldValue read = ReadValue(value);
    return type == FieldType::kNumber ? *read.number : static_cast<double>(read.date->start);
  };
  double least = 0, greatest = 0;
  for (const auto& [place, value] : values) {
    const double at = key(value);
    if (out.least.empty() || at < least) {
      least = at;
      out.least = value;
    }
    if (out.greatest.empty() || at > greatest) {
      greatest = at;
      out.greatest = value;
    }
  }
  return out;
}

}  // namespace

absl::Status FolderStore::GiveFields(std::span<const std::string> paths,
                                     std::span<const text::Field> fields,
                                     std::string_view tenant) {
  WEIR_RETURN_IF_ERROR(Writable());
  WEIR_RETURN_IF_ERROR(CheckGivenFields(fields));
  if (paths.empty() || fields.empty()) return absl::OkStatus();
  std::lock_guard lock(catalogue_mutex_);
  WEIR_ASSIGN_OR_RETURN(const std::vector<int64_t> documents, DocumentIds(paths));
  if (!tenant.empty()) {
    WEIR_ASSIGN_OR_RETURN(const std::optional<int64_t> id, catalogue_->grants().Find(tenant));
    for (size_t i = 0; i < documents.size(); ++i) {
      bool granted = false;
      if (id.has_value()) {
        WEIR_ASSIGN_OR_RETURN(granted, catalogue_->grants().Has(*id, documents[i]));
      }
      if (!granted) return absl::NotFoundError(absl::StrCat(paths[i], ": not in the store"));
    }
  }
  WEIR_ASSIGN_OR_RETURN(Transaction transaction, catalogue_->BeginWrite());
  for (const int64_t document : documents)
    WEIR_RETURN_IF_ERROR(catalogue_->fields().Give(document, fields));
  return Finish(transaction);
}

bool FolderStore::LacksFields(std::string_view path) const {
  std::lock_guard lock(catalogue_mutex_);
  const auto row = catalogue_->FindDocument(path);
  if (!row.ok() || !row->has_value()) return false;
  const auto lacks = catalogue_->fields().Lacks((*row)->id);
  return lacks.ok() && *lacks;
}

absl::Status FolderStore::NoteFields(std::span<const Prepared> documents) {
  WEIR_RETURN_IF_ERROR(Writable());
  std::lock_guard lock(catalogue_mutex_);
  WEIR_ASSIGN_OR_RETURN(Transaction transaction, catalogue_->BeginWrite());
  for (const Prepared& p : documents) {
    WEIR_ASSIGN_OR_RETURN(const auto row, catalogue_->FindDocument(p.document.path));
    if (!row.has_value())
      return absl::NotFoundError(absl::StrCat(p.document.path, ": not in the store"));
    WEIR_RETURN_IF_ERROR(catalogue_->fields().NoteOwn(row->id, OwnFields(p)));
  }
  return Finish(transaction);
}

absl::StatusOr<int64_t> FolderStore::LackingFields() const {
  std::lock_guard lock(catalogue_mutex_);
  return catalogue_->fields().Lacking();
}

// REQUIRES: catalogue_mutex_ is held, in a transaction.
absl::Status FolderStore::StoreFields(int64_t document, const Prepared& prepared,
                                      std::optional<int64_t> replaced) {
  FieldTable& fields = catalogue_->fields();
  WEIR_RETURN_IF_ERROR(fields.NoteOwn(document, OwnFields(prepared)));
  if (replaced.has_value()) WEIR_RETURN_IF_ERROR(fields.Move(*replaced, document));
  return fields.Give(document, prepared.given);
}

absl::StatusOr<std::vector<FieldSummary>> FolderStore::Fields(std::string_view tenant,
                                                              size_t most) const {
  std::lock_guard lock(catalogue_mutex_);
  std::optional<int64_t> id;
  if (!tenant.empty()) {
    WEIR_ASSIGN_OR_RETURN(id, catalogue_->grants().Find(tenant));
    if (!id.has_value()) id = -1;  // it sees nothing
  }
  WEIR_ASSIGN_OR_RETURN(const FieldView view,
                        FieldView::Make(*catalogue_, id, LanguageOfAll(*snapshot())));
  std::vector<std::string> names;
  for (const BuiltInField& field : BuiltInFields()) names.emplace_back(field.name);
  WEIR_ASSIGN_OR_RETURN(const std::vector<std::string> own, view.Names());
  names.insert(names.end(), own.begin(), own.end());
  std::vector<FieldSummary> out;
  for (const std::string& name : names) {
    std::vector<std::pair<size_t, std::string>> values;
    WEIR_RETURN_IF_ERROR(view.Visit(name, [&](size_t place, std::string_view value) {
      values.emplace_back(place, value);
    }));
    out.push_back(Summarise(name, values, FindBuiltIn(name), most));
  }
  return out;
}

absl::StatusOr<FieldedQuery> FolderStore::SplitFields(std::string_view query,
                                                      std::string_view tenant) const {
  if (query.find(':') == query.npos) return FieldedQuery{std::string(query), ""};
  std::lock_guard lock(catalogue_mutex_);
  std::optional<int64_t> id;
  if (!tenant.empty()) {
    WEIR_ASSIGN_OR_RETURN(id, catalogue_->grants().Find(tenant));
    if (!id.has_value()) id = -1;  // it sees nothing
  }
  WEIR_ASSIGN_OR_RETURN(const std::vector<std::string> names, catalogue_->fields().Names(id));
  return SplitFieldedQuery(query, [&](const std::string& name) {
    return FindBuiltIn(name) != nullptr ||
           std::binary_search(names.begin(), names.end(), name);
  });
}

absl::StatusOr<std::vector<int64_t>> FolderStore::FirstPassages(const Scope& scope,
                                                                int64_t k) const {
  std::lock_guard lock(catalogue_mutex_);
  WEIR_ASSIGN_OR_RETURN(const auto documents, catalogue_->Passages(std::nullopt));
  std::vector<int64_t> out;
  for (const Catalogue::DocumentPassages& d : documents) {
    if (static_cast<int64_t>(out.size()) >= k) break;
    const std::span<const int64_t> ids = scope.allowed().ids();
    const auto first = std::lower_bound(ids.begin(), ids.end(), d.first_passage);
    if (first != ids.end() && *first - d.first_passage < d.passage_count) out.push_back(*first);
  }
  return out;
}

absl::StatusOr<std::shared_ptr<const Scope>> FolderStore::MakeScope(
    const ScopeRequest& request) const {
  if (request.where.empty()) {
    if (request.tenant.empty()) return nullptr;
    return TenantScope(request.tenant);
  }
  std::lock_guard lock(catalogue_mutex_);
  const std::string key =
      absl::StrCat(request.tenant, std::string_view("\0", 1), request.subset_statistics,
                   request.where);
  {
    std::lock_guard scopes_lock(scopes_mutex_);
    const auto at = filters_.find(key);
    if (at != filters_.end()) return at->second;
  }
  WEIR_ASSIGN_OR_RETURN(auto scope, FilterScopeHeld(request));
  std::lock_guard scopes_lock(scopes_mutex_);
  if (filters_.size() >= kMaxFilters) filters_.clear();
  filters_.emplace(key, scope);
  return scope;
}

absl::StatusOr<std::shared_ptr<const Scope>> FolderStore::FilterScopeHeld(
    const ScopeRequest& request) const {
  WEIR_ASSIGN_OR_RETURN(const Where where, ParseWhere(request.where));
  std::optional<int64_t> tenant;
  std::shared_ptr<const Scope> whole;
  if (!request.tenant.empty()) {
    WEIR_ASSIGN_OR_RETURN(tenant, catalogue_->grants().Find(request.tenant));
    if (!tenant.has_value()) tenant = -1;  // it sees nothing
    WEIR_ASSIGN_OR_RETURN(whole, TenantScopeHeld(request.tenant));
  }
  WEIR_ASSIGN_OR_RETURN(const LentAnalyzers analyzers, Lend(whole.get()));
  WEIR_ASSIGN_OR_RETURN(
      const FieldView view,
      FieldView::Make(*catalogue_, tenant, LanguageOfAll(*snapshot()), analyzers.Borrow()));
  WEIR_ASSIGN_OR_RETURN(const std::vector<bool> passing, view.Passing(where));
  std::vector<IdRange> ranges;
  std::vector<int64_t> documents;
  for (size_t i = 0; i < passing.size(); ++i) {
    const Catalogue::DocumentPassages& d = view.documents()[i];
    if (!passing[i]) continue;
    documents.push_back(d.document);
    if (d.passage_count > 0)
      ranges.push_back({d.first_passage, d.first_passage + d.passage_count - 1});
  }
  WEIR_ASSIGN_OR_RETURN(const std::vector<int64_t> ids, IdsOf(std::move(ranges)));
  if (!request.subset_statistics) {
    if (whole != nullptr) return std::make_shared<const Scope>(PassageSet(ids), whole);
    return std::make_shared<const Scope>(PassageSet(ids), Scope::Counts::kStore);
  }
  std::map<std::string, int64_t> languages;
  WEIR_RETURN_IF_ERROR(catalogue_->VisitLanguages(
      [&](int64_t document, const std::string& name, int64_t passages) {
        if (std::binary_search(documents.begin(), documents.end(), document))
          languages[name] += passages;
      }));
  return std::make_shared<const Scope>(PassageSet(ids), Scope::Counts::kScope,
                                       MostFirst(languages));
}

}  // namespace weir::index
