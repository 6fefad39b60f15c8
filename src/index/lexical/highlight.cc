#include "index/lexical/highlight.h"

#include <algorithm>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "index/lexical/token_match.h"
#include "text/unicode.h"

namespace weir::index {
namespace {

struct Match {
  text::Span span;
  size_t clause = 0;
};

// To the next place at which a character begins.
int64_t CharacterAt(std::string_view text, int64_t at) {
  while (at < static_cast<int64_t>(text.size()) &&
         ((text[at] & 0xC0) == 0x80 || !text::BeginsCharacter(text, static_cast<size_t>(at)))) {
    ++at;
  }
  return at;
}

bool IsSpace(char c) { return c == ' ' || c == '\n' || c == '\t'; }

// The shortest run of matches with the most clauses in it: its first and last, inclusive.
std::pair<size_t, size_t> BestWindow(const std::vector<Match>& matches) {
  absl::flat_hash_map<size_t, int> inside;  // matches of each clause
  size_t first = 0, best_first = 0, best_last = 0, most = 0;
  int64_t shortest = 0;
  for (size_t last = 0; last < matches.size(); ++last) {
    ++inside[matches[last].clause];
    const auto length = [&] { return matches[last].span.end - matches[first].span.start; };
    // The first goes where it is too far away, or where another match of its clause is inside.
    while (first < last && (length() > static_cast<int64_t>(kSnippetBytes) ||
                            inside.at(matches[first].clause) > 1)) {
      const auto at = inside.find(matches[first++].clause);
      if (--at->second == 0) inside.erase(at);
    }
    const bool better = inside.size() > most ||
                        (inside.size() == most && most > 1 && length() < shortest);
    if (!better) continue;
    most = inside.size();
    shortest = length();
    best_first = first;
    best_last = last;
  }
  return {best_first, best_last};
}

// Around what must be seen: from the beginning of a sentence or of a word, to the end of a word.
text::Span Around(std::string_view text, text::Span seen) {
  const auto size = static_cast<int64_t>(text.size());
  const auto limit = static_cast<int64_t>(kSnippetBytes);
  if (size <= limit) return {0, size};
  const int64_t spare = std::max<int64_t>(limit - seen.size(), 0);
  // Half of the room before the match, more where the text ends soon.
  const int64_t before = std::max(spare / 2, spare - (size - seen.end));
  int64_t start = std::max<int64_t>(0, seen.start - before);
  if (start > 0) {
    int64_t word = -1, sentence = -1;
    for (int64_t at = start; at <= seen.start; ++at) {
      if (!IsSpace(text[at - 1])) continue;
      if (word < 0) word = at;
      const char end = at > 1 ? text[at - 2] : '\n';
      if (sentence < 0 && (text[at - 1] == '\n' || end == '.' || end == '?' || end == '!'))
        sentence = at;
    }
    start = CharacterAt(text, sentence >= 0 ? sentence : word >= 0 ? word : start);
    start = std::min(start, seen.start);
  }
  int64_t end = std::min(size, std::max(start + limit, seen.end));
  if (end < size && end > seen.end) {
    int64_t word = end;
    while (word > seen.end && !IsSpace(text[word])) --word;
    if (word > seen.end) {
      end = word;
    } else {  // a script without spaces
      while (end > seen.end && CharacterAt(text, end) != end) --end;
    }
  }
  return {start, end};
}

}  // namespace

Highlighter::Highlighter(std::string_view query, std::span<text::Analyzer* const> analyzers) {
  for (text::Analyzer* const analyzer : analyzers) {
    Reader reader{analyzer, {}};
    for (LexicalClause& clause : ParseLexicalQuery(query, *analyzer).clauses) {
      if (clause.need != Need::kMustNot) reader.clauses.push_back(std::move(clause));
    }
    readers_.push_back(std::move(reader));
  }
}

Highlights Highlighter::Mark(std::string_view text,
                             const std::function<bool(size_t)>& with) const {
  const auto size = static_cast<int64_t>(text.size());
  // A segment may be damaged.
  if (!text::IsValidUtf8(text)) return {{0, std::min<int64_t>(size, kSnippetBytes)}, {}};
  std::vector<Match> matches;
  std::vector<text::Token> tokens;
  for (size_t r = 0; r < readers_.size(); ++r) {
    if (readers_[r].clauses.empty() || (with != nullptr && !with(r))) continue;
    tokens.clear();
    readers_[r].analyzer->Analyze(text, tokens);
    for (size_t c = 0; c < readers_[r].clauses.size(); ++c) {
      MatchClause(readers_[r].clauses[c], tokens, [&](text::Span span) {
        // A word of one query stands at one place of it for every analyser, mostly.
        matches.push_back({{span.start, CharacterAt(text, span.end)}, c});
      });
    }
  }
  std::sort(matches.begin(), matches.end(), [](const Match& a, const Match& b) {
    return a.span.start != b.span.start ? a.span.start < b.span.start : a.span.end < b.span.end;
  });
  Highlights out;
  for (const Match& match : matches) {
    if (!out.marks.empty() && match.span.start <= out.marks.back().end) {
      out.marks.back().end = std::max(out.marks.back().end, match.span.end);
    } else {
      out.marks.push_back(match.span);
    }
  }
  text::Span seen;
  if (!matches.empty()) {
    const auto [first, last] = BestWindow(matches);
    seen = {matches[first].span.start, matches[first].span.end};
    for (size_t i = first; i <= last; ++i) seen.end = std::max(seen.end, matches[i].span.end);
  }
  out.snippet = Around(text, seen);
  return out;
}

}  // namespace weir::index
