// The tenant tree in a file. Everything is checked while it is read, since nothing looks at the
// bytes again.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "index/tenants/tenant_tree.h"
#include "tensor/vector.h"

namespace weir::index {
namespace {

enum {
  kNodesSection,    // u32 children of each node, f32 scales, f32 biases
  kCentresSection,  // i8 [nodes, dimensions]
  kLabelsSection,   // i64 of each row
  kPlacesSection,   // u32 leaves of the rows, u32 owners
  kRowsSection,     // f32 [rows, dimensions]
  kAccessSection,   // u32 count of each row, then u32 tenants
  kKeysSection,     // u32 node, tenant, count of each list
  kListsSection     // u32 rows
};
enum { kDimensionsParam, kNodesParam, kLongestParam, kListsParam };
constexpr uint64_t kMaxTreeDimensions = 65536;
constexpr uint64_t kMaxRows = uint64_t{1} << 31;

// The numbers of a section, one after the other. REQUIRES: as many are there.
template <class T>
std::vector<T> Numbers(const SegmentFile& file, int section, size_t first, size_t n) {
  std::vector<T> out(n);
  if (n == 0) return out;
  std::memcpy(out.data(), file.section(section).data() + first * sizeof(T), n * sizeof(T));
  return out;
}

bool HasBytes(const SegmentFile& file, int section, uint64_t bytes) {
  return file.section(section).size() == bytes;
}

absl::Status CheckSizes(const SegmentFile& file) {
  const uint64_t d = file.param(kDimensionsParam), nodes = file.param(kNodesParam);
  const uint64_t rows = file.rows(), lists = file.param(kListsParam);
  if (d == 0 || d > kMaxTreeDimensions || nodes == 0 || nodes > ClusterTree::kMaxNodes ||
      rows > kMaxRows || lists > file.bytes() || file.param(kLongestParam) > kMaxRows) {
    return file.Damaged(kNodesSection, 0, "parameters out of their ranges");
  }
  const uint64_t sizes[] = {nodes * 12, nodes * d, rows * 8, rows * 8, rows * d * 4};
  for (int s = kNodesSection; s <= kRowsSection; ++s) {
    if (!HasBytes(file, s, sizes[s]))
      return file.Damaged(s, file.section_offset(s), "size does not match the rows");
  }
  if (file.section(kAccessSection).size() < rows * 4 ||
      file.section(kAccessSection).size() % 4 != 0)
    return file.Damaged(kAccessSection, 0, "size does not match the rows");
  if (!HasBytes(file, kKeysSection, lists * 12) || file.section(kListsSection).size() % 4 != 0)
    return file.Damaged(kKeysSection, 0, "size does not match the lists");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SegmentInfo> TenantTree::Save(const std::string& folder,
                                             const std::string& name) const {
  WEIR_ASSIGN_OR_RETURN(auto writer, SegmentWriter::Create(folder, name, SegmentKind::kTenants));
  // Rows in the order of slots, without those that are free.
  std::vector<uint32_t> slots, row_of(labels_.size()), children, leaves, owners, access, tenants;
  for (uint32_t slot = 0; slot < labels_.size(); ++slot) {
    if (leaf_[slot] == kFree) continue;
    row_of[slot] = static_cast<uint32_t>(slots.size());
    slots.push_back(slot);
    leaves.push_back(leaf_[slot]);
    owners.push_back(owner_[slot]);
    const std::span<const uint32_t> of = access_.Of(slot);
    access.push_back(static_cast<uint32_t>(of.size()));
    tenants.insert(tenants.end(), of.begin(), of.end());
  }
  for (const ClusterTree::Node& node : tree_->nodes()) children.push_back(node.children);
  std::vector<ShortLists::Key> keys;
  for (const auto& [key, list] : lists_.lists()) keys.push_back(key);
  std::sort(keys.begin(), keys.end());
  std::vector<uint32_t> heads, members;
  for (const ShortLists::Key& key : keys) {
    const std::span<const uint32_t> list = lists_.Of(lists_.lists().at(key));
    heads.insert(heads.end(), {key.first, key.second, static_cast<uint32_t>(list.size())});
    for (const uint32_t slot : list) members.push_back(row_of[slot]);
  }
  const auto numbers = [&](auto span) { return writer->AppendArray(span); };
  using Words = std::span<const uint32_t>;
  WEIR_RETURN_IF_ERROR(writer->BeginSection());
  WEIR_RETURN_IF_ERROR(numbers(Words(children)));
  WEIR_RETURN_IF_ERROR(numbers(tree_->scales()));
  WEIR_RETURN_IF_ERROR(numbers(tree_->biases()));
  WEIR_RETURN_IF_ERROR(writer->BeginSection());
  WEIR_RETURN_IF_ERROR(numbers(tree_->centres()));
  WEIR_RETURN_IF_ERROR(writer->BeginSection());
  for (const uint32_t slot : slots)
    WEIR_RETURN_IF_ERROR(numbers(std::span<const int64_t>(&labels_[slot], 1)));
  WEIR_RETURN_IF_ERROR(writer->BeginSection());
  WEIR_RETURN_IF_ERROR(numbers(Words(leaves)));
  WEIR_RETURN_IF_ERROR(numbers(Words(owners)));
  WEIR_RETURN_IF_ERROR(writer->BeginSection());
  for (const uint32_t slot : slots) {
    WEIR_RETURN_IF_ERROR(
        numbers(std::span<const float>(&rows_[slot * dimensions()], dimensions())));
  }
  WEIR_RETURN_IF_ERROR(writer->BeginSection());
  WEIR_RETURN_IF_ERROR(numbers(Words(access)));
  WEIR_RETURN_IF_ERROR(numbers(Words(tenants)));
  WEIR_RETURN_IF_ERROR(writer->BeginSection());
  WEIR_RETURN_IF_ERROR(numbers(Words(heads)));
  WEIR_RETURN_IF_ERROR(writer->BeginSection());
  WEIR_RETURN_IF_ERROR(numbers(Words(members)));
  writer->set_rows(slots.size());
  writer->set_param(kDimensionsParam, dimensions());
  writer->set_param(kNodesParam, tree_->nodes().size());
  writer->set_param(kLongestParam, options_.longest_list);
  writer->set_param(kListsParam, keys.size());
  return writer->Commit();
}

absl::StatusOr<std::unique_ptr<TenantTree>> TenantTree::Load(const std::string& path) {
  WEIR_ASSIGN_OR_RETURN(const auto file,
                        SegmentFile::Open(path, SegmentKind::kTenants, kTenantTreeSections));
  WEIR_RETURN_IF_ERROR(file->Verify());
  return FromFile(*file);
}

absl::StatusOr<std::unique_ptr<TenantTree>> TenantTree::FromFile(const SegmentFile& file) {
  WEIR_RETURN_IF_ERROR(CheckSizes(file));
  const size_t d = file.param(kDimensionsParam), nodes = file.param(kNodesParam);
  absl::StatusOr<ClusterTree> tree = ClusterTree::Restore(
      d, Numbers<uint32_t>(file, kNodesSection, 0, nodes),
      Numbers<float>(file, kNodesSection, nodes, nodes),
      Numbers<float>(file, kNodesSection, 2 * nodes, nodes),
      Numbers<int8_t>(file, kCentresSection, 0, nodes * d));
  if (!tree.ok()) return file.Damaged(kNodesSection, 0, tree.status().message());
  TenantTreeOptions options;
  options.longest_list = file.param(kLongestParam);
  auto out = std::unique_ptr<TenantTree>(new TenantTree(*std::move(tree), options));
  WEIR_RETURN_IF_ERROR(out->ReadSlots(file));
  WEIR_RETURN_IF_ERROR(out->ReadLists(file));
  return out;
}

absl::Status TenantTree::ReadSlots(const SegmentFile& file) {
  const size_t rows = file.rows(), d = dimensions();
  labels_ = Numbers<int64_t>(file, kLabelsSection, 0, rows);
  leaf_ = Numbers<uint32_t>(file, kPlacesSection, 0, rows);
  owner_ = Numbers<uint32_t>(file, kPlacesSection, rows, rows);
  rows_ = Numbers<float>(file, kRowsSection, 0, rows * d);
  codes_.resize(rows * d);
  scales_.resize(rows);
  access_.Reserve(rows);
  const auto access = Numbers<uint32_t>(file, kAccessSection, 0,
                                        file.section(kAccessSection).size() / 4);
  size_t next = rows;
  for (size_t r = 0; r < rows; ++r) {
    const std::span<const float> row(&rows_[r * d], d);
    if (!CheckVector(row).ok())
      return file.Damaged(kRowsSection, r * d * 4, "no vector of unit length");
    scales_[r] = tensor::QuantizeInt8(row.data(), &codes_[r * d], d);
    if (leaf_[r] >= tree_->nodes().size() || !tree_->is_leaf(leaf_[r]))
      return file.Damaged(kPlacesSection, r * 4, "not a leaf");
    if (!slot_of_.try_emplace(labels_[r], static_cast<uint32_t>(r)).second)
      return file.Damaged(kLabelsSection, r * 8, "a label that stands twice");
    if (access[r] > access.size() - next)
      return file.Damaged(kAccessSection, r * 4, "more tenants than there are");
    access_.AddSlot();
    for (size_t t = next; t < next + access[r]; ++t) {
      if (t > next && access[t] <= access[t - 1])
        return file.Damaged(kAccessSection, r * 4, "tenants that do not ascend");
      access_.Add(static_cast<uint32_t>(r), access[t]);
      ++counts_[access[t]];
    }
    next += access[r];
  }
  if (next != access.size()) return file.Damaged(kAccessSection, next * 4, "tenants of no row");
  return absl::OkStatus();
}

// Each grant stands in one list, which lies on the row's path and above no other of the tenant.
absl::Status TenantTree::ReadLists(const SegmentFile& file) {
  const size_t lists = file.param(kListsParam);
  const auto heads = Numbers<uint32_t>(file, kKeysSection, 0, lists * 3);
  const auto members =
      Numbers<uint32_t>(file, kListsSection, 0, file.section(kListsSection).size() / 4);
  std::vector<std::vector<uint32_t>> found(labels_.size());
  size_t next = 0;
  for (size_t l = 0; l < lists; ++l) {
    const uint32_t node = heads[3 * l], tenant = heads[3 * l + 1], count = heads[3 * l + 2];
    const bool twice =
        l > 0 &&
        ShortLists::Key(node, tenant) <= ShortLists::Key(heads[3 * l - 3], heads[3 * l - 2]);
    if (twice || node >= tree_->nodes().size() || count == 0 || count > members.size() - next)
      return file.Damaged(kKeysSection, l * 12, "no list");
    const ClusterTree::Node& n = tree_->nodes()[node];
    const std::span<const uint32_t> slots = std::span(members).subspan(next, count);
    next += count;
    for (const uint32_t slot : slots) {
      if (slot >= labels_.size() ||
          tree_->nodes()[leaf_[slot]].first_leaf - n.first_leaf >= n.leaves)
        return file.Damaged(kListsSection, next * 4, "a row that is not below the list's node");
      found[slot].push_back(tenant);
    }
    lists_.Restore({node, tenant}, slots);
  }
  if (next != members.size()) return file.Damaged(kListsSection, next * 4, "rows of no list");
  for (size_t r = 0; r < found.size(); ++r) {
    std::sort(found[r].begin(), found[r].end());
    if (!std::ranges::equal(found[r], access_.Of(static_cast<uint32_t>(r))))
      return file.Damaged(kAccessSection, r * 4, "grants and lists do not agree");
  }
  for (const auto& [key, list] : lists_.lists()) {
    for (uint32_t node = key.first; node != ClusterTree::kRoot;) {
      node = tree_->nodes()[node].parent;
      if (lists_.lists().contains({node, key.second}))
        return file.Damaged(kKeysSection, 0, "a list above another one of the tenant");
    }
  }
  lists_.Rebuild();
  return absl::OkStatus();
}

}  // namespace weir::index
