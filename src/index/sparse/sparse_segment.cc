#include "index/sparse/sparse_segment.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "index/sparse/sparse_builder.h"

namespace weir::index {
namespace {

template <class T>
const T* At(const uint8_t* bytes) {
  return reinterpret_cast<const T*>(bytes);
}

}  // namespace

absl::StatusOr<std::shared_ptr<const SparseSegment>> SparseSegment::Open(const std::string& path) {
  WEIR_ASSIGN_OR_RETURN(auto file, SegmentFile::Open(path, SegmentKind::kSparse, kSparseSections));
  return FromFile(std::move(file));
}

absl::StatusOr<std::shared_ptr<const SparseSegment>> SparseSegment::FromFile(
    std::shared_ptr<const SegmentFile> file) {
  const uint64_t rows = file->rows(), vocabulary = file->param(kVocabularyParam);
  if (rows == 0 || rows > file->bytes()) {
    return file->Damaged(kSparsePassages, 0, absl::StrCat(rows, " rows"));
  }
  if (vocabulary == 0 || vocabulary > kMaxSparseVocabulary) {
    return file->Damaged(kSparseDirectory, 0, absl::StrCat("vocabulary of ", vocabulary));
  }
  const uint64_t postings = file->section(kForwardImpacts).size();
  const uint64_t listed = file->section(kListImpacts).size();
  const SparseDirectory directory(rows, vocabulary);
  const std::pair<int, uint64_t> sizes[] = {{kSparsePassages, rows * 8},
                                            {kForwardStarts, rows * 8 + 8},
                                            {kForwardTerms, postings * 2},
                                            {kListRows, listed * 2}};
  for (const auto& [section, size] : sizes) {
    if (file->section(section).size() != size) {
      return file->Damaged(section, file->section_offset(section), "size does not match the rows");
    }
  }
  if (file->section(kSparseDirectory).size() < directory.entries) {
    return file->Damaged(kSparseDirectory, 0, "shorter than its chunks");
  }
  auto segment = std::make_shared<SparseSegment>();
  segment->rows_ = rows;
  segment->vocabulary_ = static_cast<int32_t>(vocabulary);
  segment->postings_ = postings;
  segment->directory_ = directory;
  segment->ids_ = At<int64_t>(file->section(kSparsePassages).data());
  segment->starts_ = At<uint64_t>(file->section(kForwardStarts).data());
  segment->terms_ = At<uint16_t>(file->section(kForwardTerms).data());
  segment->impacts_ = file->section(kForwardImpacts).data();
  segment->directory_bytes_ = file->section(kSparseDirectory).data();
  segment->masked_ = file->section(kMaskedTerms).data();
  segment->list_rows_ = At<uint16_t>(file->section(kListRows).data());
  segment->list_impacts_ = file->section(kListImpacts).data();
  segment->checked_ = std::make_unique<std::atomic<bool>[]>(directory.chunks);
  segment->file_ = std::move(file);
  WEIR_RETURN_IF_ERROR(segment->CheckChunks());
  return segment;
}

absl::Status SparseSegment::CheckChunks() const {
  const auto bytes = file_->section(kSparseDirectory);
  const uint64_t* first = At<uint64_t>(directory_bytes_);
  const uint64_t room = (bytes.size() - directory_.entries) / sizeof(SparseEntry);
  if (first[0] != 0 || first[directory_.chunks] != room) {
    return file_->Damaged(kSparseDirectory, 0, "entries do not fill the section");
  }
  for (size_t chunk = 0; chunk < directory_.chunks; ++chunk) {
    if (first[chunk] > first[chunk + 1] || first[chunk + 1] > room)
      return file_->Damaged(kSparseDirectory, chunk * 8, "entries of chunks do not ascend");
  }
  return absl::OkStatus();
}

// That whatever an entry points to lies inside its section, and what lists name inside the chunk.
absl::Status SparseSegment::CheckEntries(size_t chunk) const {
  if (checked_[chunk].load(std::memory_order_acquire)) return absl::OkStatus();
  const uint64_t* first = At<uint64_t>(directory_bytes_);
  const SparseEntry* entries = At<SparseEntry>(directory_bytes_ + directory_.entries);
  const uint64_t listed = file_->section(kListImpacts).size();
  const uint64_t masked = file_->section(kMaskedTerms).size();
  const MaskedBlob blob(RowsOfChunk(chunk));
  for (uint64_t i = first[chunk]; i < first[chunk + 1]; ++i) {
    const SparseEntry& e = entries[i];
    const uint64_t count = e.count & ~kMaskedFlag;
    const uint64_t size = IsMasked(e) ? blob.Size(count) : count;
    const uint64_t end = IsMasked(e) ? masked : listed;
    if (count > kChunkRows || size > end || e.start > end - size ||
        (IsMasked(e) && e.start % 8 != 0) || e.heavy_count > listed ||
        e.heavy_start > listed - e.heavy_count) {
      return file_->Damaged(kSparseDirectory, directory_.entries + i * sizeof(SparseEntry),
                            "an entry leads out of its section");
    }
    // Any u16 is a row of a whole chunk; the last one may be shorter.
    if (chunk + 1 < directory_.chunks) continue;
    const auto inside = [&](const SparseList& list) {
      return std::all_of(list.rows.begin(), list.rows.end(),
                         [&](uint16_t row) { return row < RowsOfChunk(chunk); });
    };
    if ((!IsMasked(e) && !inside(List(e))) || !inside(HeavyList(e)))
      return file_->Damaged(kListRows, e.start * 2, "a row that is not there");
  }
  checked_[chunk].store(true, std::memory_order_release);
  return absl::OkStatus();
}

int64_t SparseSegment::Row(int64_t passage) const {
  const int64_t* end = ids_ + rows_;
  const int64_t* at = std::lower_bound(ids_, end, passage);
  return at != end && *at == passage ? at - ids_ : -1;
}

size_t SparseSegment::RowsOfChunk(size_t chunk) const {
  return std::min(kChunkRows, rows_ - chunk * kChunkRows);
}

const SparseEntry* SparseSegment::Find(size_t chunk, uint32_t term) const {
  const size_t word = chunk * directory_.words + term / 64;
  const uint64_t bits = At<uint64_t>(directory_bytes_ + directory_.present)[word];
  if ((bits >> (term % 64) & 1) == 0) return nullptr;
  const uint64_t* first = At<uint64_t>(directory_bytes_);
  const uint64_t below = bits & ((uint64_t{1} << (term % 64)) - 1);
  const uint64_t at = first[chunk] + At<uint32_t>(directory_bytes_ + directory_.before)[word] +
                      static_cast<uint64_t>(std::popcount(below));
  if (at >= first[chunk + 1]) return nullptr;
  return At<SparseEntry>(directory_bytes_ + directory_.entries) + at;
}

tensor::MaskedTerm SparseSegment::Masked(size_t chunk, const SparseEntry& entry) const {
  const MaskedBlob blob(RowsOfChunk(chunk));
  const uint8_t* bytes = masked_ + entry.start;
  return {.masks = At<uint64_t>(bytes),
          .starts = At<uint32_t>(bytes + blob.starts),
          .impacts = bytes + blob.impacts,
          .count = entry.count & ~kMaskedFlag};
}

const uint8_t* SparseSegment::LargestOf(size_t chunk, const SparseEntry& entry) const {
  return masked_ + entry.start + MaskedBlob(RowsOfChunk(chunk)).largest;
}

absl::Status SparseSegment::Check() const {
  SparseRows rows;
  for (size_t r = 0; r < rows_; ++r) {
    if (r > 0 && ids_[r] <= ids_[r - 1]) {
      return file_->Damaged(kSparsePassages, r * 8, "passage ids do not ascend");
    }
    if (starts_[r] > starts_[r + 1] || starts_[r + 1] > postings_ || (r == 0 && starts_[0] != 0)) {
      return file_->Damaged(kForwardStarts, r * 8, "starts of rows do not ascend");
    }
    const std::span<const uint16_t> of_row = terms(r);
    for (size_t i = 0; i < of_row.size(); ++i) {
      if (of_row[i] >= vocabulary_ || (i > 0 && of_row[i] <= of_row[i - 1]) || impacts(r)[i] == 0) {
        return file_->Damaged(
            kForwardTerms, (starts_[r] + i) * 2,
            absl::StrCat("terms of passage ", ids_[r], " are not ascending, known and above 0"));
      }
    }
    rows.Add(ids_[r], of_row, impacts(r));
  }
  if (starts_[rows_] != postings_) {
    return file_->Damaged(kForwardStarts, rows_ * 8, "rows do not fill the forward index");
  }
  const SparseInverted want(rows, vocabulary_, file_->param(kHeavyParam));
  const std::pair<int, std::span<const uint8_t>> sections[] = {
      {kSparseDirectory, want.directory_bytes()},
      {kMaskedTerms, want.masked_bytes()},
      {kListRows, want.list_row_bytes()},
      {kListImpacts, want.list_impact_bytes()}};
  for (const auto& [section, bytes] : sections) {
    const auto have = file_->section(section);
    if (have.size() != bytes.size() || !std::equal(bytes.begin(), bytes.end(), have.begin())) {
      return file_->Damaged(section, file_->section_offset(section),
                            "is not what the rows of the forward index make");
    }
  }
  return absl::OkStatus();
}

}  // namespace weir::index
