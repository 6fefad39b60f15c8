// Technique: block-max-conjunction
// Source: Ding, Suel, "Faster top-k document retrieval using block-max indexes", SIGIR 2011 (bounds
//   of blocks for AND); phrases bounded by the rarest of their terms, as in Lucene's impacts.
// Idea: The rarest term leads, block by block. Its block is left out when it and the blocks of the
//   others there cannot reach the k-th best score; what is unpacked is tested again after each
//   term, and a phrase's positions are looked at last, for documents that may win.
// Formulas: all terms: bound = score so far + sum of the open bounds; phrase: it occurs at most as
//   often as each of its terms, so bound = weight * idf * min over terms of f / (f + K(length)).
// Cost: O(postings of the rarest term) at most; memory of a block a term.
// Differs: none known.
// Checked by: search_test.   Measured by: weir bench search (bm25-and, bm25-phrase).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "index/lexical/bm25.h"
#include "index/lexical/segment_reader.h"

namespace weir::index {

struct ConjunctionTerm {
  TermInfo info;
  float factor = 0;    // weight * idf; of a phrase, the whole phrase's
  int32_t offset = 0;  // from the start of a phrase
  int32_t width = 0;   // of a phrase: LexicalClause::width
};

// Takes a document with its score, in the order of documents, and returns the score that the next
// ones must reach.
using OfferDocument = absl::FunctionRef<float(uint32_t doc, float score)>;

// Offers the documents with all terms that may reach `least`, which rises; the score is the sum of
// the terms', added in f64.
absl::Status SearchConjunction(const LexicalSegment& segment,
                               std::span<const ConjunctionTerm> terms,
                               const Bm25Saturation& saturation, float least, OfferDocument offer);

// As above for the documents in which the terms stand at their offsets, or near one another; the
// score is
// factor * saturation(how often they do, length).
absl::Status SearchPhrase(const LexicalSegment& segment, std::span<const ConjunctionTerm> terms,
                          const Bm25Saturation& saturation, float least, OfferDocument offer);

struct PhraseMatches {
  // ascending documents; how often the phrase occurs in each
  std::vector<uint32_t> docs, frequencies;
};

// All of them, for queries that need more than the best. Allocates by the number of matches.
absl::Status MatchPhrase(const LexicalSegment& segment, std::span<const ConjunctionTerm> terms,
                         PhraseMatches& matches);

}  // namespace weir::index
