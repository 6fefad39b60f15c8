#include "index/lexical/segment_reader.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace weir::index {

absl::StatusOr<std::shared_ptr<const LexicalSegment>> LexicalSegment::Open(
    const std::string& path) {
  WEIR_ASSIGN_OR_RETURN(auto file,
                        SegmentFile::Open(path, SegmentKind::kLexical, kLexicalSections,
                                          kLexicalSections - 1));
  return FromFile(std::move(file));
}

absl::StatusOr<std::shared_ptr<const LexicalSegment>> LexicalSegment::FromFile(
    std::shared_ptr<const SegmentFile> file) {
  const bool reordered = file->param(kFormatParam) == kReorderedFormat;
  if (file->param(kFormatParam) != kLexicalFormat && !reordered) {
    return absl::UnimplementedError(absl::StrCat(
        file->path(), ": lexical format ", file->param(kFormatParam), "; this Weir reads formats ",
        kLexicalFormat, " and ", kReorderedFormat, ": remove the store's folder and index again"));
  }
  if (file->section_count() != (reordered ? kLexicalSections : kLexicalSections - 1)) {
    return absl::DataLossError(absl::StrCat(file->path(), ": ", file->section_count(),
                                            " sections in lexical format ",
                                            file->param(kFormatParam)));
  }
  const uint64_t rows = file->rows(), width = file->param(kLengthBytesParam);
  const uint64_t terms = file->param(kTermCountParam);
  // Document numbers stay below 2^31, so that sums of gaps in 32 bits cannot wrap unseen.
  if (rows == 0 || rows > (uint64_t{1} << 31))
    return file->Damaged(kIdsSection, 0, absl::StrCat(rows, " rows"));
  const size_t id_bytes = file->section(kIdsSection).size();
  if (id_bytes != 0 && id_bytes != rows * sizeof(uint32_t)) {
    return file->Damaged(kIdsSection, file->section_offset(kIdsSection),
                         "size does not match the rows");
  }
  if ((width != 1 && width != 2 && width != 4) ||
      file->section(kLengthsSection).size() != rows * width) {
    return file->Damaged(kLengthsSection, file->section_offset(kLengthsSection),
                         "size does not match the rows");
  }
  if (reordered && file->section(kOrderSection).size() != PlainBytes(rows, RankBits(rows))) {
    return file->Damaged(kOrderSection, file->section_offset(kOrderSection),
                         "size does not match the rows");
  }
  const uint64_t blocks = terms / kTermsPerBlock + (terms % kTermsPerBlock != 0);
  if (file->section(kTermIndexSection).size() % kTermIndexEntryBytes != 0 ||
      file->section(kTermIndexSection).size() / kTermIndexEntryBytes != blocks) {
    return file->Damaged(kTermIndexSection, file->section_offset(kTermIndexSection),
                         "size does not match the terms");
  }
  if (file->param(kFirstPassageParam) >
      static_cast<uint64_t>(std::numeric_limits<int64_t>::max() / 2)) {
    return file->Damaged(kIdsSection, 0, "first passage id out of range");
  }
  auto segment = std::make_shared<LexicalSegment>();
  segment->rows_ = static_cast<uint32_t>(rows);
  segment->first_ = static_cast<int64_t>(file->param(kFirstPassageParam));
  segment->length_bytes_ = static_cast<int>(width);
  if (id_bytes != 0)
    segment->ids_ = reinterpret_cast<const uint32_t*>(file->section(kIdsSection).data());
  segment->lengths_ = file->section(kLengthsSection).data();
  if (reordered) {
    segment->ranks_ = file->section(kOrderSection).data();
    segment->rank_bits_ = RankBits(rows);
  }
  segment->term_blocks_ = blocks;
  segment->file_ = std::move(file);
  return segment;
}

int64_t LexicalSegment::Row(int64_t passage) const {
  if (passage < first_ || passage - first_ > std::numeric_limits<uint32_t>::max()) return -1;
  const uint32_t offset = static_cast<uint32_t>(passage - first_);
  if (ids_ == nullptr) return offset < rows_ ? RankedRow(offset) : -1;
  const uint32_t* end = ids_ + rows_;
  const uint32_t* at = std::lower_bound(ids_, end, offset);
  return at != end && *at == offset ? RankedRow(static_cast<uint32_t>(at - ids_)) : -1;
}

int64_t LexicalSegment::RankedRow(uint32_t rank) const {
  if (ascending()) return rank;
  constexpr uint32_t kNoRow = ~0u;
  std::call_once(rows_once_, [&] {
    rows_by_rank_.assign(rows_, kNoRow);
    for (uint32_t row = 0; row < rows_; ++row) rows_by_rank_[Rank(row)] = row;
  });
  return rows_by_rank_[rank] == kNoRow ? -1 : int64_t{rows_by_rank_[rank]};
}

void LexicalSegment::Lengths(const uint32_t* docs, size_t n, uint32_t* out) const {
  switch (length_bytes_) {
    case 1:
      for (size_t i = 0; i < n; ++i) out[i] = lengths_[docs[i]];
      break;
    case 2: {
      const uint16_t* lengths = reinterpret_cast<const uint16_t*>(lengths_);
      for (size_t i = 0; i < n; ++i) out[i] = lengths[docs[i]];
      break;
    }
    default: {
      const uint32_t* lengths = reinterpret_cast<const uint32_t*>(lengths_);
      for (size_t i = 0; i < n; ++i) out[i] = lengths[docs[i]];
    }
  }
}

bool LexicalSegment::IndexEntry(uint64_t block, uint64_t& terms, TermInfo& info) const {
  uint64_t entry[3];
  std::memcpy(entry, file_->section(kTermIndexSection).data() + block * kTermIndexEntryBytes,
              sizeof(entry));
  terms = entry[0];
  info = TermInfo{};
  info.postings_offset = entry[1];
  info.positions_offset = entry[2];
  return terms <= file_->section(kTermsSection).size() && entry[1] <= postings().size() &&
         entry[2] <= positions().size();
}

bool LexicalSegment::ReadEntry(ByteReader& reader, bool first, std::string& term,
                               TermInfo& info) const {
  const size_t shared = reader.Byte(), suffix_size = reader.Byte();
  const uint8_t* suffix = reader.Take(suffix_size);
  if (suffix == nullptr || (first && shared != 0) || shared > term.size()) return false;
  term.resize(shared);
  term.append(reinterpret_cast<const char*>(suffix), suffix_size);
  info.postings_offset += info.postings_size;
  info.positions_offset += info.positions_size;
  const uint64_t count = reader.Varint(), more = reader.Varint();
  info.postings_size = reader.Varint();
  info.positions_size = reader.Varint();
  info.document_count = static_cast<uint32_t>(count);
  info.occurrences = count + more;
  return reader.ok() && count > 0 && count <= rows_ && more <= (uint64_t{1} << 56) &&
         info.postings_offset <= postings().size() &&
         info.postings_size <= postings().size() - info.postings_offset &&
         info.positions_offset <= positions().size() &&
         info.positions_size <= positions().size() - info.positions_offset;
}

absl::StatusOr<std::optional<TermInfo>> LexicalSegment::Find(std::string_view term) const {
  std::span<const uint8_t> terms = file_->section(kTermsSection);
  // The last block whose first term does not come after `term`.
  uint64_t low = 0, high = term_blocks_, offset = 0;
  TermInfo info;
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    if (!IndexEntry(middle, offset, info) || terms.size() - offset < 2 ||
        terms.size() - offset - 2 < terms[offset + 1]) {
      return file_->Damaged(kTermIndexSection, middle * kTermIndexEntryBytes,
                            "term index out of range");
    }
    const std::string_view head(reinterpret_cast<const char*>(&terms[offset]) + 2,
                                terms[offset + 1]);
    if (head <= term) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == 0) return std::optional<TermInfo>();
  if (!IndexEntry(low - 1, offset, info))
    return file_->Damaged(kTermIndexSection, 0, "term index out of range");
  ByteReader reader(terms.data() + offset, terms.data() + terms.size());
  const uint64_t count =
      std::min<uint64_t>(kTermsPerBlock, term_count() - (low - 1) * kTermsPerBlock);
  std::string word;
  for (uint64_t i = 0; i < count; ++i) {
    if (!ReadEntry(reader, i == 0, word, info)) {
      return file_->Damaged(kTermsSection, reader.at() - terms.data(),
                            "dictionary entry out of range");
    }
    const int order = word.compare(term);
    if (order == 0) return std::optional<TermInfo>(info);
    if (order > 0) break;
  }
  return std::optional<TermInfo>();
}

LexicalSegment::TermIterator::TermIterator(const LexicalSegment& segment)
    : segment_(segment), reader_(nullptr, nullptr) {}

bool LexicalSegment::TermIterator::Next() {
  if (!status_.ok() || done_ == segment_.term_count()) return false;
  std::span<const uint8_t> terms = segment_.file_->section(kTermsSection);
  const bool first = done_ % kTermsPerBlock == 0;
  const std::string before = term_;
  bool ok = true;
  if (first) {
    uint64_t offset = 0;
    ok = segment_.IndexEntry(done_ / kTermsPerBlock, offset, info_);
    if (ok) reader_ = ByteReader(terms.data() + offset, terms.data() + terms.size());
  }
  ok = ok && segment_.ReadEntry(reader_, first, term_, info_);
  if (!ok || (done_ > 0 && term_ <= before)) {
    status_ =
        segment_.file_->Damaged(kTermsSection, done_, "dictionary entry out of range or order");
    return false;
  }
  ++done_;
  return true;
}

}  // namespace weir::index
