#include "index/tenants/tenant_tree.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "index/tenants/nearest_rows.h"
#include "index/top_k.h"
#include "tensor/vector.h"

namespace weir::index {
namespace {

constexpr double kUnitTolerance = 1e-3;

}  // namespace

TenantTree::TenantTree(ClusterTree tree, const TenantTreeOptions& options)
    : options_(options),
      tree_(std::make_unique<const ClusterTree>(std::move(tree))),
      lists_(*tree_, options.longest_list) {}

TenantTree::TenantTree(size_t dimensions, const TenantTreeOptions& options)
    : TenantTree(ClusterTree(dimensions), options) {}

absl::StatusOr<std::unique_ptr<TenantTree>> TenantTree::Train(std::span<const float> sample,
                                                              size_t dimensions,
                                                              const TenantTreeOptions& options,
                                                              const Context& context) {
  if (dimensions == 0 || sample.size() % dimensions != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(sample.size(), " numbers of vectors of ", dimensions, " dimensions"));
  }
  WEIR_ASSIGN_OR_RETURN(
      ClusterTree tree,
      ClusterTree::Train(
          sample.size() / dimensions, dimensions,
          [&](size_t i) { return &sample[i * dimensions]; }, options.tree, context));
  return std::unique_ptr<TenantTree>(new TenantTree(std::move(tree), options));
}

absl::Status TenantTree::CheckVector(std::span<const float> vector) const {
  if (vector.size() != dimensions()) {
    return absl::InvalidArgumentError(absl::StrCat("a vector of ", vector.size(),
                                                   " dimensions; expected ", dimensions()));
  }
  double square = 0;
  for (const float x : vector) square += double{x} * double{x};
  if (!(std::abs(square - 1) <= 2 * kUnitTolerance))
    return absl::InvalidArgumentError("a vector that is not finite and of unit length");
  return absl::OkStatus();
}

absl::StatusOr<uint32_t> TenantTree::Find(int64_t label) const {
  const auto at = slot_of_.find(label);
  if (at == slot_of_.end()) return absl::NotFoundError(absl::StrCat("no vector ", label));
  return at->second;
}

// Many at once take what they need; doubled arrays would waste up to half.
void TenantTree::Reserve(size_t more) {
  const size_t slots = labels_.size() + more - std::min(more, free_.size());
  if (slots < labels_.size() + labels_.size() / 8 + 64) return;
  labels_.reserve(slots);
  leaf_.reserve(slots);
  owner_.reserve(slots);
  scales_.reserve(slots);
  access_.Reserve(slots);
  rows_.reserve(slots * dimensions());
  codes_.reserve(slots * dimensions());
  slot_of_.reserve(slots);
}

void TenantTree::Place(int64_t label, std::span<const float> vector, uint32_t owner,
                       uint32_t leaf) {
  uint32_t slot = static_cast<uint32_t>(labels_.size());
  if (free_.empty()) {
    labels_.emplace_back();
    leaf_.push_back(kFree);
    owner_.emplace_back();
    access_.AddSlot();
    scales_.emplace_back();
    rows_.resize(rows_.size() + dimensions());
    codes_.resize(codes_.size() + dimensions());
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  labels_[slot] = label;
  leaf_[slot] = leaf;
  owner_[slot] = owner;
  std::copy(vector.begin(), vector.end(), &rows_[slot * dimensions()]);
  scales_[slot] =
      tensor::QuantizeInt8(vector.data(), &codes_[slot * dimensions()], dimensions());
  slot_of_[label] = slot;
  AddGrant(slot, owner);
}

absl::Status TenantTree::Insert(int64_t label, std::span<const float> vector, uint32_t owner) {
  return InsertMany({&label, 1}, vector, {&owner, 1});
}

absl::Status TenantTree::InsertMany(std::span<const int64_t> labels,
                                    std::span<const float> vectors,
                                    std::span<const uint32_t> owners) {
  const size_t n = labels.size(), d = dimensions();
  if (owners.size() != n || vectors.size() != n * d) {
    return absl::InvalidArgumentError(absl::StrCat(n, " labels, ", owners.size(), " owners, ",
                                                   vectors.size(), " numbers of vectors of ", d,
                                                   " dimensions"));
  }
  absl::flat_hash_map<int64_t, size_t> seen;
  for (size_t i = 0; i < n; ++i) {
    WEIR_RETURN_IF_ERROR(CheckVector(vectors.subspan(i * d, d)));
    if (slot_of_.contains(labels[i]) || !seen.try_emplace(labels[i], i).second)
      return absl::AlreadyExistsError(absl::StrCat("vector ", labels[i], " is there already"));
  }
  std::vector<uint32_t> leaves(n);
  for (size_t i = 0; i < n; ++i) leaves[i] = tree_->Descend(vectors.subspan(i * d, d));
  std::vector<uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0u);
  const auto rank = [&](uint32_t i) { return tree_->nodes()[leaves[i]].first_leaf; };
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t a, uint32_t b) { return rank(a) < rank(b); });
  Reserve(n);
  for (const uint32_t i : order)
    Place(labels[i], vectors.subspan(i * d, d), owners[i], leaves[i]);
  return absl::OkStatus();
}

// REQUIRES: the tenant does not have it.
void TenantTree::AddGrant(uint32_t slot, uint32_t tenant) {
  access_.Add(slot, tenant);
  ++counts_[tenant];
  lists_.Add(tenant, slot, [this](uint32_t s) { return leaf_[s]; });
}

bool TenantTree::RemoveGrant(uint32_t slot, uint32_t tenant) {
  if (!access_.Remove(slot, tenant)) return false;
  const auto count = counts_.find(tenant);
  if (--count->second == 0) counts_.erase(count);
  lists_.Remove(tenant, slot, leaf_[slot]);
  return true;
}

absl::StatusOr<bool> TenantTree::Grant(int64_t label, uint32_t tenant) {
  WEIR_ASSIGN_OR_RETURN(const uint32_t slot, Find(label));
  if (access_.Has(slot, tenant)) return false;
  AddGrant(slot, tenant);
  return true;
}

absl::StatusOr<bool> TenantTree::Revoke(int64_t label, uint32_t tenant) {
  WEIR_ASSIGN_OR_RETURN(const uint32_t slot, Find(label));
  return RemoveGrant(slot, tenant);
}

absl::Status TenantTree::Delete(int64_t label, uint32_t tenant) {
  const absl::StatusOr<uint32_t> slot = Find(label);
  // The same as for a label that is not there: nobody learns of others' vectors.
  if (!slot.ok() || !access_.Has(*slot, tenant))
    return absl::NotFoundError(absl::StrCat("no vector ", label));
  if (owner_[*slot] != tenant) {
    return absl::PermissionDeniedError(
        absl::StrCat("tenant ", tenant, " does not own vector ", label));
  }
  Free(*slot);
  return absl::OkStatus();
}

void TenantTree::Free(uint32_t slot) {
  while (!access_.Of(slot).empty()) RemoveGrant(slot, access_.Of(slot).back());
  slot_of_.erase(labels_[slot]);
  leaf_[slot] = kFree;
  free_.push_back(slot);
}

absl::StatusOr<std::vector<Scored>> TenantTree::Search(std::span<const float> query, int64_t k,
                                                       uint32_t tenant,
                                                       const TenantSearchOptions& options) const {
  if (k < 1) return absl::InvalidArgumentError(absl::StrCat("k: ", k, "; expected at least 1"));
  if (query.size() != dimensions() ||
      !std::all_of(query.begin(), query.end(), [](float x) { return std::isfinite(x); })) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a query of ", query.size(), " dimensions or with no finite number; expected ",
        dimensions(), " dimensions"));
  }
  const size_t count = CountOf(tenant);
  if (count == 0) return std::vector<Scored>();
  const TreeQuery q(query);
  k = std::min(k, static_cast<int64_t>(count));
  const size_t patience = count <= options_.longest_list ? 0 : PatienceFor(options.patience, count);
  NearestRows nearest(q, static_cast<size_t>(k),
                      patience == 0 ? 0 : std::max<size_t>(k, options.running));
  WalkTree(
      *tree_, q, patience, [&](uint32_t node) { return lists_.At(node, tenant); },
      [&](std::span<const uint32_t> slots) {
        return nearest.Scan(slots, codes_.data(), scales_.data());
      });
  TopK top(k);
  const std::vector<uint32_t> slots = nearest.Take();
  const auto ask = [&](size_t i) {
    if (i >= slots.size()) return;
    PrefetchRow(&rows_[slots[i] * dimensions()], dimensions());
    __builtin_prefetch(&labels_[slots[i]]);
    access_.Prefetch(slots[i]);
  };
  for (const uint32_t slot : slots) access_.PrefetchPlace(slot);
  for (size_t i = 0; i < kRescoreAhead; ++i) ask(i);
  for (size_t i = 0; i < slots.size(); ++i) {
    ask(i + kRescoreAhead);
    if (!access_.Has(slots[i], tenant)) continue;  // whatever a list says
    const float* row = &rows_[slots[i] * dimensions()];
    top.Add({labels_[slots[i]], tensor::Dot(query.data(), row, dimensions())});
  }
  return top.Take();
}

std::vector<Scored> TenantTree::SearchExactly(std::span<const float> query, int64_t k,
                                              uint32_t tenant) const {
  TopK top(k);
  for (uint32_t slot = 0; slot < labels_.size(); ++slot) {
    if (!access_.Has(slot, tenant)) continue;
    top.Add({labels_[slot],
             tensor::Dot(query.data(), &rows_[slot * dimensions()], dimensions())});
  }
  return top.Take();
}

size_t TenantTree::CountOf(uint32_t tenant) const {
  const auto at = counts_.find(tenant);
  return at == counts_.end() ? 0 : at->second;
}

bool TenantTree::Has(int64_t label, uint32_t tenant) const {
  const auto at = slot_of_.find(label);
  return at != slot_of_.end() && access_.Has(at->second, tenant);
}

std::optional<uint32_t> TenantTree::OwnerOf(int64_t label) const {
  const auto at = slot_of_.find(label);
  if (at == slot_of_.end()) return std::nullopt;
  return owner_[at->second];
}

std::vector<int64_t> TenantTree::LabelsOf(uint32_t tenant) const {
  std::vector<int64_t> labels;
  for (uint32_t slot = 0; slot < labels_.size(); ++slot) {
    if (access_.Has(slot, tenant)) labels.push_back(labels_[slot]);
  }
  std::sort(labels.begin(), labels.end());
  return labels;
}

TenantTree::Memory TenantTree::MemoryUse() const {
  Memory m;
  m.rows = rows_.capacity() * sizeof(float);
  m.index = codes_.capacity() + scales_.capacity() * sizeof(float) +
            labels_.capacity() * sizeof(int64_t) + leaf_.capacity() * sizeof(uint32_t) +
            slot_of_.capacity() * (sizeof(std::pair<int64_t, uint32_t>) + 1) + tree_->bytes();
  m.tenants = lists_.bytes() + owner_.capacity() * sizeof(uint32_t) +
              access_.bytes() +
              counts_.capacity() * (sizeof(std::pair<uint32_t, uint32_t>) + 1);
  return m;
}

}  // namespace weir::index
