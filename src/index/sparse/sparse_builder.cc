#include "index/sparse/sparse_builder.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "index/sparse/sparse_segment.h"

namespace weir::index {

// Where terms become masked: lists then serve both searches, and only masked terms have a list
// besides.
uint64_t HeavyLimit(size_t rows) { return std::max<uint64_t>(1000, rows / kMaskedRarity); }

std::vector<SparseInverted::Heavy> SparseInverted::FindHeavy(const SparseRows& rows,
                                                             int32_t vocabulary, uint64_t limit) {
  std::vector<uint64_t> counts(static_cast<size_t>(vocabulary));
  for (uint16_t term : rows.terms) ++counts[term];
  absl::flat_hash_map<uint16_t, std::array<uint64_t, 256>> histograms;  // of those with too many
  for (size_t i = 0; i < rows.terms.size(); ++i) {
    if (counts[rows.terms[i]] > limit) ++histograms[rows.terms[i]][rows.impacts[i]];
  }
  std::vector<Heavy> heavy(counts.size());
  for (const auto& [term, histogram] : histograms) {
    uint64_t left = limit;
    int impact = kMostImpact;
    for (; histogram[impact] <= left; --impact) left -= histogram[impact];
    heavy[term] = {impact, left};
  }
  return heavy;
}

void SparseInverted::AddMasked(std::span<const Posting> postings, size_t rows_of_chunk) {
  const MaskedBlob layout(rows_of_chunk);
  const size_t at = masked_.size() * 8;
  masked_.resize(masked_.size() + layout.Size(postings.size()) / 8);
  uint8_t* blob = reinterpret_cast<uint8_t*>(masked_.data()) + at;
  uint8_t* impacts = blob + layout.impacts;
  uint32_t done = 0;
  size_t p = 0;
  for (size_t w = 0; w < layout.windows; ++w) {
    uint8_t by_bit[tensor::kImpactWindow] = {}, largest = 0;
    uint64_t mask = 0;
    for (; p < postings.size() && postings[p].row / tensor::kImpactWindow == w; ++p) {
      const uint32_t bit = tensor::MaskBit(postings[p].row % tensor::kImpactWindow);
      mask |= uint64_t{1} << bit;
      by_bit[bit] = postings[p].impact;
      largest = std::max(largest, postings[p].impact);
    }
    std::memcpy(blob + 8 * w, &mask, 8);
    std::memcpy(blob + layout.starts + 4 * w, &done, 4);
    blob[layout.largest + w] = largest;
    for (uint8_t impact : by_bit) {
      if (impact > 0) impacts[done++] = impact;
    }
  }
}

SparseEntry SparseInverted::AddTerm(std::span<const Posting> postings, size_t rows_of_chunk,
                                    Heavy& heavy) {
  SparseEntry entry{};
  entry.count = static_cast<uint32_t>(postings.size());
  const auto append = [&](const Posting& p) {
    list_rows_.push_back(p.row);
    list_impacts_.push_back(p.impact);
  };
  const bool masked = postings.size() * kMaskedRarity >= rows_of_chunk &&
                      rows_of_chunk >= kMaskedRarity * tensor::kImpactWindow;
  if (masked) {
    entry.start = masked_.size() * 8;
    entry.count |= kMaskedFlag;
    AddMasked(postings, rows_of_chunk);
  } else {
    entry.start = list_rows_.size();
    for (const Posting& p : postings) append(p);
  }
  entry.heavy_start = list_rows_.size();
  for (const Posting& p : postings) {
    const bool tie = p.impact == heavy.above && heavy.ties > 0;
    if (tie) --heavy.ties;
    if (tie || p.impact > heavy.above) append(p);
  }
  entry.heavy_count = static_cast<uint32_t>(list_rows_.size() - entry.heavy_start);
  if (!masked && entry.heavy_count == entry.count) {  // one list is enough
    list_rows_.resize(entry.heavy_start);
    list_impacts_.resize(entry.heavy_start);
    entry.heavy_start = entry.start;
  }
  return entry;
}

void SparseInverted::AddChunk(const SparseRows& rows, size_t chunk, std::vector<Heavy>& heavy,
                              const SparseDirectory& layout, std::vector<SparseEntry>& entries) {
  const size_t begin = chunk * kChunkRows, end = std::min(rows.ids.size(), begin + kChunkRows);
  std::vector<uint32_t> starts(heavy.size() + 1);  // of each term's postings
  for (uint64_t i = rows.starts[begin]; i < rows.starts[end]; ++i) ++starts[rows.terms[i] + 1];
  for (size_t t = 0; t < heavy.size(); ++t) starts[t + 1] += starts[t];
  std::vector<Posting> postings(starts.back());
  std::vector<uint32_t> next(starts.begin(), starts.end() - 1);
  for (size_t r = begin; r < end; ++r) {
    for (uint64_t i = rows.starts[r]; i < rows.starts[r + 1]; ++i) {
      postings[next[rows.terms[i]]++] = {static_cast<uint16_t>(r - begin), rows.impacts[i]};
    }
  }
  uint8_t* bytes = reinterpret_cast<uint8_t*>(directory_.data());
  uint64_t* present = reinterpret_cast<uint64_t*>(bytes + layout.present) + chunk * layout.words;
  uint32_t* before = reinterpret_cast<uint32_t*>(bytes + layout.before) + chunk * layout.words;
  uint32_t found = 0;
  for (size_t t = 0; t < heavy.size(); ++t) {
    if (t % 64 == 0) before[t / 64] = found;
    if (starts[t] == starts[t + 1]) continue;
    present[t / 64] |= uint64_t{1} << (t % 64);
    ++found;
    entries.push_back(AddTerm(std::span(postings).subspan(starts[t], starts[t + 1] - starts[t]),
                              end - begin, heavy[t]));
  }
  directory_[chunk + 1] = entries.size();
}

SparseInverted::SparseInverted(const SparseRows& rows, int32_t vocabulary, uint64_t heavy_limit) {
  const SparseDirectory layout(rows.ids.size(), static_cast<size_t>(vocabulary));
  directory_.resize(layout.entries / 8);
  std::vector<Heavy> heavy = FindHeavy(rows, vocabulary, heavy_limit);
  std::vector<SparseEntry> entries;
  for (size_t c = 0; c < layout.chunks; ++c) AddChunk(rows, c, heavy, layout, entries);
  directory_.resize(layout.entries / 8 + entries.size() * sizeof(SparseEntry) / 8);
  std::memcpy(directory_.data() + layout.entries / 8, entries.data(),
              entries.size() * sizeof(SparseEntry));
}

namespace {

absl::StatusOr<SegmentInfo> WriteRows(const SparseRows& rows, int32_t vocabulary,
                                      const std::string& folder, const std::string& name) {
  const uint64_t heavy_limit = HeavyLimit(rows.ids.size());
  const SparseInverted inverted(rows, vocabulary, heavy_limit);
  WEIR_ASSIGN_OR_RETURN(auto writer, SegmentWriter::Create(folder, name, SegmentKind::kSparse));
  WEIR_RETURN_IF_ERROR(writer->BeginSection());
  WEIR_RETURN_IF_ERROR(writer->AppendArray<int64_t>(rows.ids));
  WEIR_RETURN_IF_ERROR(writer->BeginSection());
  WEIR_RETURN_IF_ERROR(writer->AppendArray<uint64_t>(rows.starts));
  WEIR_RETURN_IF_ERROR(writer->BeginSection());
  WEIR_RETURN_IF_ERROR(writer->AppendArray<uint16_t>(rows.terms));
  for (std::span<const uint8_t> bytes :
       {std::span<const uint8_t>(rows.impacts), inverted.directory_bytes(),
        inverted.masked_bytes(), inverted.list_row_bytes(), inverted.list_impact_bytes()}) {
    WEIR_RETURN_IF_ERROR(writer->BeginSection());
    WEIR_RETURN_IF_ERROR(writer->Append(bytes));
  }
  writer->set_rows(rows.ids.size());
  writer->set_param(kVocabularyParam, static_cast<uint64_t>(vocabulary));
  writer->set_param(kHeavyParam, heavy_limit);
  return writer->Commit();
}

// Adds the vector in impacts.
absl::Status AddVector(int64_t id, const text::SparseVector& vector, int32_t vocabulary,
                       SparseRows& rows) {
  int32_t last = -1;
  for (const text::TermWeight& w : vector) {
    if (w.term <= last || w.term >= vocabulary || !std::isfinite(w.weight) || !(w.weight > 0)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the sparse vector of passage ", id, ": term ", w.term, " of weight ",
                       w.weight, "; expected ascending terms below ", vocabulary,
                       " with weights above 0"));
    }
    last = w.term;
    const float impact = std::min<float>(std::round(w.weight * kImpactSteps), kMostImpact);
    if (impact < 1) continue;
    rows.terms.push_back(static_cast<uint16_t>(w.term));
    rows.impacts.push_back(static_cast<uint8_t>(impact));
  }
  rows.ids.push_back(id);
  rows.starts.push_back(rows.terms.size());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SegmentInfo> WriteSparseSegment(std::span<const int64_t> ids,
                                               std::span<const text::SparseVector> vectors,
                                               int32_t vocabulary, const std::string& folder,
                                               const std::string& name) {
  if (ids.empty() || ids.size() != vectors.size() || vocabulary < 1 ||
      vocabulary > kMaxSparseVocabulary) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": ", ids.size(), " ids, ",
                                                   vectors.size(), " vectors, ", vocabulary,
                                                   " terms; at most ", kMaxSparseVocabulary));
  }
  SparseRows rows;
  for (size_t i = 0; i < ids.size(); ++i) {
    WEIR_RETURN_IF_ERROR(AddVector(ids[i], vectors[i], vocabulary, rows));
  }
  return WriteRows(rows, vocabulary, folder, name);
}

absl::StatusOr<SegmentInfo> MergeSparseSegments(std::span<const SparseView> segments,
                                                const std::string& folder, const std::string& name,
                                                const Context& context) {
  struct Source {
    int64_t id;
    const SparseSegment* segment;
    size_t row;
  };
  std::vector<Source> sources;
  const int32_t vocabulary = segments.empty() ? 0 : segments[0].segment->vocabulary();
  for (const SparseView& view : segments) {
    if (view.segment->vocabulary() != vocabulary) {
      return absl::InternalError(
          absl::StrCat(view.segment->file().path(), ": another vocabulary than its neighbours"));
    }
    for (size_t r = 0; r < view.segment->rows(); ++r) {
      if (view.deleted != nullptr && view.deleted->Contains(static_cast<uint32_t>(r))) continue;
      sources.push_back({view.segment->passage(r), view.segment, r});
    }
  }
  if (sources.empty()) return absl::NotFoundError("no live sparse vector is left");
  std::sort(sources.begin(), sources.end(),
            [](const Source& a, const Source& b) { return a.id < b.id; });
  SparseRows rows;
  for (size_t i = 0; i < sources.size(); ++i) {
    if (i % 4096 == 0) WEIR_RETURN_IF_ERROR(context.CheckCancelled());
    const Source& s = sources[i];
    for (uint16_t term : s.segment->terms(s.row)) {
      if (term >= vocabulary) {
        return s.segment->file().Damaged(kForwardTerms, 0, absl::StrCat("term ", term));
      }
    }
    rows.Add(s.id, s.segment->terms(s.row), s.segment->impacts(s.row));
  }
  return WriteRows(rows, vocabulary, folder, name);
}

}  // namespace weir::index
