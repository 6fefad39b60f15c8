// A labelled set from a store's own passages: known-item queries, each made of one passage, which
// is the answer together with every other passage that holds the same text (`weir eval own`).
//
// Styles
//   terms     three words of a passage that few other passages have
//   heading   the heading above a passage, else its document's title; every passage below counts
//   question  a sentence as a question: "What" for the subject of an English "X is Y"; else the
//             sentence without its two rarest words; eight words at most
//   written   a question that a language model wrote about the passage
//
// What such a set can tell: how well a pipeline finds a passage that is known to be there. Queries
// of a passage's own words (terms, and in part question) favour search by words, so styles are
// measured apart. It does not tell how people ask.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "evaluate/metrics.h"
#include "index/store.h"
#include "text/ports.h"

namespace weir::evaluate {

struct KnownItemOptions {
  std::vector<std::string> styles = {"terms", "heading", "question"};
  int64_t queries = 100;
  template <class V>
  void Visit(V& v) {
    v(styles,
      {.name = "styles", .help = "Kinds of queries to make: terms, heading, question, written."});
    v(queries, {.name = "queries",
                .help = "Queries of each style, if the store has enough passages.",
                .unit = "queries",
                .min = 1,
                .max = 10000});
  }
};

struct KnownItem {
  std::string id;  // "question-17"
  std::string style, query;
  size_t source = 0;             // the passage that it was made of, as an index of `passages`
  std::vector<size_t> relevant;  // ascending, with the source
};

struct KnownItemSet {
  struct Item {
    int64_t passage = 0;  // of the store
    std::string id;       // "p17": stays the same while the store does
    std::string path, title, heading, text;
    int page = 0;
    text::Span span;
  };
  std::vector<Item> passages;  // all of the store
  std::vector<KnownItem> queries;  // by style in the order of the options

  std::vector<std::string> Styles() const;      // that have queries
  Qrels QrelsOf(std::string_view style) const;  // "": all styles
  std::string Corpus() const;                   // corpus.jsonl
  std::string Queries() const;                  // queries.jsonl
};

// "query-id<TAB>corpus-id<TAB>score" with its heading.
std::string QrelsText(const Qrels& qrels);

// Same store, options and context.seed: the same set, also with more threads. `writer` may be null
// unless a style needs it. kFailedPrecondition for an empty store.
absl::StatusOr<KnownItemSet> MakeKnownItems(const index::Store& store,
                                            const KnownItemOptions& options,
                                            text::Completer* writer, const Context& context);

// A BEIR folder with qrels/test.tsv and one split a style. kAlreadyExists when it has a corpus.
absl::Status WriteKnownItems(const KnownItemSet& set, const std::string& folder);

// "What was developed in 1969?" of "The technique was developed in 1969."; "" where the sentence
// has no such form. English alone.
std::string WhatQuestion(std::string_view sentence);

}  // namespace weir::evaluate
