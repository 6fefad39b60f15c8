// Merging segments: new file, fsync, then one transaction that names it instead of the old ones,
// then the old files are removed. A kill leaves either the old segments or the new one in the
// catalogue.
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/status.h"
#include "index/lexical/merge.h"
#include "index/store_folder.h"

namespace weir::index {
namespace {

// A merged lexical segment stays below this many rows, so that its sections stay small and merges
// short.
constexpr int64_t kMaxMergedRows = int64_t{1} << 26;

struct Size {
  size_t at;      // in the caller's list
  int64_t live;   // rows
  int64_t rows;   // deleted ones included
};

// Which segments to merge now. Tiers: the smallest ones, as many as keep every segment within twice
// the sum of those below it, so a row is rewritten about log(rows) times. Mostly deleted segments
// are rewritten alone.
std::vector<size_t> Choose(std::vector<Size> sizes, bool all) {
  std::vector<size_t> chosen;
  if (all) {
    const bool dirty =
        std::any_of(sizes.begin(), sizes.end(), [](const Size& s) { return s.live < s.rows; });
    if (sizes.size() > 1 || dirty) {
      for (const Size& s : sizes) chosen.push_back(s.at);
    }
    return chosen;
  }
  std::sort(sizes.begin(), sizes.end(), [](const Size& a, const Size& b) {
    return a.live != b.live ? a.live < b.live : a.at < b.at;
  });
  if (sizes.size() > kMaxSegments) {
    int64_t sum = 0;
    for (const Size& s : sizes) {
      if (chosen.size() >= 2 && (s.live > 2 * sum || sum + s.live > kMaxMergedRows)) break;
      chosen.push_back(s.at);
      sum += s.live;
    }
    return chosen;
  }
  for (const Size& s : sizes) {
    if (2 * s.live < s.rows) return {s.at};
  }
  return chosen;
}

template <class Segment>
std::vector<size_t> ChooseLoaded(const std::vector<Loaded<Segment>>& segments, bool all) {
  std::vector<Size> sizes;
  for (size_t i = 0; i < segments.size(); ++i) {
    sizes.push_back({i, segments[i].live(), static_cast<int64_t>(segments[i].segment->rows())});
  }
  return Choose(std::move(sizes), all);
}

// The merged file's note; nullopt when no row was live, so that nothing was written.
absl::StatusOr<std::optional<SegmentInfo>> Merged(absl::StatusOr<SegmentInfo> info) {
  if (absl::IsNotFound(info.status())) return std::optional<SegmentInfo>();
  if (!info.ok()) return info.status();
  return std::optional<SegmentInfo>(*std::move(info));
}

}  // namespace

absl::Status FolderStore::Replace(const std::vector<SegmentRow>& old,
                                  const std::optional<SegmentInfo>& merged,
                                  const std::vector<DocumentRow>& moved, int64_t vector_set) {
  WEIR_RETURN_IF_ERROR(SyncFolder(segments_folder_));
  std::vector<SegmentInfo> gone;
  {
    std::lock_guard lock(catalogue_mutex_);
    WEIR_ASSIGN_OR_RETURN(Transaction transaction, catalogue_->BeginWrite());
    int64_t id = -1;
    if (merged.has_value()) {
      WEIR_ASSIGN_OR_RETURN(id, catalogue_->AddSegment(*merged));
      if (vector_set != 0)
        WEIR_RETURN_IF_ERROR(catalogue_->vector_sets().Assign(id, vector_set));
    }
    for (const DocumentRow& row : moved)
      WEIR_RETURN_IF_ERROR(catalogue_->MoveText(row.id, id, row.text_start));
    for (const SegmentRow& row : old) {
      WEIR_RETURN_IF_ERROR(catalogue_->RemoveSegment(row.id));
      if (vector_set != 0)
        WEIR_RETURN_IF_ERROR(catalogue_->vector_sets().ForgetSegment(row.id));
      gone.push_back(row.info);
    }
    WEIR_RETURN_IF_ERROR(Finish(transaction));
  }
  Discard(gone);
  return absl::OkStatus();
}

absl::Status FolderStore::MergeLexical(bool all, const Context& context) {
  const std::shared_ptr<const Snapshot> now = snapshot();
  std::vector<SegmentView> views;
  std::vector<SegmentRow> old;
  for (size_t i : ChooseLoaded(now->lexical, all)) {
    views.push_back({now->lexical[i].segment.get(), now->lexical[i].deleted.get()});
    old.push_back(now->lexical[i].row);
  }
  if (old.empty()) return absl::OkStatus();
  WEIR_ASSIGN_OR_RETURN(
      auto merged, Merged(MergeLexicalSegments(views, segments_folder_, SegmentName("lexical"),
                                               context, {.reorder_from = reorder_from_})));
  return Replace(old, merged, {});
}

absl::Status FolderStore::MergeVectors(bool all, const Context& context) {
  const std::shared_ptr<const Snapshot> now = snapshot();
  WEIR_RETURN_IF_ERROR(MergeVectors(now->vectors, now->vector_set, all, context));
  for (const VectorSet& set : now->beside)
    WEIR_RETURN_IF_ERROR(MergeVectors(set.segments, set.id, all, context));
  return absl::OkStatus();
}

absl::Status FolderStore::MergeVectors(const std::vector<Loaded<VectorSegment>>& segments,
                                       int64_t set, bool all, const Context& context) {
  std::vector<VectorView> views;
  std::vector<SegmentRow> old;
  for (size_t i : ChooseLoaded(segments, all)) {
    views.push_back({segments[i].segment.get(), segments[i].deleted.get()});
    old.push_back(segments[i].row);
  }
  if (old.empty()) return absl::OkStatus();
  WEIR_ASSIGN_OR_RETURN(auto merged, Merged(MergeVectorSegments(views, segments_folder_,
                                                                SegmentName("vector"), context)));
  return Replace(old, merged, {}, set);
}

absl::Status FolderStore::MergeSparse(bool all, const Context& context) {
  const std::shared_ptr<const Snapshot> now = snapshot();
  std::vector<SparseView> views;
  std::vector<SegmentRow> old;
  for (size_t i : ChooseLoaded(now->sparse, all)) {
    views.push_back({now->sparse[i].segment.get(), now->sparse[i].deleted.get()});
    old.push_back(now->sparse[i].row);
  }
  if (old.empty()) return absl::OkStatus();
  WEIR_ASSIGN_OR_RETURN(auto merged, Merged(MergeSparseSegments(views, segments_folder_,
                                                                SegmentName("sparse"), context)));
  return Replace(old, merged, {});
}

absl::Status FolderStore::MergeMulti(bool all, const Context& context) {
  const std::shared_ptr<const Snapshot> now = snapshot();
  std::vector<MultiView> views;
  std::vector<SegmentRow> old;
  // Those whose words saw few tokens wait for being encoded again (EncodeTokensAgain).
  std::vector<Loaded<MultiSegment>> ready = now->multi;
  const auto taught = [](const auto& loaded) { return loaded.segment->well_trained(); };
  if (!all && std::any_of(ready.begin(), ready.end(), taught))
    std::erase_if(ready, std::not_fn(taught));
  for (size_t i : ChooseLoaded(ready, all)) {
    views.push_back({ready[i].segment.get(), ready[i].deleted.get()});
    old.push_back(ready[i].row);
  }
  if (old.empty()) return absl::OkStatus();
  WEIR_ASSIGN_OR_RETURN(auto merged, Merged(MergeMultiSegments(views, segments_folder_,
                                                               SegmentName("multi"), context)));
  return Replace(old, merged, {});
}

absl::Status FolderStore::MergeTexts(bool all, const Context& context) {
  const std::shared_ptr<const Snapshot> now = snapshot();
  // Counting what is live means reading the catalogue; without Compact the texts' size is judged by
  // all rows.
  std::vector<Size> sizes;
  for (size_t i = 0; i < now->text_rows.size(); ++i) {
    const int64_t rows = static_cast<int64_t>(now->text_rows[i].info.rows);
    sizes.push_back({i, all ? -1 : rows, rows});
  }
  std::vector<SegmentRow> old;
  std::vector<DocumentRow> moved;
  for (size_t i : Choose(std::move(sizes), all)) {
    std::lock_guard lock(catalogue_mutex_);
    WEIR_ASSIGN_OR_RETURN(const auto rows, catalogue_->DocumentsOfText(now->text_rows[i].id));
    old.push_back(now->text_rows[i]);
    moved.insert(moved.end(), rows.begin(), rows.end());
  }
  if (old.size() == 1 &&
      static_cast<int64_t>(moved.size()) == static_cast<int64_t>(old[0].info.rows)) {
    return absl::OkStatus();  // nothing to drop
  }
  if (old.empty()) return absl::OkStatus();
  if (moved.empty()) return Replace(old, std::nullopt, {});
  std::sort(moved.begin(), moved.end(),
            [](const DocumentRow& a, const DocumentRow& b) { return a.id < b.id; });
  WEIR_ASSIGN_OR_RETURN(auto writer,
                        TextSegmentWriter::Create(segments_folder_, SegmentName("text")));
  for (DocumentRow& row : moved) {
    WEIR_RETURN_IF_ERROR(context.CheckCancelled());
    WEIR_ASSIGN_OR_RETURN(const std::string text, ReadText(row, 0, row.text_size));
    WEIR_ASSIGN_OR_RETURN(const uint64_t start, writer->Add(text));
    row.text_start = static_cast<int64_t>(start);
  }
  writer->set_rows(moved.size());
  WEIR_ASSIGN_OR_RETURN(SegmentInfo info, writer->Commit());
  return Replace(old, std::move(info), moved);
}

absl::Status FolderStore::Merge(bool all, const Context& context) {
  WEIR_RETURN_IF_ERROR(MergeLexical(all, context));
  WEIR_RETURN_IF_ERROR(MergeVectors(all, context));
  WEIR_RETURN_IF_ERROR(MergeSparse(all, context));
  WEIR_RETURN_IF_ERROR(MergeMulti(all, context));
  WEIR_RETURN_IF_ERROR(MergeTexts(all, context));
  return PurgeTombstones();
}

// A tombstone goes once no segment holds a row of it. Ids are never given twice.
absl::Status FolderStore::PurgeTombstones() {
  const std::shared_ptr<const Snapshot> now = snapshot();
  std::set<int64_t> held;  // passage ids that are deleted but still in a segment
  for (const auto& s : now->lexical) {
    for (uint32_t row : s.deleted->rows) held.insert(s.segment->passage(row));
  }
  for (const auto& s : now->vectors) {
    for (uint32_t row : s.deleted->rows) held.insert(s.segment->passage(row));
  }
  for (const auto& s : now->sparse) {
    for (uint32_t row : s.deleted->rows) held.insert(s.segment->passage(row));
  }
  for (const auto& s : now->multi) {
    for (uint32_t row : s.deleted->rows) held.insert(s.segment->passage(row));
  }
  std::lock_guard lock(catalogue_mutex_);
  WEIR_ASSIGN_OR_RETURN(const std::vector<IdRange> tombstones, catalogue_->Tombstones());
  std::vector<IdRange> free;
  for (const IdRange& t : tombstones) {
    auto at = held.lower_bound(t.first);
    if (at == held.end() || *at > t.last) free.push_back(t);
  }
  if (free.empty()) return absl::OkStatus();
  WEIR_ASSIGN_OR_RETURN(Transaction transaction, catalogue_->BeginWrite());
  for (const IdRange& t : free) WEIR_RETURN_IF_ERROR(catalogue_->RemoveTombstone(t.first));
  return transaction.Commit();
}

absl::Status FolderStore::Compact(const Context& context) {
  WEIR_RETURN_IF_ERROR(Writable());
  return Merge(true, context);
}

}  // namespace weir::index
