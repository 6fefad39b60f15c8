#include "index/lexical/cursor.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace weir::index {

PostingsCursor::PostingsCursor(const LexicalSegment& segment, const TermInfo& info)
    : segment_(segment), info_(info) {
  list_ = segment.postings().data() + info.postings_offset;
  block_count_ = (info.document_count + kBlockSize - 1) / kBlockSize;
  data_ = list_;
  data_size_ = info.postings_size;
  if (!has_skips()) return;
  const uint64_t head = kListImpactBytes + uint64_t{block_count_} * kSkipBytes;
  if (head > info.postings_size) {
    block_count_ = 0;
    Fail("skip table passes the list");
    return;
  }
  skips_ = list_ + kListImpactBytes;
  data_ = list_ + head;
  data_size_ = info.postings_size - head;
}

bool PostingsCursor::Fail(std::string_view what) {
  if (status_.ok())
    status_ = segment_.file().Damaged(kPostingsSection, info_.postings_offset, what);
  count_ = 0;
  block_ = ~0u;
  return false;
}

SkipEntry PostingsCursor::Skip(uint32_t block) const {
  SkipEntry skip;
  std::memcpy(&skip, skips_ + size_t{block} * kSkipBytes, kSkipBytes);
  return skip;
}

Impacts PostingsCursor::ListImpacts() const {
  Impacts impacts;
  std::memcpy(&impacts, list_, sizeof(impacts));
  return impacts;
}

uint32_t PostingsCursor::LastDoc(uint32_t block) const {
  if (!has_skips()) return count_ == 0 ? 0 : docs_[count_ - 1];
  uint32_t last;
  std::memcpy(&last, skips_ + size_t{block} * kSkipBytes, sizeof(last));
  return last;
}

uint32_t PostingsCursor::FindBlock(uint32_t from, uint32_t doc) const {
  if (from >= block_count_ || LastDoc(from) >= doc) return from;
  // Gallop, then halve: near targets are the rule.
  uint32_t step = 1, low = from;
  while (low + step < block_count_ && LastDoc(low + step) < doc) {
    low += step;
    step *= 2;
  }
  uint32_t high = std::min(low + step, block_count_);
  while (low + 1 < high) {
    const uint32_t middle = low + (high - low) / 2;
    (LastDoc(middle) < doc ? low : high) = middle;
  }
  return high;
}

bool PostingsCursor::Load(uint32_t block) {
  if (block == block_ && count_ > 0) return true;
  if (block >= block_count_) return false;
  block_ = block;
  frequencies_loaded_ = positions_loaded_ = false;
  const uint32_t base = block == 0 ? ~0u : LastDoc(block - 1);
  const uint32_t tail = info_.document_count % kBlockSize;
  if (tail != 0 && block == block_count_ - 1) {
    count_ = tail;
    return LoadTail(base);
  }
  count_ = kBlockSize;
  return LoadPacked(Skip(block), base);
}

bool PostingsCursor::LoadPacked(const SkipEntry& skip, uint32_t base) {
  if (skip.doc_bits > 32 || skip.frequency_bits > 32 || skip.data_offset > data_size_ ||
      PackedBytes(skip.doc_bits) + PackedBytes(skip.frequency_bits) >
          data_size_ - skip.data_offset) {
    return Fail(absl::StrCat("block ", block_, " passes the list"));
  }
  const uint8_t* in = data_ + skip.data_offset;
  UnpackGaps128(in, skip.doc_bits, base, docs_);
  packed_frequencies_ = in + PackedBytes(skip.doc_bits);
  frequency_bits_ = skip.frequency_bits;
  // With gaps of at most 2^24 and rows below 2^31 the sums cannot wrap, so the last document tells
  // all.
  bool good = docs_[kBlockSize - 1] == skip.last_doc && skip.last_doc < segment_.rows() &&
              (base == ~0u || base < segment_.rows());
  if (skip.doc_bits > 24) {
    for (uint32_t i = 1; i < kBlockSize; ++i) good = good && docs_[i] > docs_[i - 1];
    good = good && (base == ~0u || docs_[0] > base);
  }
  return good || Fail(absl::StrCat("block ", block_, " holds documents out of range"));
}

bool PostingsCursor::LoadTail(uint32_t base) {
  size_t offset = 0;
  if (has_skips()) {
    offset = Skip(block_).data_offset;
    if (offset > data_size_) return Fail("last block passes the list");
  }
  ByteReader reader(data_ + offset, data_ + data_size_);
  uint64_t next = base == ~0u ? 0 : uint64_t{base} + 1;
  for (uint32_t i = 0; i < count_; ++i) {
    const uint64_t word = reader.Varint();
    const uint64_t frequency = (word & 1) != 0 ? 1 : reader.Varint() + 2;
    const uint64_t gap = word >> 1;
    if (!reader.ok() || gap >= segment_.rows() || next + gap >= segment_.rows() ||
        frequency > ~0u) {
      return Fail("last block holds documents out of range");
    }
    docs_[i] = static_cast<uint32_t>(next + gap);
    frequencies_[i] = static_cast<uint32_t>(frequency);
    next += gap + 1;
  }
  if (has_skips() && docs_[count_ - 1] != LastDoc(block_))
    return Fail("last block ends at another document");
  frequencies_loaded_ = true;
  return true;
}

const uint32_t* PostingsCursor::Frequencies() {
  if (!frequencies_loaded_) {
    UnpackPlusOne128(packed_frequencies_, frequency_bits_, frequencies_);
    frequencies_loaded_ = true;
  }
  return frequencies_;
}

bool PostingsCursor::LoadPositions() {
  const uint32_t* frequencies = Frequencies();
  const uint8_t* begin = segment_.positions().data() + info_.positions_offset;
  const uint8_t* end = begin + info_.positions_size;
  if (has_skips()) {
    const uint32_t offset = Skip(block_).positions_offset;
    if (offset > info_.positions_size) return Fail("positions pass the list");
    begin += offset;
  }
  uint64_t total = 0;
  for (uint32_t i = 0; i < count_; ++i) {
    starts_[i] = static_cast<uint32_t>(total);
    total += frequencies[i];
  }
  // 17 bytes hold at most 128 positions: more than eight a byte are not there.
  const size_t left = static_cast<size_t>(end - begin);
  if (total > uint64_t{left} * 8 || total >= ~0u) return Fail("more positions than bytes");
  starts_[count_] = static_cast<uint32_t>(total);
  positions_.resize(total);
  ByteReader reader(begin, end);
  uint64_t at = 0;
  for (; at + kBlockSize <= total; at += kBlockSize) {
    const int bits = reader.Byte();
    const uint8_t* packed = bits >= 1 && bits <= 32 ? reader.Take(PackedBytes(bits)) : nullptr;
    if (packed == nullptr) return Fail("packed positions pass the list");
    Unpack128(packed, bits, &positions_[at]);
  }
  for (; at < total; ++at) positions_[at] = static_cast<uint32_t>(reader.Varint());
  if (!reader.ok()) return Fail("positions pass the list");
  for (uint32_t i = 0; i < count_; ++i) {
    for (uint32_t j = starts_[i] + 1; j < starts_[i + 1]; ++j) positions_[j] += positions_[j - 1];
  }
  positions_loaded_ = true;
  return true;
}

std::span<const uint32_t> PostingsCursor::Positions(uint32_t i) {
  if (i >= count_ || (!positions_loaded_ && !LoadPositions())) return {};
  return {positions_.data() + starts_[i], starts_[i + 1] - starts_[i]};
}

}  // namespace weir::index
