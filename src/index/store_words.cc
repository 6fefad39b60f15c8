// What a query's words are in the store's texts: the places they match, and those that are nowhere.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "index/lexical/analysed.h"
#include "index/lexical/highlight.h"
#include "index/lexical/spelling.h"
#include "index/scope_cache.h"
#include "index/store_folder.h"
#include "text/fields.h"
#include "text/unicode.h"
#include "text/words.h"

namespace weir::index {
namespace {

constexpr size_t kMaxSpelledWords = 16;  // of a query
constexpr size_t kNearTerms = 24;        // looked at for each of them
constexpr int64_t kLookedAt = 3;         // passages for the form of a term

// A word of a query, unless it is refused, has digits, or is of a script without spaces.
struct QueryWord {
  text::Span span;
  std::string folded;
  size_t letters = 0;
};

std::vector<QueryWord> WordsOf(std::string_view query) {
  std::vector<QueryWord> out;
  size_t at = 0;
  text::Span span;
  bool ascii = false;
  while (out.size() < kMaxSpelledWords && text::NextWord(query, at, span, ascii)) {
    const std::string_view word = query.substr(span.start, span.size());
    const std::string_view before = query.substr(0, span.start);
    if (before.ends_with('-') && (before.size() == 1 || before[before.size() - 2] == ' ')) continue;
    if (word.find_first_of("0123456789_") != word.npos) continue;
    QueryWord found{span, text::FoldValue(word), 0};
    bool spaced = true;
    for (size_t i = 0; i < found.folded.size(); ++found.letters)
      spaced = text::NextCodePoint(found.folded, i) < 0x0E00 && spaced;  // up to Thai
    const bool known = std::any_of(out.begin(), out.end(), [&](const QueryWord& w) {
      return w.folded == found.folded;
    });
    if (spaced && !known && MostDistance(found.letters) > 0) out.push_back(std::move(found));
  }
  return out;
}

// The form of `term` in a passage that is nearest to the word; "" if none is near.
std::string NearestForm(const QueryWord& word, std::string_view term, text::Analyzer& analyzer,
                        const PassageFields& fields, int& distance) {
  std::string best;
  std::vector<text::Token> tokens;
  for (std::string_view text : {fields.title, fields.heading, fields.text}) {
    tokens.clear();
    analyzer.Analyze(text, tokens);
    for (const text::Token& token : tokens) {
      if (token.term != term) continue;
      std::string form = text::FoldValue(text.substr(token.span.start, token.span.size()));
      const int d = EditDistance(word.folded, form, distance);
      if (d > distance || (d == distance && !best.empty()) || d == 0) continue;
      distance = d;
      best = std::move(form);
    }
  }
  return best;
}

bool Better(const text::Spelling::Suggestion& a, const text::Spelling::Suggestion& b) {
  if (a.distance != b.distance) return a.distance < b.distance;
  return a.passages != b.passages ? a.passages > b.passages : a.text < b.text;
}

// Adds what one analyser finds for a word that is nowhere.
class Speller {
 public:
  Speller(const Store& store, std::vector<SegmentView> views, const Context& context)
      : store_(store), views_(std::move(views)), context_(context) {}

  absl::StatusOr<bool> Holds(std::string_view term) const {
    WEIR_ASSIGN_OR_RETURN(const int64_t passages, LiveFrequency(views_, term));
    return passages > 0;
  }

  absl::Status Suggest(const QueryWord& word, std::string_view term, text::Analyzer& analyzer,
                       text::Spelling& out) {
    const int most = MostDistance(word.letters);
    // Several analysers often make the same of a word.
    if (near_to_ != term) {
      WEIR_ASSIGN_OR_RETURN(near_, FindNearTerms(views_, term, most, kNearTerms, context_));
      near_to_ = std::string(term);
    }
    for (const NearTerm& candidate : near_) {
      LexicalQuery query;
      query.clauses.push_back({{candidate.term}, {0}});
      WEIR_ASSIGN_OR_RETURN(const std::vector<Scored> hits,
                            SearchSegments(views_, query, kLookedAt, {}));
      text::Spelling::Suggestion suggestion;
      suggestion.distance = most;
      for (const Scored& hit : hits) {
        WEIR_ASSIGN_OR_RETURN(const text::Passage passage, store_.GetPassage(hit.passage));
        WEIR_ASSIGN_OR_RETURN(const text::DocumentRef document,
                              store_.GetDocument(passage.document));
        std::string form = NearestForm(word, candidate.term, analyzer,
                                       MakeFields(document.title, passage.heading, passage.text),
                                       suggestion.distance);
        if (!form.empty()) suggestion.text = std::move(form);
      }
      const bool known =
          std::any_of(out.suggestions.begin(), out.suggestions.end(),
                      [&](const auto& s) { return s.text == suggestion.text; });
      if (suggestion.text.empty() || known) continue;
      WEIR_ASSIGN_OR_RETURN(suggestion.passages, LiveFrequency(views_, candidate.term));
      out.suggestions.push_back(std::move(suggestion));
    }
    return absl::OkStatus();
  }

 private:
  const Store& store_;
  std::vector<SegmentView> views_;  // count what the scope allows, and nothing else
  const Context& context_;
  std::string near_to_;  // a term, and those near to it
  std::vector<NearTerm> near_;
};

}  // namespace

absl::Status FolderStore::Highlight(std::string_view query, std::span<text::Hit> hits,
                                    const Scope* scope) const {
  WEIR_ASSIGN_OR_RETURN(const LentAnalyzers analyzers, Lend(scope));
  const Highlighter highlighter(query, analyzers.Borrow());
  for (text::Hit& hit : hits) {
    std::vector<std::string> languages;  // of the document; a passage is in one of them
    {
      std::lock_guard lock(catalogue_mutex_);
      WEIR_ASSIGN_OR_RETURN(languages, catalogue_->LanguagesOf(hit.passage.document));
    }
    Highlights found = highlighter.Mark(hit.passage.text, [&](size_t i) {
      return languages.empty() || std::find(languages.begin(), languages.end(),
                                            analyzers.names()[i]) != languages.end();
    });
    const int64_t start = hit.passage.span.start;
    hit.snippet = {start + found.snippet.start, start + found.snippet.end};
    hit.marks.clear();
    for (const text::Span& mark : found.marks)
      hit.marks.push_back({start + mark.start, start + mark.end});
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<text::Spelling>> FolderStore::SuggestSpelling(
    std::string_view query, size_t most, const Context& context, const Scope* scope) const {
  if (!text::IsValidUtf8(query)) return std::vector<text::Spelling>();
  const std::shared_ptr<const Snapshot> now = snapshot();
  std::vector<SegmentView> views = now->lexical_views;
  ScopeCache::Shared<SegmentView> scoped;
  if (scope != nullptr) {
    scoped = scope->cache().Lexical(now, *scope);
    views = scoped->views;
    for (SegmentView& view : views) view.counted = view.allowed;
  }
  WEIR_ASSIGN_OR_RETURN(const LentAnalyzers analyzers, Lend(scope));
  Speller speller(*this, views, context);
  std::vector<text::Spelling> out;
  std::vector<text::Token> tokens;
  for (const QueryWord& word : WordsOf(query)) {
    const std::string surface(query.substr(word.span.start, word.span.size()));
    std::vector<std::pair<text::Analyzer*, std::string>> terms;
    bool held = false, stop = false;
    for (text::Analyzer* const analyzer : analyzers.Borrow()) {
      tokens.clear();
      analyzer->Analyze(surface, tokens);
      stop = stop || tokens.empty();  // a word of a language, if not one that counts
      for (const text::Token& token : tokens) {
        WEIR_ASSIGN_OR_RETURN(const bool holds, speller.Holds(token.term));
        held = held || holds;
      }
      if (!tokens.empty()) terms.emplace_back(analyzer, tokens[0].term);
    }
    if (held || stop) continue;
    text::Spelling spelling{surface, word.span, {}};
    for (const auto& [analyzer, term] : terms)
      WEIR_RETURN_IF_ERROR(speller.Suggest(word, term, *analyzer, spelling));
    std::sort(spelling.suggestions.begin(), spelling.suggestions.end(), Better);
    if (spelling.suggestions.size() > most) spelling.suggestions.resize(most);
    out.push_back(std::move(spelling));
  }
  return out;
}

}  // namespace weir::index
