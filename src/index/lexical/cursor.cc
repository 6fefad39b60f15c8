#include "index/lexical/cursor.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace weir::index {
namespace {

// above all rows, and as a signed number, too
constexpr uint32_t kPastRows = 0x7fffffff;

// Inline where the CPU that is compiled for has no instruction for it.
uint32_t CountBits(uint64_t v) {
  v -= v >> 1 & 0x5555555555555555;
  v = (v & 0x3333333333333333) + (v >> 2 & 0x3333333333333333);
  return static_cast<uint32_t>(((v + (v >> 4)) & 0x0f0f0f0f0f0f0f0f) * 0x0101010101010101 >> 56);
}

// starts[i] = sum of the first i values, modulo 2^32; 128 values, those from `count` on are not
// counted. The sum of all, in 64 bits.
uint64_t SumUp(const uint32_t* values, uint32_t count, uint32_t* starts) {
  uint64_t total = 0;
  for (uint32_t i = 0; i < count; i += 4) {
    const uint64_t two = uint64_t{values[i]} + values[i + 1];
    const uint64_t three = two + values[i + 2];
    starts[i] = static_cast<uint32_t>(total);
    starts[i + 1] = static_cast<uint32_t>(total + values[i]);
    starts[i + 2] = static_cast<uint32_t>(total + two);
    starts[i + 3] = static_cast<uint32_t>(total + three);
    total += three + values[i + 3];
  }
  return total;
}

}  // namespace

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
  frequencies_loaded_ = positions_open_ = false;
  docs_ready_ = true;
  word_count_ = 0;
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
  if (skip.data_offset > data_size_ || skip.last_doc >= segment_.rows() ||
      (base != ~0u && base >= skip.last_doc)) {
    return Fail(absl::StrCat("block ", block_, " passes the list or the rows"));
  }
  const uint8_t* in = data_ + skip.data_offset;
  const uint8_t* end = data_ + data_size_;
  if (skip.doc_head == kBitSet) return LoadBitSet(skip, base, in);
  PackedBlock gaps;
  if (!FindPacked(skip.doc_head, kBlockSize, in, end, gaps) ||
      !FindPacked(skip.frequency_head, kBlockSize, gaps.end, end, packed_frequencies_)) {
    return Fail(absl::StrCat("block ", block_, " passes the list"));
  }
  UnpackGaps(gaps, base, docs_);
  // With gaps of at most 2^24 and rows below 2^31 the sums cannot wrap, so the last document tells
  // all.
  bool good = docs_[kBlockSize - 1] == skip.last_doc;
  if (gaps.bits > (gaps.patch_count > 0 ? 16 : 24)) {
    for (uint32_t i = 1; i < kBlockSize; ++i) good = good && docs_[i] > docs_[i - 1];
    good = good && (base == ~0u || docs_[0] > base);
  }
  return good || Fail(absl::StrCat("block ", block_, " holds documents out of range"));
}

bool PostingsCursor::LoadBitSet(const SkipEntry& skip, uint32_t base, const uint8_t* in) {
  const uint32_t first = base + 1, words = (skip.last_doc - first) / 64 + 1;
  const uint8_t* end = data_ + data_size_;
  if (words > kMaxBitSetWords || static_cast<size_t>(end - in) < 8 * size_t{words} ||
      !FindPacked(skip.frequency_head, kBlockSize, in + 8 * size_t{words}, end,
                  packed_frequencies_)) {
    return Fail(absl::StrCat("block ", block_, " passes the list"));
  }
  std::memcpy(words_, in, 8 * size_t{words});
  uint32_t count = 0;
  for (uint32_t w = 0; w < words; ++w) {
    ranks_[w] = static_cast<uint8_t>(count);
    count += CountBits(words_[w]);
    if (count > kBlockSize) break;
  }
  // 128 documents, and nothing behind the last.
  if (count != kBlockSize || words_[words - 1] >> ((skip.last_doc - first) % 64) != 1)
    return Fail(absl::StrCat("block ", block_, " holds other documents than it says"));
  word_count_ = words;
  bit_base_ = first;
  docs_ready_ = false;
  return true;
}

void PostingsCursor::ExpandWords() {
  uint32_t count = 0;
  for (uint32_t w = 0; w < word_count_; ++w) {
    for (uint64_t left = words_[w]; left != 0; left &= left - 1)
      docs_[count++] = bit_base_ + 64 * w + static_cast<uint32_t>(std::countr_zero(left));
  }
  docs_ready_ = true;
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
  std::fill(docs_ + count_, docs_ + kBlockSize, kPastRows);
  if (has_skips() && docs_[count_ - 1] != LastDoc(block_))
    return Fail("last block ends at another document");
  frequencies_loaded_ = true;
  return true;
}

const uint32_t* PostingsCursor::Frequencies() {
  if (!frequencies_loaded_) {
    UnpackPlusOne(packed_frequencies_, frequencies_);
    frequencies_loaded_ = true;
  }
  return frequencies_;
}

uint32_t PostingsCursor::PlaceOf(uint32_t doc) const {
  if (word_count_ > 0) {
    const uint32_t at = doc - bit_base_, word = at / 64;
    if (doc < bit_base_ || word >= word_count_ || (words_[word] >> (at % 64) & 1) == 0)
      return kAbsent;
    return ranks_[word] + CountBits(words_[word] & ((uint64_t{1} << (at % 64)) - 1));
  }
  typedef int32_t V4 __attribute__((vector_size(16)));
  // Where a document lies cannot be predicted, so nothing branches: how many of eight groups of 16
  // end below it, then how many of the group are below it. Documents are below 2^31.
  const int32_t wanted = static_cast<int32_t>(doc);
  uint32_t at = 0;
  for (uint32_t end = 15; end < kBlockSize - 1; end += 16) at += docs_[end] < doc ? 16u : 0u;
  const V4 wide{wanted, wanted, wanted, wanted};
  V4 v[4];
  std::memcpy(v, docs_ + at, sizeof(v));
  const V4 below = ((v[0] < wide) + (v[1] < wide)) + ((v[2] < wide) + (v[3] < wide));
  at -= static_cast<uint32_t>(below[0] + below[1] + below[2] + below[3]);
  return at < kBlockSize && docs_[at] == doc ? at : kAbsent;
}

bool PostingsCursor::OpenPositions() {
  const uint32_t* frequencies = Frequencies();
  const uint8_t* begin = segment_.positions().data() + info_.positions_offset;
  const uint8_t* end = begin + info_.positions_size;
  if (has_skips()) {
    const uint32_t offset = Skip(block_).positions_offset;
    if (offset > info_.positions_size) return Fail("positions pass the list");
    begin += offset;
  }
  std::fill(frequencies_ + count_, frequencies_ + (count_ + 3) / 4 * 4, 0u);
  const uint64_t total = SumUp(frequencies, count_, starts_);
  // 17 bytes hold at most 128 positions: more than eight a byte are not there.
  const size_t left = static_cast<size_t>(end - begin);
  if (total > uint64_t{left} * 8 || total >= ~0u) return Fail("more positions than bytes");
  starts_[count_] = static_cast<uint32_t>(total);
  groups_.clear();
  group_ = ~0u;
  uint64_t at = 0;
  while (total - at > kFewPositions) {
    const size_t n = std::min<uint64_t>(kBlockSize, total - at);
    PackedBlock block;
    if (begin == end || (*begin & kWidthMask) == 0 ||
        !FindPacked(*begin, n, begin + 1, end, block)) {
      return Fail("packed positions pass the list");
    }
    groups_.push_back(block);
    begin = block.end;
    at += n;
  }
  tail_begin_ = begin;
  tail_end_ = end;
  positions_open_ = true;
  return true;
}

// The differences of the group-th 128 positions, in group_positions_.
bool PostingsCursor::LoadGroup(uint32_t group) {
  if (group == group_) return true;
  const uint32_t left = starts_[count_] - group * kBlockSize;
  if (group < groups_.size()) {
    Unpack(groups_[group], std::min(kBlockSize, left), group_positions_);
  } else {
    ByteReader reader(tail_begin_, tail_end_);
    for (uint32_t i = 0; i < left; ++i)
      group_positions_[i] = static_cast<uint32_t>(reader.Varint());
    if (!reader.ok()) return Fail("positions pass the list");
  }
  group_ = group;
  return true;
}

std::span<const uint32_t> PostingsCursor::Positions(uint32_t i) {
  if (i >= count_ || (!positions_open_ && !OpenPositions())) return {};
  const uint32_t begin = starts_[i], end = starts_[i + 1];
  positions_.resize(end - begin);
  uint32_t position = 0;
  for (uint32_t at = begin; at < end; ++at) {
    if (!LoadGroup(at / kBlockSize)) return {};
    position += group_positions_[at % kBlockSize];
    positions_[at - begin] = position;
  }
  return positions_;
}

}  // namespace weir::index
