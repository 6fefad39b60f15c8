#include "index/lexical/query.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace weir::index {
namespace {

// Byte length of the quotation mark at `at`, 0 if there is none.
size_t QuoteAt(std::string_view text, size_t at) {
  if (text[at] == '"') return 1;
  const std::string_view three = text.substr(at, 3);
  return three == "\u201c" || three == "\u201d" ? 3 : 0;
}

struct Part {
  std::string_view text;
  bool quoted;
};

std::vector<Part> SplitQuotes(std::string_view text) {
  std::vector<Part> parts;
  size_t begin = 0;
  bool quoted = false;
  for (size_t at = 0; at < text.size();) {
    const size_t quote = QuoteAt(text, at);
    if (quote == 0) {
      ++at;
      continue;
    }
    parts.push_back({text.substr(begin, at - begin), quoted});
    at += quote;
    begin = at;
    quoted = !quoted;
  }
  parts.push_back({text.substr(begin), false});
  return parts;
}

// Clauses as they come, equal ones joined.
class Clauses {
 public:
  explicit Clauses(LexicalQuery& query) : query_(query) {}

  void Add(LexicalClause clause) {
    std::string key = clause.Text();
    for (int32_t offset : clause.offsets) absl::StrAppend(&key, "/", offset);
    auto [at, fresh] = known_.try_emplace(std::move(key), query_.clauses.size());
    if (!fresh) {
      query_.clauses[at->second].weight += clause.weight;
    } else if (query_.clauses.size() < kMaxClauses) {
      query_.clauses.push_back(std::move(clause));
    } else {
      known_.erase(at);
    }
  }

 private:
  LexicalQuery& query_;
  absl::flat_hash_map<std::string, size_t> known_;
};

// The first term of each position; fewer than two are no phrase.
LexicalClause PhraseOf(const std::vector<text::Token>& tokens) {
  LexicalClause clause;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0 && tokens[i].position == tokens[i - 1].position) continue;
    clause.offsets.push_back(tokens[i].position - tokens[0].position);
    clause.terms.push_back(tokens[i].term);
  }
  return clause;
}

// The tokens of one analyser without those that others made of the same bytes before.
class FreshTokens {
 public:
  void Keep(std::vector<text::Token>& tokens, bool last) {
    std::erase_if(tokens, [&](const text::Token& t) { return seen_.contains(KeyOf(t)); });
    if (last) return;
    for (const text::Token& t : tokens) seen_.insert(KeyOf(t));
  }

 private:
  static std::string KeyOf(const text::Token& t) {
    return absl::StrCat(t.span.start, "/", t.span.end, "/", t.term);
  }
  absl::flat_hash_set<std::string> seen_;
};

}  // namespace

std::string LexicalClause::Text() const {
  return terms.size() == 1 ? terms[0] : absl::StrCat("\"", absl::StrJoin(terms, " "), "\"");
}

LexicalQuery ParseLexicalQuery(std::string_view text, text::Analyzer& analyzer) {
  text::Analyzer* const one = &analyzer;
  return ParseLexicalQuery(text, std::span(&one, 1));
}

LexicalQuery ParseLexicalQuery(std::string_view text, std::span<text::Analyzer* const> analyzers) {
  LexicalQuery query;
  Clauses clauses(query);
  std::vector<text::Token> tokens;
  for (const Part& part : SplitQuotes(text)) {
    FreshTokens fresh;
    std::vector<std::vector<std::string>> phrases;  // of this part
    for (text::Analyzer* const analyzer : analyzers) {
      tokens.clear();
      analyzer->Analyze(part.text, tokens);
      if (part.quoted) {
        LexicalClause phrase = PhraseOf(tokens);
        if (phrase.terms.size() > 1 && phrase.terms.size() <= kMaxPhraseTerms) {
          const bool known =
              std::find(phrases.begin(), phrases.end(), phrase.terms) != phrases.end();
          if (!known) phrases.push_back(phrase.terms);
          if (!known) clauses.Add(std::move(phrase));
          continue;
        }
      }
      if (analyzers.size() > 1) fresh.Keep(tokens, analyzer == analyzers.back());
      const float share = analyzer == analyzers.front() ? 1 : kOtherLanguageWeight;
      for (text::Token& token : tokens) {
        clauses.Add({{std::move(token.term)}, {0}, share * token.weight});
      }
    }
  }
  return query;
}

}  // namespace weir::index
