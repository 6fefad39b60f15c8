#include "index/tenants/range_lists.h"

namespace weir::index {
namespace {

constexpr size_t kMostTrees = 64;  // those of segments that are gone among them

}  // namespace

RangeLists::RangeLists(const VectorSegment& segment, const RowSet& rows,
                       std::shared_ptr<const ClusterTree> tree)
    : tree_(std::move(tree)) {
  const uint32_t* begins = segment.quantiser().begins;
  positions_.reserve(rows.rows.size());
  starts_.reserve(tree_->leaf_count() + 1);
  starts_.push_back(0);
  for (const uint32_t cluster : tree_->row_of_leaf()) {
    for (uint32_t p = begins[cluster]; p < begins[cluster + 1]; ++p) {
      const size_t row = segment.row_at(p);
      if (row < segment.rows() && rows.Contains(static_cast<uint32_t>(row)))
        positions_.push_back(p);
    }
    starts_.push_back(static_cast<uint32_t>(positions_.size()));
  }
}

std::shared_ptr<const ClusterTree> SegmentTrees::Get(int64_t id, const VectorSegment& segment) {
  std::lock_guard lock(mutex_);
  if (const auto at = trees_.find(id); at != trees_.end()) return at->second;
  const QuantiserView& q = segment.quantiser();
  std::vector<float> centres(q.clusters * q.dimensions);
  for (size_t i = 0; i < centres.size(); ++i)
    centres[i] = static_cast<float>(q.centres[i]) * q.centre_scales[i / q.dimensions];
  // On this thread and without a token: it is short, and cannot fail.
  auto tree = std::make_shared<const ClusterTree>(*ClusterTree::Train(
      q.clusters, q.dimensions, [&](size_t c) { return &centres[c * q.dimensions]; },
      {.rows_are_leaves = true}, {}));
  if (trees_.size() >= kMostTrees) trees_.clear();
  return trees_[id] = std::move(tree);
}

}  // namespace weir::index
