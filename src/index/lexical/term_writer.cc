#include "index/lexical/term_writer.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/status/status.h"

namespace weir::index {
namespace {

struct Point {
  uint32_t frequency, length;
};

// What a bound loses is judged at the default parameters; any choice is safe, this one is tight.
double Bound(uint32_t frequency, uint32_t length, double mean_length) {
  const double k = 0.9 * (0.6 + 0.4 * length / mean_length);
  return frequency / (frequency + k);
}

void PutPositions(const std::vector<uint32_t>& deltas, std::string& out) {
  size_t at = 0;
  while (deltas.size() - at > kFewPositions) {
    const size_t n = std::min<size_t>(kBlockSize, deltas.size() - at), head = out.size();
    out.push_back('\0');
    // At least one bit: a reader may then bound the count of positions by the bytes that are there.
    out[head] = static_cast<char>(PackPatched(&deltas[at], n, 1, kMaxPatches, out));
    at += n;
  }
  for (; at < deltas.size(); ++at) PutVarint(deltas[at], out);
}

// The shorter of packed gaps and a bit set; returns the head byte. first: the lowest possible.
uint8_t PutDocuments(const std::vector<uint32_t>& docs, uint32_t first, std::string& out) {
  uint32_t gaps[kBlockSize];
  for (uint32_t i = 0; i < kBlockSize; ++i) gaps[i] = docs[i] - (i == 0 ? first : docs[i - 1] + 1);
  const size_t before = out.size(), words = (docs.back() - first) / 64 + 1;
  const uint8_t head = PackPatched(gaps, kBlockSize, 0, kMaxGapPatches, out);
  if (words > kMaxBitSetWords || words * 8 >= out.size() - before) return head;
  std::vector<uint64_t> bits(words, 0);
  for (uint32_t doc : docs) bits[(doc - first) / 64] |= uint64_t{1} << ((doc - first) % 64);
  out.resize(before);
  out.append(reinterpret_cast<const char*>(bits.data()), words * 8);
  return kBitSet;
}

// Points sorted by length, frequencies rising strictly: longer documents only count when they hold
// more.
std::vector<Point> Frontier(std::span<const uint32_t> frequencies,
                            std::span<const uint32_t> lengths) {
  std::vector<Point> points(frequencies.size());
  for (size_t i = 0; i < points.size(); ++i) points[i] = {frequencies[i], lengths[i]};
  std::sort(points.begin(), points.end(), [](const Point& a, const Point& b) {
    return a.length != b.length ? a.length < b.length : a.frequency > b.frequency;
  });
  std::vector<Point> frontier;
  for (const Point& p : points) {
    if (frontier.empty() || p.frequency > frontier.back().frequency) frontier.push_back(p);
  }
  return frontier;
}

}  // namespace

Impacts CoverImpacts(std::span<const uint32_t> frequencies, std::span<const uint32_t> lengths) {
  std::vector<Point> f = Frontier(frequencies, lengths);
  const size_t m = f.size();
  // Cut the frontier into three runs [0, a], (a, b], (b, m); each becomes (largest frequency,
  // shortest length), that is (its last frequency, its first length). Choose the cuts with the
  // lowest maximum.
  size_t best_a = m / 3, best_b = 2 * m / 3;
  if (m <= 3) {
    best_a = 1, best_b = 2;
  } else if (m <= 24) {
    const double mean = std::max<double>(1, f[m / 2].length);
    double best = std::numeric_limits<double>::infinity();
    for (size_t a = 1; a + 1 < m; ++a) {
      for (size_t b = a + 1; b < m; ++b) {
        const double bound = std::max({Bound(f[a - 1].frequency, f[0].length, mean),
                                       Bound(f[b - 1].frequency, f[a].length, mean),
                                       Bound(f[m - 1].frequency, f[b].length, mean)});
        if (bound < best) best = bound, best_a = a, best_b = b;
      }
    }
  }
  Impacts out;
  const size_t begins[kImpactPairs] = {0, std::min(best_a, m - 1), std::min(best_b, m - 1)};
  const size_t ends[kImpactPairs] = {std::min(best_a, m), std::min(best_b, m), m};
  for (int i = 0; i < kImpactPairs; ++i) {
    const size_t last = std::max(ends[i], begins[i] + 1) - 1;
    out.frequency[i] = CeilCode(f[last].frequency);
    out.length[i] = FloorCode(f[begins[i]].length);
  }
  return out;
}

void TermWriter::Add(uint32_t doc, std::span<const uint32_t> positions) {
  docs_.push_back(doc);
  frequencies_.push_back(static_cast<uint32_t>(positions.size()));
  uint32_t previous = 0;
  for (uint32_t p : positions) {
    deltas_.push_back(p - previous);
    previous = p;
  }
  occurrences_ += positions.size();
  ++count_;
  if (docs_.size() == kBlockSize) FlushBlock();
}

void TermWriter::FlushBlock() {
  SkipEntry skip;
  skip.last_doc = docs_.back();
  skip.data_offset = static_cast<uint32_t>(data_.size());
  skip.positions_offset = static_cast<uint32_t>(positions_.size());
  if (count_ >= kBlockSize) {  // shorter lists have no skip table
    point_lengths_.clear();
    for (uint32_t doc : docs_) point_lengths_.push_back(lengths_[doc]);
    skip.impacts = CoverImpacts(frequencies_, point_lengths_);
    for (int i = 0; i < kImpactPairs; ++i) {
      list_frequencies_.push_back(DecodeCode(skip.impacts.frequency[i]));
      list_lengths_.push_back(DecodeCode(skip.impacts.length[i]));
    }
  }
  if (docs_.size() == kBlockSize) {
    uint32_t less_one[kBlockSize];
    for (uint32_t i = 0; i < kBlockSize; ++i) less_one[i] = frequencies_[i] - 1;
    skip.doc_head = PutDocuments(docs_, previous_ + 1, data_);
    skip.frequency_head = PackPatched(less_one, kBlockSize, 0, kMaxPatches, data_);
  } else {
    uint32_t previous = previous_;
    for (size_t i = 0; i < docs_.size(); ++i) {
      const uint64_t gap = docs_[i] - previous - 1;
      PutVarint(gap << 1 | (frequencies_[i] == 1), data_);
      if (frequencies_[i] != 1) PutVarint(frequencies_[i] - 2, data_);
      previous = docs_[i];
    }
  }
  PutPositions(deltas_, positions_);
  previous_ = docs_.back();
  skips_.push_back(skip);
  docs_.clear();
  frequencies_.clear();
  deltas_.clear();
}

absl::Status TermWriter::Finish(std::string& postings, std::string& positions, TermInfo& info) {
  if (!docs_.empty()) FlushBlock();
  constexpr uint64_t kLimit = std::numeric_limits<uint32_t>::max();
  if (data_.size() > kLimit || positions_.size() > kLimit) {
    return absl::ResourceExhaustedError(
        "one term's postings pass 4 GiB; index into smaller segments");
  }
  info = TermInfo{count_, occurrences_, postings.size(), 0, positions.size(), positions_.size()};
  if (count_ >= kBlockSize) {
    const Impacts list = CoverImpacts(list_frequencies_, list_lengths_);
    postings.append(reinterpret_cast<const char*>(&list), sizeof(list));
    postings.append(kListImpactBytes - sizeof(list), '\0');
    postings.append(reinterpret_cast<const char*>(skips_.data()), skips_.size() * kSkipBytes);
  }
  postings += data_;
  positions += positions_;
  info.postings_size = postings.size() - info.postings_offset;
  data_.clear();
  positions_.clear();
  skips_.clear();
  list_frequencies_.clear();
  list_lengths_.clear();
  previous_ = ~0u;
  count_ = 0;
  occurrences_ = 0;
  return absl::OkStatus();
}

}  // namespace weir::index
