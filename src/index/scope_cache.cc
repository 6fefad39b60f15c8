#include "index/scope_cache.h"

#include <algorithm>

namespace weir::index {
namespace {

uint64_t Tokens(const LexicalSegment& segment, uint32_t row) { return segment.length(row); }
uint64_t Tokens(const SparseSegment&, uint32_t) { return 0; }
uint64_t Tokens(const VectorSegment&, uint32_t) { return 0; }

// Rows of a segment for which a tree of their own pays: fewer are scored one by one, and of so
// large a share the scan of all by scan codes is faster.
constexpr size_t kLeastListed = 256, kMostListedShare = 4;

// Looked up one by one where the scope is small, else row by row.
template <class Segment>
RowSet AllowedRows(const Loaded<Segment>& loaded, const PassageSet& allowed) {
  const Segment& segment = *loaded.segment;
  const size_t rows = segment.rows();
  RowSet out;
  const auto add = [&](uint32_t row) {
    if (!loaded.deleted->Contains(row)) out.Add(row, rows, Tokens(segment, row));
  };
  constexpr size_t kLookUpRows = 16;  // a look-up costs about so many rows
  if (allowed.ids().size() * kLookUpRows < rows) {
    std::vector<uint32_t> found;
    for (const int64_t id : allowed.ids()) {
      const int64_t row = segment.Row(id);
      if (row >= 0) found.push_back(static_cast<uint32_t>(row));
    }
    std::sort(found.begin(), found.end());  // those of a reordered segment come in any order
    for (const uint32_t row : found) add(row);
  } else {
    for (size_t row = 0; row < rows; ++row) {
      if (allowed.Contains(segment.passage(static_cast<uint32_t>(row))))
        add(static_cast<uint32_t>(row));
    }
  }
  return out;
}

template <class View, class Segment>
std::shared_ptr<ScopedViews<View>> AllowAll(const std::shared_ptr<const Snapshot>& snapshot,
                                            const std::vector<Loaded<Segment>>& segments,
                                            const PassageSet& allowed) {
  auto out = std::make_shared<ScopedViews<View>>();
  out->snapshot = snapshot;
  for (const Loaded<Segment>& loaded : segments)
    out->allowed.push_back(AllowedRows(loaded, allowed));
  for (size_t i = 0; i < segments.size(); ++i) {
    View view{segments[i].segment.get(), segments[i].deleted.get()};
    view.allowed = &out->allowed[i];
    out->views.push_back(view);
  }
  return out;
}

}  // namespace

Scope::Scope(PassageSet allowed, Counts counts,
             std::vector<std::pair<std::string, int64_t>> analyzers)
    : allowed_(std::move(allowed)),
      counts_(counts),
      analyzers_(std::move(analyzers)),
      cache_(std::make_unique<ScopeCache>()) {}
Scope::Scope(PassageSet allowed, std::shared_ptr<const Scope> whole)
    : allowed_(std::move(allowed)),
      counts_(whole->counts()),
      analyzers_(whole->analyzers()),
      whole_(std::move(whole)),
      cache_(std::make_unique<ScopeCache>()) {}
Scope::~Scope() = default;

ScopeCache::Shared<SegmentView> ScopeCache::Lexical(
    const std::shared_ptr<const Snapshot>& snapshot, const Scope& scope) {
  std::lock_guard lock(mutex_);
  if (lexical_ == nullptr || lexical_->snapshot != snapshot) {
    auto made = AllowAll<SegmentView>(snapshot, snapshot->lexical, scope.allowed());
    if (scope.whole() != nullptr)
      made->whole = scope.whole()->cache().Lexical(snapshot, *scope.whole());
    for (size_t i = 0; i < made->views.size(); ++i) {
      if (scope.counts() == Scope::Counts::kStore) continue;
      made->views[i].counted =
          made->whole != nullptr ? made->whole->views[i].counted : made->views[i].allowed;
    }
    lexical_ = std::move(made);
  }
  return lexical_;
}

ScopeCache::Shared<VectorView> ScopeCache::Dense(const std::shared_ptr<const Snapshot>& snapshot,
                                                 const Scope& scope) {
  std::lock_guard lock(mutex_);
  if (dense_ != nullptr && dense_->snapshot == snapshot) return dense_;
  auto made = AllowAll<VectorView>(snapshot, snapshot->vectors, scope.allowed());
  for (size_t i = 0; i < made->views.size(); ++i) {
    const Loaded<VectorSegment>& loaded = snapshot->vectors[i];
    const size_t rows = made->allowed[i].rows.size();
    if (!loaded.segment->clustered() || rows <= kLeastListed ||
        rows * kMostListedShare > loaded.segment->rows()) {
      continue;
    }
    made->lists.push_back(std::make_unique<const RangeLists>(
        *loaded.segment, made->allowed[i],
        snapshot->trees->Get(loaded.row.id, *loaded.segment)));
    made->views[i].lists = made->lists.back().get();
  }
  dense_ = std::move(made);
  return dense_;
}

ScopeCache::Shared<VectorView> ScopeCache::Beside(const std::shared_ptr<const Snapshot>& snapshot,
                                                  const VectorSet& set, const Scope& scope) {
  std::lock_guard lock(mutex_);
  Shared<VectorView>& kept = beside_[set.id];
  if (kept == nullptr || kept->snapshot != snapshot)
    kept = AllowAll<VectorView>(snapshot, set.segments, scope.allowed());
  return kept;
}

ScopeCache::Shared<SparseView> ScopeCache::Sparse(const std::shared_ptr<const Snapshot>& snapshot,
                                                  const Scope& scope) {
  std::lock_guard lock(mutex_);
  if (sparse_ == nullptr || sparse_->snapshot != snapshot)
    sparse_ = AllowAll<SparseView>(snapshot, snapshot->sparse, scope.allowed());
  return sparse_;
}

}  // namespace weir::index
