#include "index/lexical/spelling.h"

#include <algorithm>
#include <array>
#include <bit>

#include "absl/container/flat_hash_map.h"
#include "base/status.h"
#include "text/unicode.h"

namespace weir::index {
namespace {

constexpr size_t kMaxLetters = 64;  // of a word that is corrected

using Letters = std::vector<char32_t>;

void Decode(std::string_view text, Letters& out) {
  out.clear();
  for (size_t at = 0; at < text.size() && out.size() <= kMaxLetters;)
    out.push_back(text::NextCodePoint(text, at));
}

// Which bytes a word has, for a quick look at whether two can be near.
struct Bytes {
  uint64_t bits = 0;  // by byte modulo 64
  bool ascii = true;
};

Bytes BytesOf(std::string_view text) {
  Bytes out;
  unsigned all = 0;
  for (char c : text) {
    out.bits |= uint64_t{1} << (static_cast<unsigned char>(c) % 64);
    all |= static_cast<unsigned char>(c);
  }
  out.ascii = all < 0x80;
  return out;
}

// An edit changes two letters at most, each of up to four bytes.
bool MayBeNear(const Bytes& a, const Bytes& b, int most) {
  return std::popcount(a.bits ^ b.bits) <= most * (a.ascii && b.ascii ? 2 : 8);
}

// Of strings of code points, or of bytes where both are ASCII.
template <class String>
int Distance(const String& a, const String& b, int most) {
  const int n = static_cast<int>(a.size()), m = static_cast<int>(b.size());
  if (std::abs(n - m) > most || n > static_cast<int>(kMaxLetters) ||
      m > static_cast<int>(kMaxLetters)) {
    return most + 1;
  }
  using Row = std::array<int, kMaxLetters + 1>;
  Row rows[3];
  Row *before = &rows[0], *above = &rows[1], *row = &rows[2];
  for (int j = 0; j <= m; ++j) (*above)[j] = j;
  for (int i = 1; i <= n; ++i) {
    // What lies further than `most` from the diagonal is above `most`.
    const int first = std::max(1, i - most), last = std::min(m, i + most);
    (*row)[first - 1] = first == 1 ? i : most + 1;
    int least = (*row)[first - 1];
    for (int j = first; j <= last; ++j) {
      const int up = j == i + most ? most + 1 : (*above)[j];
      int d = std::min({up + 1, (*row)[j - 1] + 1, (*above)[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d = std::min(d, (*before)[j - 2] + 1);
      (*row)[j] = d;
      least = std::min(least, d);
    }
    if (least > most) return most + 1;
    Row* const free = before;
    before = above;
    above = row;
    row = free;
  }
  return std::min((*above)[m], most + 1);
}

bool Nearer(const NearTerm& a, const NearTerm& b) {
  if (a.distance != b.distance) return a.distance < b.distance;
  return a.passages != b.passages ? a.passages > b.passages : a.term < b.term;
}

}  // namespace

int EditDistance(std::string_view a, std::string_view b, int most) {
  Letters x, y;
  Decode(a, x);
  Decode(b, y);
  return Distance(x, y, most);
}

int MostDistance(size_t code_points) { return code_points < 3 ? 0 : code_points < 5 ? 1 : 2; }

absl::StatusOr<std::vector<NearTerm>> FindNearTerms(std::span<const SegmentView> segments,
                                                    std::string_view term, int most, size_t limit,
                                                    const Context& context) {
  Letters wanted, letters;
  Decode(term, wanted);
  std::vector<NearTerm> found;
  if (most <= 0 || wanted.empty() || wanted.size() > kMaxLetters) return found;
  const Bytes bytes = BytesOf(term);
  absl::flat_hash_map<std::string, NearTerm> near;
  for (const SegmentView& view : segments) {
    LexicalSegment::TermIterator terms(*view.segment);
    for (uint64_t n = 0; terms.Next(); ++n) {
      if (n % 65536 == 0) WEIR_RETURN_IF_ERROR(context.CheckCancelled());
      const std::string& other = terms.term();
      const auto difference = static_cast<int>(other.size()) - static_cast<int>(term.size());
      if (std::abs(difference) > most * 4) continue;
      const Bytes other_bytes = BytesOf(other);
      if (!MayBeNear(bytes, other_bytes, most)) continue;
      int distance = most + 1;
      if (bytes.ascii && other_bytes.ascii) {
        distance = Distance(std::string_view(term), std::string_view(other), most);
      } else if (text::IsValidUtf8(other)) {  // the file may be damaged
        Decode(other, letters);
        distance = Distance(wanted, letters, most);
      }
      if (distance > most) continue;
      NearTerm& entry = near[other];
      entry.distance = distance;
      entry.passages += terms.info().document_count;
    }
    WEIR_RETURN_IF_ERROR(terms.status());
  }
  for (auto& [name, entry] : near) {
    entry.term = name;
    found.push_back(std::move(entry));
  }
  std::sort(found.begin(), found.end(), Nearer);
  if (found.size() > limit) found.resize(limit);
  return found;
}

}  // namespace weir::index
