#include "evaluate/known_items.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/progress.h"
#include "base/status.h"
#include "evaluate/fold.h"
#include "text/analysis.h"
#include "text/sentences.h"
#include "text/unicode.h"

namespace weir::evaluate {
namespace {

constexpr size_t kTerms = 3;
constexpr size_t kLeastTermBytes = 4;  // shorter words are seldom what a text is about
constexpr size_t kLeastWords = 6, kMostWords = 40;  // of a sentence
constexpr size_t kQueryWords = 8;  // of a question; longer ones find their passage by words alone
constexpr size_t kClozeDropped = 2;  // of the rarest words
constexpr size_t kMostHeadingWords = 16;
constexpr size_t kMostBelowHeading = 30;  // passages; a heading of more says too little
constexpr size_t kHeadingWords = 2;       // at least
constexpr size_t kPassageBytes = 3000;    // that a model reads

// What the answer to a query must hold, and a rare term of it by which passages are looked up.
struct Evidence {
  std::string folded, term;
};

class Maker {
 public:
  Maker(const index::Store& store, text::Completer* writer, const Context& context)
      : store_(store), writer_(writer), context_(context) {}

  absl::Status Read() {
    WEIR_ASSIGN_OR_RETURN(plain_, text::Analyzer::Make("plain"));
    const std::vector<int64_t> ids = store_.Passages();
    if (ids.empty()) return absl::FailedPreconditionError("the store holds no passages yet");
    for (const int64_t id : ids) {
      WEIR_RETURN_IF_ERROR(context_.CheckCancelled());
      WEIR_ASSIGN_OR_RETURN(text::Passage passage, store_.GetPassage(id));
      WEIR_ASSIGN_OR_RETURN(const text::DocumentRef document, store_.GetDocument(passage.document));
      set_.passages.push_back({id, absl::StrCat("p", set_.passages.size() + 1), document.path,
                               document.title, passage.heading, std::move(passage.text),
                               passage.page, passage.span});
      for (const std::string& term : TermsOf(set_.passages.back().text)) ++frequency_[term];
    }
    return absl::OkStatus();
  }

  absl::Status Make(const std::string& style, int64_t wanted) {
    std::mt19937_64 random(context_.seed);
    std::vector<size_t> order(set_.passages.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random() % i]);
    absl::flat_hash_set<std::string> asked;  // one query of copies
    if (context_.progress != nullptr) {
      context_.progress->Start(absl::StrCat("making queries: ", style), wanted, "queries");
    }
    int64_t made = 0;
    for (const size_t source : order) {
      if (made == wanted) break;
      WEIR_RETURN_IF_ERROR(context_.CheckCancelled());
      Evidence evidence;
      WEIR_ASSIGN_OR_RETURN(const std::string query, QueryOf(style, source, random(), evidence));
      if (query.empty() || !asked.insert(FoldPhrase(query)).second) continue;
      if (context_.progress != nullptr) context_.progress->Advance(1);
      set_.queries.push_back({absl::StrCat(style, "-", ++made), style, query, source, {}});
      evidence_.push_back(std::move(evidence));
    }
    if (context_.progress != nullptr) context_.progress->Finish();
    return absl::OkStatus();
  }

  // Every passage that holds what a query's answer must hold.
  KnownItemSet Judge() && {
    absl::flat_hash_map<std::string, std::vector<size_t>> by_term;
    for (size_t q = 0; q < evidence_.size(); ++q) {
      if (set_.queries[q].style != "heading") by_term[evidence_[q].term].push_back(q);
    }
    for (size_t p = 0; p < set_.passages.size(); ++p) {
      std::string letters;
      for (const std::string& term : TermsOf(set_.passages[p].text)) {
        const auto found = by_term.find(term);
        if (found == by_term.end()) continue;
        if (letters.empty()) letters = LettersOf(set_.passages[p].text).folded;
        for (const size_t q : found->second) {
          if (letters.find(evidence_[q].folded) != letters.npos) {
            set_.queries[q].relevant.push_back(p);
          }
        }
      }
    }
    for (size_t q = 0; q < evidence_.size(); ++q) {
      KnownItem& query = set_.queries[q];
      if (query.style == "heading") query.relevant = Below()[evidence_[q].folded];
    }
    return std::move(set_);
  }

 private:
  absl::flat_hash_set<std::string> TermsOf(std::string_view text) {
    plain_->Analyze(text, tokens_);
    absl::flat_hash_set<std::string> terms;
    for (const text::Token& token : tokens_) terms.insert(token.term);
    return terms;
  }

  // The rarest term of a text, the first one of equals; "" when there is none.
  std::string Rarest(std::string_view text) {
    plain_->Analyze(text, tokens_);
    const text::Token* best = nullptr;
    for (const text::Token& token : tokens_) {
      if (best == nullptr || frequency_[token.term] < frequency_[best->term]) best = &token;
    }
    return best == nullptr ? "" : best->term;
  }

  Evidence EvidenceOf(std::string_view text) { return {LettersOf(text).folded, Rarest(text)}; }

  absl::StatusOr<std::string> QueryOf(const std::string& style, size_t source, uint64_t draw,
                                      Evidence& evidence) {
    const KnownItemSet::Item& passage = set_.passages[source];
    if (style == "heading") return Heading(passage, evidence);
    if (style == "question") return Question(passage.text, draw, evidence);
    evidence = EvidenceOf(passage.text);
    if (evidence.folded.empty()) return std::string();
    return style == "terms" ? Distinctive(passage.text) : Written(passage.text);
  }

  // The words with the highest tf * idf that another passage has too, in the order of the text. A
  // word of this passage alone would find it in any index of words.
  std::string Distinctive(std::string_view text) {
    plain_->Analyze(text, tokens_);
    struct Word {
      double weight = 0;
      int64_t start = 0;
      std::string surface;
    };
    std::map<std::string, Word> words;
    const auto n = static_cast<double>(set_.passages.size());
    for (const text::Token& token : tokens_) {
      const int64_t df = frequency_[token.term];
      if (token.term.size() < kLeastTermBytes || text::IsStopWord(token.term) || df < 2) continue;
      if (token.term.find_first_of("0123456789") != std::string::npos) continue;
      Word& word = words[token.term];
      if (word.surface.empty()) {
        word.start = token.span.start;
        word.surface = text.substr(token.span.start, token.span.size());
      }
      word.weight += std::log(n / static_cast<double>(df));
    }
    std::vector<Word> best;
    for (auto& [term, word] : words) best.push_back(std::move(word));
    if (best.size() < kTerms) return "";
    std::stable_sort(best.begin(), best.end(),
                     [](const Word& a, const Word& b) { return a.weight > b.weight; });
    best.resize(kTerms);
    std::sort(best.begin(), best.end(),
              [](const Word& a, const Word& b) { return a.start < b.start; });
    std::string query;
    for (const Word& word : best) {
      absl::StrAppend(&query, query.empty() ? "" : " ", word.surface);
    }
    return query;
  }

  static std::string HeadingOf(const KnownItemSet::Item& passage) {
    return FoldPhrase(passage.heading.empty() ? passage.title : passage.heading);
  }

  // Folded heading -> passages below it.
  std::map<std::string, std::vector<size_t>>& Below() {
    if (below_.empty()) {
      for (size_t p = 0; p < set_.passages.size(); ++p) {
        below_[HeadingOf(set_.passages[p])].push_back(p);
      }
    }
    return below_;
  }

  std::string Heading(const KnownItemSet::Item& passage, Evidence& evidence) {
    evidence.folded = HeadingOf(passage);
    plain_->Analyze(evidence.folded, tokens_);
    if (tokens_.size() < kHeadingWords || tokens_.size() > kMostHeadingWords) return "";
    if (Below()[evidence.folded].size() > kMostBelowHeading) return "";
    return std::string(
        absl::StripAsciiWhitespace(passage.heading.empty() ? passage.title : passage.heading));
  }

  std::string Question(std::string_view text, uint64_t draw, Evidence& evidence) {
    std::vector<text::Span> sentences = text::Sentences(text);
    for (size_t tried = 0; tried < sentences.size(); ++tried) {
      const text::Span span = sentences[(draw + tried) % sentences.size()];
      const std::string_view sentence = text.substr(span.start, span.size());
      plain_->Analyze(sentence, tokens_);
      if (tokens_.size() < kLeastWords || tokens_.size() > kMostWords) continue;
      std::string query = WhatQuestion(sentence);
      if (query.empty()) query = Cloze(sentence);
      if (query.empty()) continue;
      evidence = EvidenceOf(sentence);
      return query;
    }
    return "";
  }

  // The first words of the sentence without its rarest ones.
  std::string Cloze(std::string_view sentence) {
    plain_->Analyze(sentence, tokens_);
    std::vector<std::string> rarest;
    for (const text::Token& token : tokens_) rarest.push_back(token.term);
    std::stable_sort(rarest.begin(), rarest.end(), [&](const std::string& a, const std::string& b) {
      return frequency_[a] < frequency_[b];
    });
    rarest.erase(std::unique(rarest.begin(), rarest.end()), rarest.end());
    rarest.resize(std::min(rarest.size(), kClozeDropped));
    std::string query;
    size_t words = 0;
    for (const text::Token& token : tokens_) {
      const bool dropped = std::find(rarest.begin(), rarest.end(), token.term) != rarest.end();
      if (dropped || words == kQueryWords) continue;
      absl::StrAppend(&query, query.empty() ? "" : " ",
                      sentence.substr(token.span.start, token.span.size()));
      ++words;
    }
    return words + kClozeDropped < kLeastWords ? "" : query;
  }

  absl::StatusOr<std::string> Written(std::string_view text) {
    text::CompletionRequest request;
    request.messages = {
        {"user", absl::StrCat("Read this passage.\n\n",
                              std::string(text::CutUtf8(text, kPassageBytes)),
                              "\n\nWrite one short question that the passage answers. Use other "
                              "words than the passage where you can. Write the question alone.")}};
    request.max_tokens = 48;
    request.stop = {"\n"};
    request.seed = context_.seed;
    WEIR_ASSIGN_OR_RETURN(const text::Completion written, writer_->Complete(request, context_));
    std::string query(absl::StripAsciiWhitespace(text::RepairUtf8(written.text)));
    for (char& c : query) {
      if (static_cast<unsigned char>(c) < 0x20) c = ' ';
    }
    plain_->Analyze(query, tokens_);
    return tokens_.size() < 3 || tokens_.size() > kMostWords ? "" : query;
  }

  const index::Store& store_;
  text::Completer* writer_;
  const Context& context_;
  KnownItemSet set_;
  std::vector<Evidence> evidence_;  // of each query
  std::unique_ptr<text::Analyzer> plain_;
  std::vector<text::Token> tokens_;
  absl::flat_hash_map<std::string, int64_t> frequency_;  // term -> passages
  std::map<std::string, std::vector<size_t>> below_;
};

absl::Status CheckStyles(const KnownItemOptions& options, const text::Completer* writer) {
  absl::flat_hash_set<std::string> seen;
  for (const std::string& style : options.styles) {
    if (style != "terms" && style != "heading" && style != "question" && style != "written") {
      return absl::InvalidArgumentError(absl::StrCat(
          "styles: \"", style, "\"; expected terms, heading, question or written"));
    }
    if (!seen.insert(style).second) {
      return absl::InvalidArgumentError(absl::StrCat("styles: ", style, " is named twice"));
    }
    if (style == "written" && writer == nullptr) {
      return absl::InvalidArgumentError("styles: written needs a language model");
    }
  }
  return options.styles.empty() ? absl::InvalidArgumentError("styles: none is named")
                                : absl::OkStatus();
}

}  // namespace

std::string WhatQuestion(std::string_view sentence) {
  static const auto& verbs = *new absl::flat_hash_set<std::string_view>{
      "is", "are", "was", "were", "has", "had", "can", "could", "may", "must", "should", "will"};
  static const auto& not_subjects = *new absl::flat_hash_set<std::string_view>{
      "it",   "this",  "that",   "these", "those", "they", "he",    "she",  "we",  "i",  "you",
      "there", "here", "which",  "who",   "what",  "if",   "when",  "while", "as",  "in", "on",
      "at",   "for",   "because", "although", "after", "before", "since", "but", "and", "or"};
  const std::vector<std::string> words =
      absl::StrSplit(absl::StripSuffix(sentence, "."), absl::ByAnyChar(" \t\r\n"),
                     absl::SkipEmpty());
  constexpr size_t kSubjectWords = 8;
  if (words.empty() || not_subjects.contains(absl::AsciiStrToLower(words[0]))) return "";
  size_t verb = 1;
  for (; verb < words.size() && verb <= kSubjectWords; ++verb) {
    if (verbs.contains(words[verb])) break;
    // A clause of its own begins, or another sentence.
    if (absl::StrContains(words[verb - 1], ",") || absl::StrContains(words[verb], ";")) return "";
  }
  if (verb >= words.size() || verb > kSubjectWords || words.size() - verb < kLeastWords - 1) {
    return "";
  }
  std::string question = "What";
  for (size_t i = verb; i < words.size() && i < verb + kQueryWords; ++i) {
    absl::StrAppend(&question, " ", words[i]);
  }
  while (!question.empty() && absl::StrContains(",;:.!?", question.substr(question.size() - 1))) {
    question.pop_back();
  }
  return question + "?";
}

absl::StatusOr<KnownItemSet> MakeKnownItems(const index::Store& store,
                                            const KnownItemOptions& options,
                                            text::Completer* writer, const Context& context) {
  WEIR_RETURN_IF_ERROR(CheckStyles(options, writer));
  Maker maker(store, writer, context);
  WEIR_RETURN_IF_ERROR(maker.Read());
  for (const std::string& style : options.styles) {
    WEIR_RETURN_IF_ERROR(maker.Make(style, options.queries));
  }
  KnownItemSet set = std::move(maker).Judge();
  if (set.queries.empty()) {
    return absl::FailedPreconditionError(
        "no query could be made: the store's passages are too few or too short");
  }
  return set;
}

}  // namespace weir::evaluate
