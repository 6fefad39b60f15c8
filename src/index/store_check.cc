// The whole store, verified: every checksum, every cross reference. One line a problem.
#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "index/lexical/check.h"
#include "index/store_folder.h"

namespace weir::index {
namespace {

using Lines = std::vector<std::string>;

void Note(const absl::Status& status, Lines& lines) {
  if (!status.ok()) lines.emplace_back(status.message());
}

bool Covered(const std::vector<IdRange>& sorted, int64_t id) {
  auto at =
      std::upper_bound(sorted.begin(), sorted.end(), id,
                       [](int64_t value, const IdRange& range) { return value < range.first; });
  return at != sorted.begin() && (at - 1)->last >= id;
}

// Each id that a segment holds is a passage of a document, or deleted.
template <class Segment>
void CheckOwners(const std::vector<Loaded<Segment>>& segments, const std::vector<IdRange>& live,
                 Lines& lines, std::vector<int64_t>* found) {
  for (const auto& loaded : segments) {
    int64_t strangers = 0;
    for (uint32_t r = 0; r < loaded.segment->rows(); ++r) {
      if (loaded.deleted->Contains(r)) continue;
      const int64_t id = loaded.segment->passage(r);
      strangers += !Covered(live, id);
      if (found != nullptr) found->push_back(id);
    }
    if (strangers > 0) {
      lines.push_back(
          absl::StrCat(loaded.row.info.name, ": ", strangers, " rows belong to no document"));
    }
  }
}

void CheckDocument(const DocumentRow& d, const std::vector<text::Passage>& passages,
                   const Snapshot& now, Lines& lines) {
  auto text = now.texts.find(d.text_segment);
  if (text == now.texts.end() || d.text_start < 0 || d.text_size < 0 ||
      static_cast<uint64_t>(d.text_start) > text->second->size() ||
      static_cast<uint64_t>(d.text_size) >
          text->second->size() - static_cast<uint64_t>(d.text_start)) {
    lines.push_back(
        absl::StrCat("document ", d.id, " (", d.path, "): its text is in no text segment"));
  }
  if (static_cast<int64_t>(passages.size()) != d.passage_count) {
    lines.push_back(absl::StrCat("document ", d.id, " (", d.path, "): ", passages.size(),
                                 " passages; expected ", d.passage_count));
  }
  for (const text::Passage& p : passages) {
    if (p.document != d.id || p.span.start < 0 || p.span.end < p.span.start ||
        p.span.end > d.text_size) {
      lines.push_back(absl::StrCat("passage ", p.id, " of ", d.path, ": span [", p.span.start, ", ",
                                   p.span.end, ") of a text of ", d.text_size, " bytes"));
    }
  }
}

void CheckTombstones(const std::vector<IdRange>& tombstones, const std::vector<IdRange>& live,
                     Lines& lines) {
  for (const IdRange& t : tombstones) {
    if (Covered(live, t.first) || Covered(live, t.last)) {
      lines.push_back(absl::StrCat("catalogue: passage ", t.first, " is both deleted and live"));
    }
  }
}

template <class Segment>
absl::Status CheckSegments(const std::vector<Loaded<Segment>>& segments, const Context& context,
                           Lines& lines) {
  for (const auto& s : segments) {
    WEIR_RETURN_IF_ERROR(context.CheckCancelled());
    Note(s.segment->file().Verify(), lines);
    Note(s.segment->Check(), lines);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<std::string>> FolderStore::Check(const Context& context) const {
  Lines lines;
  const absl::Status status = CheckInto(context, lines);
  if (status.ok()) return lines;
  if (!absl::IsDataLoss(status)) return status;
  Note(status, lines);  // what cannot be read is one more problem
  return lines;
}

absl::Status FolderStore::CheckGiven(std::vector<std::string>& lines) const {
  WEIR_ASSIGN_OR_RETURN(const int64_t strays, catalogue_->given_terms().Dangling());
  if (strays > 0) {
    lines.push_back(absl::StrCat("catalogue: given terms of ", strays,
                                 " documents that are not there"));
  }
  WEIR_ASSIGN_OR_RETURN(const int64_t damaged, catalogue_->given_terms().Damaged());
  if (damaged > 0) {
    lines.push_back(absl::StrCat("catalogue: given terms of ", damaged,
                                 " documents cannot be read"));
  }
  return absl::OkStatus();
}

absl::Status FolderStore::CheckInto(const Context& context,
                                    std::vector<std::string>& lines) const {
  std::lock_guard lock(catalogue_mutex_);
  const std::shared_ptr<const Snapshot> now = snapshot();
  WEIR_ASSIGN_OR_RETURN(lines, catalogue_->IntegrityCheck());
  for (const auto& s : now->lexical) {
    WEIR_RETURN_IF_ERROR(context.CheckCancelled());
    Note(s.segment->file().Verify(), lines);
    Note(CheckLexicalSegment(*s.segment), lines);
  }
  WEIR_RETURN_IF_ERROR(CheckSegments(now->vectors, context, lines));
  for (const VectorSet& set : now->beside)
    WEIR_RETURN_IF_ERROR(CheckSegments(set.segments, context, lines));
  WEIR_RETURN_IF_ERROR(CheckSegments(now->sparse, context, lines));
  WEIR_RETURN_IF_ERROR(CheckSegments(now->multi, context, lines));
  for (const auto& [id, text] : now->texts) {
    WEIR_RETURN_IF_ERROR(context.CheckCancelled());
    Note(text->file().Verify(), lines);
    Note(text->Check(), lines);
  }
  WEIR_ASSIGN_OR_RETURN(const std::vector<DocumentRow> documents, catalogue_->Documents());
  std::vector<IdRange> live;
  int64_t passages_of_documents = 0;
  for (const DocumentRow& d : documents) {
    WEIR_ASSIGN_OR_RETURN(const std::vector<text::Passage> passages, catalogue_->PassagesOf(d.id));
    CheckDocument(d, passages, *now, lines);
    passages_of_documents += static_cast<int64_t>(passages.size());
    if (d.passage_count > 0)
      live.push_back({d.first_passage, d.first_passage + d.passage_count - 1});
  }
  std::sort(live.begin(), live.end(),
            [](const IdRange& a, const IdRange& b) { return a.first < b.first; });
  for (size_t i = 1; i < live.size(); ++i) {
    if (live[i].first <= live[i - 1].last) {
      lines.push_back(absl::StrCat("passage ", live[i].first, " belongs to two documents"));
    }
  }
  WEIR_ASSIGN_OR_RETURN(const int64_t passage_rows, catalogue_->PassageCount());
  if (passage_rows != passages_of_documents) {
    lines.push_back(absl::StrCat("catalogue: ", passage_rows - passages_of_documents,
                                 " passages without a document"));
  }
  WEIR_ASSIGN_OR_RETURN(const std::vector<IdRange> tombstones, catalogue_->Tombstones());
  CheckTombstones(tombstones, live, lines);
  WEIR_ASSIGN_OR_RETURN(const int64_t dangling, catalogue_->grants().Dangling());
  if (dangling > 0) {
    lines.push_back(
        absl::StrCat("catalogue: ", dangling, " grants of no document or to no tenant"));
  }
  WEIR_ASSIGN_OR_RETURN(const int64_t strays, catalogue_->fields().Dangling());
  if (strays > 0) lines.push_back(absl::StrCat("catalogue: ", strays, " fields of no document"));
  WEIR_RETURN_IF_ERROR(CheckGiven(lines));
  std::vector<int64_t> lexical;
  CheckOwners(now->lexical, live, lines, &lexical);
  CheckOwners(now->vectors, live, lines, nullptr);
  for (const VectorSet& set : now->beside) CheckOwners(set.segments, live, lines, nullptr);
  CheckOwners(now->sparse, live, lines, nullptr);
  CheckOwners(now->multi, live, lines, nullptr);
  std::sort(lexical.begin(), lexical.end());
  if (std::adjacent_find(lexical.begin(), lexical.end()) != lexical.end()) {
    lines.push_back("a passage is in two lexical segments");
  }
  if (static_cast<int64_t>(lexical.size()) != passage_rows) {
    lines.push_back(absl::StrCat("lexical segments hold ", lexical.size(),
                                 " passages; the catalogue ", passage_rows));
  }
  return absl::OkStatus();
}

}  // namespace weir::index
