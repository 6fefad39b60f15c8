// Technique: curator
// Source: Jin et al., Curator: Efficient Indexing for Multi-Tenant Vector Databases, 2024, arXiv
//   2401.07119, and the authors' second implementation (2025)
// Idea: One tree of clusters over all vectors, and in it a small sub-tree for each tenant: short
//   lists of its vectors, high up where it has few and further down where it has many. A search
//   walks the shape of the tenant's own data, while the vectors and the tree are stored once.
// Formulas: a node's promise: q.c - |c|^2 / 2. A grant goes down the vector's path of nearest
//   centres: to the tenant's list there, if there is one; else on, where the node's Bloom filter
//   says that the tenant is below; else a new list is made. A list longer than S moves to the
//   children; lists of siblings that have S / 2 together move up. A search scores whole lists, most
//   promising node first, and ends when lists of 48 + n / 24 rows in a row brought nothing among
//   the `running` best, n being what the tenant has.
// Cost: a grant: depth list look-ups; a search: some hundred int8 products, whatever the number of
//   vectors and of tenants; memory: 4 bytes a grant in lists, 4 in access lists, 10 bits a tenant
//   and inner node.
// Differs: lists alone as in the second version, no leaf scan; inner products of unit vectors in
//   int8, then f32 for the best; siblings merge when each has a list or nothing, not only when each
//   has a list, and at S / 2, not S, so that lists do not swing; filters are as large as their
//   tenants need and made anew, all at once, when an eighth of the lists is gone; tenants with no
//   more than S vectors are searched whole; no share of the cluster's variance in a node's promise,
//   with which more rows were scanned for the same recall (MiniLM, 10,000 of 50,000 rows); patience
//   counts rows, since lists of large tenants are short.
// Checked by: TenantTreeTest.*, TenantTreeFileTest.*   Measured by: weir bench search --tenants
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "base/context.h"
#include "index/scored.h"
#include "index/segment/segment_file.h"
#include "index/tenants/access_lists.h"
#include "index/tenants/cluster_tree.h"
#include "index/tenants/short_lists.h"

namespace weir::index {

inline constexpr int kTenantTreeSections = 8;

struct TenantTreeOptions {
  ClusterTreeOptions tree = {};
  size_t longest_list = 128;  // S
};

struct TenantSearchOptions {
  double patience = 1;  // how long lists may be in vain, see tree_walk.h; 0: scans every list
  size_t running = 32;  // the best rows that a list must get into, at least k
};

// Vectors with labels, owned by one tenant each and granted to any number. Tenants are numbers of
// the caller's. Access lists decide what is returned; lists and filters only find it.
//
// Not thread-safe while it changes; searches may run side by side.
class TenantTree {
 public:
  // Without a trained tree: one leaf, in which each tenant's vectors are scanned.
  TenantTree(size_t dimensions, const TenantTreeOptions& options);
  // The tree alone, of a sample of what will be inserted: [n, dimensions], unit length.
  static absl::StatusOr<std::unique_ptr<TenantTree>> Train(std::span<const float> sample,
                                                           size_t dimensions,
                                                           const TenantTreeOptions& options,
                                                           const Context& context);

  // kAlreadyExists for a label that is there, kInvalidArgument for a vector of other dimensions or
  // not of unit length. The owner is granted the vector.
  absl::Status Insert(int64_t label, std::span<const float> vector, uint32_t owner);
  // Several at once, in the order of their paths, so that what is scanned together lies together:
  // vectors [labels, dimensions].
  absl::Status InsertMany(std::span<const int64_t> labels, std::span<const float> vectors,
                          std::span<const uint32_t> owners);
  // False when the tenant had it already. kNotFound for an unknown label.
  absl::StatusOr<bool> Grant(int64_t label, uint32_t tenant);
  // False when the tenant did not have it. kNotFound for an unknown label.
  absl::StatusOr<bool> Revoke(int64_t label, uint32_t tenant);
  // kNotFound unless the tenant has it, kPermissionDenied unless it owns it.
  absl::Status Delete(int64_t label, uint32_t tenant);

  // The tenant's best k by (score descending, label ascending), fewer when it has fewer; none
  // for an unknown tenant. Scores are f32 inner products. kInvalidArgument for k below 1 and for a
  // query of other dimensions or that is not finite.
  absl::StatusOr<std::vector<Scored>> Search(std::span<const float> query, int64_t k,
                                             uint32_t tenant,
                                             const TenantSearchOptions& options = {}) const;
  // The same by scoring each of the tenant's vectors in f32.
  std::vector<Scored> SearchExactly(std::span<const float> query, int64_t k,
                                    uint32_t tenant) const;

  size_t size() const { return slot_of_.size(); }
  size_t dimensions() const { return tree_->dimensions(); }
  size_t CountOf(uint32_t tenant) const;
  bool Has(int64_t label, uint32_t tenant) const;
  std::optional<uint32_t> OwnerOf(int64_t label) const;
  std::vector<int64_t> LabelsOf(uint32_t tenant) const;  // ascending

  // Bytes: what an index without tenants takes beside its f32 rows, the f32 rows, and what tenants
  // add.
  struct Memory {
    size_t index = 0, rows = 0, tenants = 0;
  };
  Memory MemoryUse() const;

  // docs/formats/tenant-tree.md. Load gives kDataLoss for bytes that no Save wrote.
  absl::StatusOr<SegmentInfo> Save(const std::string& folder, const std::string& name) const;
  static absl::StatusOr<std::unique_ptr<TenantTree>> Load(const std::string& path);
  static absl::StatusOr<std::unique_ptr<TenantTree>> FromFile(const SegmentFile& file);

 private:
  static constexpr uint32_t kFree = ~0u;  // leaf of a slot that is not in use

  TenantTree(ClusterTree tree, const TenantTreeOptions& options);
  absl::Status CheckVector(std::span<const float> vector) const;
  absl::StatusOr<uint32_t> Find(int64_t label) const;
  void Reserve(size_t more);
  void Place(int64_t label, std::span<const float> vector, uint32_t owner, uint32_t leaf);
  void AddGrant(uint32_t slot, uint32_t tenant);
  bool RemoveGrant(uint32_t slot, uint32_t tenant);
  void Free(uint32_t slot);
  absl::Status ReadSlots(const SegmentFile& file);
  absl::Status ReadLists(const SegmentFile& file);

  TenantTreeOptions options_;
  std::unique_ptr<const ClusterTree> tree_;
  ShortLists lists_;
  // By slot.
  std::vector<int64_t> labels_;
  std::vector<uint32_t> leaf_, owner_;
  AccessLists access_;
  std::vector<float> rows_;   // [slots, dimensions]
  std::vector<int8_t> codes_;  // the same, int8
  std::vector<float> scales_;
  std::vector<uint32_t> free_;
  absl::flat_hash_map<int64_t, uint32_t> slot_of_;
  absl::flat_hash_map<uint32_t, uint32_t> counts_;  // vectors of each tenant
};

}  // namespace weir::index
