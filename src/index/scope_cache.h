// What searches derive from a scope for the segments of one generation: its rows in each. Made when
// first asked for and kept for the latest generation that was. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "index/deleted_rows.h"
#include "index/scope.h"
#include "index/snapshot.h"

namespace weir::index {

// Views of all segments of a kind, and what they point to.
template <class View>
struct ScopedViews {
  std::shared_ptr<const Snapshot> snapshot;
  std::vector<RowSet> allowed;  // of each segment, live ones alone
  std::vector<std::unique_ptr<const RangeLists>> lists;  // of vector segments with clusters
  std::vector<View> views;
  std::shared_ptr<const ScopedViews> whole;  // whose rows count, where others do
};

class ScopeCache {
 public:
  template <class View>
  using Shared = std::shared_ptr<const ScopedViews<View>>;

  Shared<SegmentView> Lexical(const std::shared_ptr<const Snapshot>& snapshot, const Scope& scope);
  Shared<VectorView> Dense(const std::shared_ptr<const Snapshot>& snapshot, const Scope& scope);
  // Of a set beside them.
  Shared<VectorView> Beside(const std::shared_ptr<const Snapshot>& snapshot, const VectorSet& set,
                            const Scope& scope);
  Shared<SparseView> Sparse(const std::shared_ptr<const Snapshot>& snapshot, const Scope& scope);

 private:
  std::mutex mutex_;
  Shared<SegmentView> lexical_;
  Shared<VectorView> dense_;
  std::map<int64_t, Shared<VectorView>> beside_;  // by set
  Shared<SparseView> sparse_;
};

}  // namespace weir::index
