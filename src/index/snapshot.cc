#include "index/snapshot.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "index/language_choice.h"

namespace weir::index {
namespace {

// Passages in ascending order, and their rows, which ascend with them but in lexical segments.
template <class Segment>
int64_t RankedPassage(const Segment& segment, uint32_t rank) { return segment.passage(rank); }
template <class Segment>
int64_t RankedRow(const Segment&, uint32_t rank) { return rank; }
int64_t RankedPassage(const LexicalSegment& segment, uint32_t rank) {
  return segment.RankedPassage(rank);
}
int64_t RankedRow(const LexicalSegment& segment, uint32_t rank) { return segment.RankedRow(rank); }

// How many passages come before `id`.
template <class Segment>
uint32_t LowerRank(const Segment& segment, int64_t id) {
  uint32_t low = 0, high = static_cast<uint32_t>(segment.rows());
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (RankedPassage(segment, middle) < id) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

uint64_t Tokens(const LexicalSegment& segment, uint32_t row) { return segment.length(row); }
template <class Segment>
uint64_t Tokens(const Segment&, uint32_t) {
  return 0;
}

template <class Segment>
std::shared_ptr<const DeletedRows> FindDeleted(const Segment& segment,
                                               const std::vector<IdRange>& tombstones) {
  std::vector<uint32_t> rows;
  for (const IdRange& range : tombstones) {
    for (uint32_t r = LowerRank(segment, range.first); r < segment.rows(); ++r) {
      if (RankedPassage(segment, r) > range.last) break;
      const int64_t row = RankedRow(segment, r);
      if (row >= 0) rows.push_back(static_cast<uint32_t>(row));
    }
  }
  std::sort(rows.begin(), rows.end());
  auto deleted = std::make_shared<DeletedRows>();
  for (const uint32_t row : rows) deleted->Add(row, segment.rows(), Tokens(segment, row));
  return deleted;
}

absl::Status CheckNoted(const SegmentFile& file, const SegmentRow& row) {
  if (file.checksum() != row.info.checksum || file.rows() != row.info.rows) {
    return absl::DataLossError(
        absl::StrCat(file.path(), ": not the file that the catalogue notes (checksum at offset ",
                     offsetof(SegmentHeader, checksum), " or rows differ)"));
  }
  return absl::OkStatus();
}

template <class Segment>
absl::StatusOr<Loaded<Segment>> Load(const SegmentRow& row, const std::string& folder,
                                     const std::vector<Loaded<Segment>>* previous,
                                     const std::vector<IdRange>& tombstones) {
  Loaded<Segment> loaded{row, nullptr, nullptr};
  if (previous != nullptr) {
    for (const Loaded<Segment>& old : *previous) {
      if (old.row.id == row.id) loaded.segment = old.segment;
    }
  }
  if (loaded.segment == nullptr) {
    WEIR_ASSIGN_OR_RETURN(loaded.segment, Segment::Open(absl::StrCat(folder, "/", row.info.name)));
    WEIR_RETURN_IF_ERROR(CheckNoted(loaded.segment->file(), row));
  }
  loaded.deleted = FindDeleted(*loaded.segment, tombstones);
  return loaded;
}

absl::StatusOr<EncoderNote> ReadEncoder(Catalogue& catalogue, std::string_view settings) {
  EncoderNote note;
  WEIR_ASSIGN_OR_RETURN(note.name, catalogue.Setting(absl::StrCat(settings, "_name")));
  WEIR_ASSIGN_OR_RETURN(note.fingerprint,
                        catalogue.Setting(absl::StrCat(settings, "_fingerprint")));
  WEIR_ASSIGN_OR_RETURN(const int64_t dimensions,
                        catalogue.Counter(absl::StrCat(settings, "_dimensions")));
  note.dimensions = static_cast<int>(std::clamp<int64_t>(dimensions, 0, kMaxDimensions));
  return note;
}

absl::Status CheckDimensions(const SegmentRow& row, int64_t dimensions, const EncoderNote& noted) {
  if (dimensions == noted.dimensions) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(row.info.name, ": ", dimensions,
                                          " dimensions; the catalogue notes ", noted.dimensions));
}

// Encodings of different parameters or seeds cannot answer one query.
absl::Status CheckEncoding(const SegmentRow& row, const FixedEncodingParameters& parameters,
                           const std::vector<Loaded<MultiSegment>>& others) {
  if (others.empty() || others[0].segment->parameters() == parameters) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(row.info.name, ": fixed dimensional encoding of ",
                                          parameters.ToString(), "; ", others[0].row.info.name,
                                          " has ", others[0].segment->parameters().ToString()));
}

template <class Segment>
int64_t Live(const std::vector<Loaded<Segment>>& segments) {
  int64_t n = 0;
  for (const auto& s : segments) n += s.live();
  return n;
}

absl::Status AddVectors(const SegmentRow& row, const std::string& folder,
                        const std::vector<Loaded<VectorSegment>>& open,
                        const std::vector<IdRange>& tombstones, const EncoderNote& noted,
                        std::vector<Loaded<VectorSegment>>& into) {
  WEIR_ASSIGN_OR_RETURN(auto loaded, Load<VectorSegment>(row, folder, &open, tombstones));
  WEIR_RETURN_IF_ERROR(
      CheckDimensions(row, static_cast<int64_t>(loaded.segment->dimensions()), noted));
  into.push_back(std::move(loaded));
  return absl::OkStatus();
}

absl::Status AddTexts(const SegmentRow& row, const std::string& folder, const Snapshot* previous,
                      Snapshot& out) {
  std::shared_ptr<const TextSegment> segment;
  if (previous != nullptr && previous->texts.contains(row.id)) {
    segment = previous->texts.at(row.id);
  } else {
    WEIR_ASSIGN_OR_RETURN(segment, TextSegment::Open(absl::StrCat(folder, "/", row.info.name)));
    WEIR_RETURN_IF_ERROR(CheckNoted(segment->file(), row));
  }
  out.texts[row.id] = std::move(segment);
  out.text_rows.push_back(row);
  return absl::OkStatus();
}

// How passages are analysed and by which encoders.
absl::Status ReadSettings(Catalogue& catalogue, Snapshot& out) {
  WEIR_ASSIGN_OR_RETURN(out.analyzer, catalogue.Setting("analyzer"));
  if (out.analyzer.empty()) out.analyzer = kDefaultLanguage;  // its writer was killed at once
  out.analyzers = {{out.analyzer, 0}};
  if (out.analyzer == kAutoLanguage) {
    WEIR_ASSIGN_OR_RETURN(const std::string counts, catalogue.Setting("languages"));
    out.analyzers = ParseLanguageCounts(counts);
    if (out.analyzers.empty()) out.analyzers = {{std::string(kDefaultLanguage), 0}};
  }
  WEIR_ASSIGN_OR_RETURN(out.encoder, ReadEncoder(catalogue, "encoder"));
  WEIR_ASSIGN_OR_RETURN(out.sparse_encoder, ReadEncoder(catalogue, "sparse_encoder"));
  WEIR_ASSIGN_OR_RETURN(out.multi_encoder, ReadEncoder(catalogue, "multi_encoder"));
  return absl::OkStatus();
}

// All that a snapshot has open, of whichever set.
std::vector<Loaded<VectorSegment>> OpenVectors(const Snapshot* snapshot) {
  std::vector<Loaded<VectorSegment>> all;
  if (snapshot == nullptr) return all;
  all = snapshot->vectors;
  for (const VectorSet& set : snapshot->beside)
    all.insert(all.end(), set.segments.begin(), set.segments.end());
  return all;
}

absl::StatusOr<VectorSet*> SetOf(const SegmentRow& row, const std::map<int64_t, int64_t>& sets,
                                 std::vector<VectorSet>& beside) {
  const auto id = sets.find(row.id);
  for (VectorSet& set : beside) {
    if (id != sets.end() && set.id == id->second) return &set;
  }
  return absl::DataLossError(
      absl::StrCat(row.info.name, ": the catalogue notes no encoder of these vectors"));
}

// Puts the vectors of another encoder where those of the store's own stand.
absl::Status ChooseVectors(std::string_view encoder, Snapshot& out) {
  if (encoder.empty() || encoder == out.encoder.name) return absl::OkStatus();
  std::string there = out.encoder.name;
  for (VectorSet& set : out.beside) {
    if (set.encoder.name == encoder) {
      std::swap(set.encoder, out.encoder);
      std::swap(set.segments, out.vectors);
      std::swap(set.id, out.vector_set);
      return absl::OkStatus();
    }
    absl::StrAppend(&there, there.empty() ? "" : ", ", set.encoder.name);
  }
  return absl::FailedPreconditionError(
      absl::StrCat("encoder: the store has no vectors of ", encoder, "; it has those of ",
                   there.empty() ? "none" : there));
}

void MakeViews(Snapshot& out) {
  // Ascending ids let the search prune ties as well.
  std::sort(out.lexical.begin(), out.lexical.end(), [](const auto& a, const auto& b) {
    return a.segment->first_passage() < b.segment->first_passage();
  });
  for (const auto& s : out.lexical)
    out.lexical_views.push_back({s.segment.get(), s.deleted.get()});
  for (const auto& s : out.vectors)
    out.vector_views.push_back({s.segment.get(), s.deleted.get()});
  for (VectorSet& set : out.beside) {
    for (const auto& s : set.segments) set.views.push_back({s.segment.get(), s.deleted.get()});
  }
  for (const auto& s : out.sparse) out.sparse_views.push_back({s.segment.get(), s.deleted.get()});
  for (const auto& s : out.multi) out.multi_views.push_back({s.segment.get(), s.deleted.get()});
}

}  // namespace

const VectorSet* Snapshot::FindBeside(std::string_view name) const {
  const auto set = std::find_if(beside.begin(), beside.end(),
                                [&](const VectorSet& s) { return s.encoder.name == name; });
  return set == beside.end() ? nullptr : &*set;
}
int64_t Snapshot::live_passages() const { return Live(lexical); }
int64_t Snapshot::live_vectors() const { return Live(vectors); }
int64_t Snapshot::live_sparse() const { return Live(sparse); }
int64_t Snapshot::live_multi() const { return Live(multi); }

absl::StatusOr<std::shared_ptr<const Snapshot>> LoadSnapshot(Catalogue& catalogue,
                                                             const std::string& folder,
                                                             const Snapshot* previous,
                                                             std::string_view encoder) {
  auto out = std::make_shared<Snapshot>();
  out->trees = previous == nullptr ? std::make_shared<SegmentTrees>() : previous->trees;
  WEIR_ASSIGN_OR_RETURN(out->generation, catalogue.Counter("generation"));
  WEIR_RETURN_IF_ERROR(ReadSettings(catalogue, *out));
  WEIR_ASSIGN_OR_RETURN(const std::vector<VectorSetRow> sets, catalogue.vector_sets().All());
  for (const VectorSetRow& set : sets) out->beside.push_back({set.id, set.encoder, {}});
  WEIR_ASSIGN_OR_RETURN(const auto set_of_segments, catalogue.vector_sets().SetOfSegments());
  const auto of_vectors = OpenVectors(previous);
  WEIR_ASSIGN_OR_RETURN(const std::vector<IdRange> tombstones, catalogue.Tombstones());
  WEIR_ASSIGN_OR_RETURN(const std::vector<SegmentRow> rows, catalogue.Segments());
  for (const SegmentRow& row : rows) {
    out->bytes += static_cast<int64_t>(row.info.bytes);
    switch (row.info.kind) {
      case SegmentKind::kLexical: {
        WEIR_ASSIGN_OR_RETURN(
            auto loaded,
            Load<LexicalSegment>(row, folder, previous ? &previous->lexical : nullptr, tombstones));
        out->lexical.push_back(std::move(loaded));
        break;
      }
      case SegmentKind::kVector:
        WEIR_RETURN_IF_ERROR(
            AddVectors(row, folder, of_vectors, tombstones, out->encoder, out->vectors));
        break;
      case SegmentKind::kVectorBeside: {
        WEIR_ASSIGN_OR_RETURN(VectorSet * set, SetOf(row, set_of_segments, out->beside));
        WEIR_RETURN_IF_ERROR(
            AddVectors(row, folder, of_vectors, tombstones, set->encoder, set->segments));
        break;
      }
      case SegmentKind::kSparse: {
        WEIR_ASSIGN_OR_RETURN(
            auto loaded,
            Load<SparseSegment>(row, folder, previous ? &previous->sparse : nullptr, tombstones));
        WEIR_RETURN_IF_ERROR(
            CheckDimensions(row, loaded.segment->vocabulary(), out->sparse_encoder));
        out->sparse.push_back(std::move(loaded));
        break;
      }
      case SegmentKind::kMulti: {
        WEIR_ASSIGN_OR_RETURN(
            auto loaded,
            Load<MultiSegment>(row, folder, previous ? &previous->multi : nullptr, tombstones));
        const FixedEncodingParameters& parameters = loaded.segment->parameters();
        WEIR_RETURN_IF_ERROR(CheckDimensions(row, parameters.dimensions, out->multi_encoder));
        WEIR_RETURN_IF_ERROR(CheckEncoding(row, parameters, out->multi));
        out->multi.push_back(std::move(loaded));
        break;
      }
      case SegmentKind::kText:
        WEIR_RETURN_IF_ERROR(AddTexts(row, folder, previous, *out));
        break;
      default:
        return absl::UnimplementedError(
            absl::StrCat(row.info.name, ": segment kind ", static_cast<uint32_t>(row.info.kind),
                         " is not known to this build: use the weir that wrote it"));
    }
  }
  WEIR_RETURN_IF_ERROR(ChooseVectors(encoder, *out));
  MakeViews(*out);
  return out;
}

}  // namespace weir::index
