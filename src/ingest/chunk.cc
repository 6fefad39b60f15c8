#include "ingest/chunk.h"

#include <algorithm>

#include "text/sentences.h"
#include "text/unicode.h"

// Steps: blocks to sections (between headings of level 1 and 2, small ones joined to the next), a
// section to units (sentences, rows of a table, cut where they are longer than a passage), units
// packed into passages of about `words`.

namespace weir::ingest {
namespace {

using text::Block;
using text::BlockKind;
using text::Document;
using text::Passage;
using text::Span;

constexpr int kBreakLevel = 2;  // headings to this level part passages

bool Space(char c) {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

int64_t CountWords(std::string_view s) {
  int64_t words = 0;
  bool in = false;
  for (char c : s) {
    const bool space = Space(c);
    words += !space && !in;
    in = !space;
  }
  // A script without spaces: three ideographs or so say as much as a word.
  const int64_t bytes = static_cast<int64_t>(s.size());
  return bytes > words * 30 ? std::max(words, bytes / 9) : words;
}

struct Unit {
  Span span;
  int64_t words = 0;
  bool block_start = false;  // first of a paragraph: a good place to begin a passage
};

struct Section {
  size_t first = 0, last = 0;  // blocks [first, last)
  int64_t words = 0;
  bool other = false;          // references, labels: kept apart from the running text
};

class Chunker {
 public:
  Chunker(const Document& document, const ChunkOptions& options)
      : d_(document), words_(std::max<int64_t>(options.words, 1)), overlap_(options.overlap) {}

  std::vector<Passage> Run() {
    for (const Section& section : Sections()) {
      MakeUnits(section);
      Pack(section);
    }
    return std::move(out_);
  }

 private:
  std::string_view Text(const Span& s) const {
    return std::string_view(d_.text).substr(static_cast<size_t>(s.start),
                                            static_cast<size_t>(s.size()));
  }

  // Which blocks stand apart: runs of kOther as long as half a passage. A stray footnote between
  // two paragraphs does not part them.
  std::vector<bool> Apart() const {
    std::vector<bool> apart(d_.blocks.size());
    for (size_t i = 0; i < apart.size();) {
      size_t j = i;
      int64_t words = 0;
      for (; j < apart.size() && d_.blocks[j].kind == BlockKind::kOther; ++j) {
        words += CountWords(Text(d_.blocks[j].span));
      }
      for (size_t k = i; k < j; ++k) apart[k] = words * 2 >= words_;
      i = std::max(j, i + 1);
    }
    return apart;
  }

  std::vector<Section> Sections() const {
    std::vector<Section> sections;
    const std::vector<bool> apart = Apart();
    for (size_t i = 0; i < d_.blocks.size(); ++i) {
      const Block& b = d_.blocks[i];
      const bool other = apart[i];
      const bool heading = b.kind == BlockKind::kHeading && b.level > 0 && b.level <= kBreakLevel;
      const int64_t words = CountWords(Text(b.span));
      // A heading with little before it since the last break stays with what went before: a title
      // and its subtitle, a section of one line.
      const bool tiny = !sections.empty() && sections.back().words < words_ / 6;
      const bool part = sections.empty() || (heading && !tiny) || other != sections.back().other;
      if (part) sections.push_back({i, i, 0, other});
      sections.back().last = i + 1;
      sections.back().words += words;
    }
    return sections;
  }

  void AddUnit(Span span, bool block_start) {
    const int64_t words = CountWords(Text(span));
    if (words <= words_ + words_ / 2) {
      units_.push_back({span, words, block_start});
      return;
    }
    CutLong(span, block_start);
  }

  // A sentence without an end is cut at white space, or between characters where there is none.
  void CutLong(Span span, bool block_start) {
    const int64_t max_bytes = words_ * 12;
    while (span.size() > 0) {
      int64_t end = std::min(span.end, span.start + max_bytes);
      int64_t words = 0;
      bool in = false;
      int64_t space = -1;
      for (int64_t i = span.start; i < end; ++i) {
        const bool is_space = Space(d_.text[static_cast<size_t>(i)]);
        if (is_space && in) space = i;
        if (is_space && in && words >= words_) {
          end = i;
          break;
        }
        words += !is_space && !in;
        in = !is_space;
      }
      if (end < span.end && space > span.start && !Space(d_.text[static_cast<size_t>(end)]))
        end = space;
      while (end < span.end &&
             (static_cast<uint8_t>(d_.text[static_cast<size_t>(end)]) & 0xC0) == 0x80) {
        ++end;
      }
      const Span piece{span.start, end};
      units_.push_back({piece, CountWords(Text(piece)), block_start});
      block_start = false;
      span.start = end;
      while (span.start < span.end && Space(d_.text[static_cast<size_t>(span.start)])) ++span.start;
    }
  }

  // Blocks of one paragraph (apart by a space only) are read as one text, so a sentence may cross
  // them.
  void MakeUnits(const Section& section) {
    units_.clear();
    for (size_t i = section.first; i < section.last;) {
      size_t j = i + 1;
      while (j < section.last && Joined(d_.blocks[j - 1], d_.blocks[j])) ++j;
      const Span span{d_.blocks[i].span.start, d_.blocks[j - 1].span.end};
      if (d_.blocks[i].kind == BlockKind::kCode) {
        AddLines(span);
      } else {
        bool first = true;
        for (const Span& s : text::Sentences(Text(span))) {
          AddUnit({span.start + s.start, span.start + s.end}, first);
          first = false;
        }
      }
      i = j;
    }
  }

  bool Joined(const Block& a, const Block& b) const {
    return a.kind == b.kind &&
           Text({a.span.end, b.span.start}).find('\n') == std::string_view::npos;
  }

  void AddLines(Span span) {
    bool first = true;
    for (int64_t at = span.start; at < span.end;) {
      size_t end = d_.text.find('\n', static_cast<size_t>(at));
      const int64_t stop =
          std::min(span.end, end == std::string::npos ? span.end : static_cast<int64_t>(end));
      if (CountWords(Text({at, stop})) > 0) AddUnit({at, stop}, first);
      first = false;
      at = stop + 1;
    }
  }

  void Pack(const Section& section) {
    for (size_t i = 0; i < units_.size();) {
      size_t j = i;
      int64_t words = 0;
      while (j < units_.size() && (words == 0 || words + units_[j].words <= words_)) {
        words += units_[j].words;
        ++j;
      }
      j = BetterEnd(i, j, words);
      // A short rest joins the last passage instead of standing alone.
      int64_t rest = 0;
      for (size_t k = j; k < units_.size() && rest <= words_ / 4; ++k) rest += units_[k].words;
      if (rest <= words_ / 4 && words + rest <= words_ + words_ / 2) j = units_.size();
      Emit(section, i, j);
      if (j >= units_.size()) return;
      // Overlap, but always forward.
      const size_t back =
          static_cast<size_t>(std::clamp<int64_t>(overlap_, 0, static_cast<int64_t>(j - i) - 1));
      i = section.other ? j : j - back;
      while (i < j && WordsOf(i, j) > words_ / 2) ++i;
    }
  }

  int64_t WordsOf(size_t i, size_t j) const {
    int64_t words = 0;
    for (; i < j; ++i) words += units_[i].words;
    return words;
  }

  // Ends at a paragraph's end when one lies in the last quarter.
  size_t BetterEnd(size_t i, size_t j, int64_t words) const {
    if (j >= units_.size() || units_[j].block_start) return j;
    int64_t left = words;
    for (size_t k = j; k > i + 1; --k) {
      left -= units_[k - 1].words;
      if (left * 4 < words_ * 3) return j;
      if (units_[k - 1].block_start) return k - 1;
    }
    return j;
  }

  void Emit(const Section& section, size_t i, size_t j) {
    Passage p;
    p.span = {units_[i].span.start, units_[j - 1].span.end};
    p.text = std::string(Text(p.span));
    p.heading = HeadingAt(p.span.start, section);
    Locate(section, p);
    out_.push_back(std::move(p));
  }

  // The nearest heading at or above; a passage that begins with its heading has that one.
  std::string HeadingAt(int64_t start, const Section& section) {
    while (next_heading_ < d_.blocks.size() && d_.blocks[next_heading_].span.start <= start) {
      if (d_.blocks[next_heading_].kind == BlockKind::kHeading)
        heading_ = static_cast<int64_t>(next_heading_);
      ++next_heading_;
    }
    return heading_ < 0 ? "" : std::string(Text(d_.blocks[static_cast<size_t>(heading_)].span));
  }

  // Page of the first block and the union of the boxes there.
  void Locate(const Section& section, Passage& p) const {
    bool first = true;
    const auto begin = d_.blocks.begin() + static_cast<int64_t>(section.first);
    const auto end = d_.blocks.begin() + static_cast<int64_t>(section.last);
    auto it = std::partition_point(begin, end,
                                   [&](const Block& b) { return b.span.end <= p.span.start; });
    for (; it != end && it->span.start < p.span.end; ++it) {
      const Block& b = *it;
      if (first) {
        p.page = b.page;
        p.box = b.box;
        first = false;
      } else if (b.page == p.page) {
        p.box = {std::min(p.box.x0, b.box.x0), std::min(p.box.y0, b.box.y0),
                 std::max(p.box.x1, b.box.x1), std::max(p.box.y1, b.box.y1)};
      }
    }
  }

  const Document& d_;
  const int64_t words_;
  const int64_t overlap_;
  std::vector<Unit> units_;
  std::vector<Passage> out_;
  size_t next_heading_ = 0;
  int64_t heading_ = -1;
};

}  // namespace

std::vector<Passage> Chunk(const Document& document, const ChunkOptions& options) {
  return Chunker(document, options).Run();
}

}  // namespace weir::ingest
