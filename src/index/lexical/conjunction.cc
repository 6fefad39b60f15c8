#include "index/lexical/conjunction.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <vector>

#include "index/lexical/block_scores.h"
#include "index/lexical/cursor.h"
#include "index/lexical/phrase.h"

namespace weir::index {
namespace {

// One term on its way forward.
class Walker {
 public:
  Walker(const LexicalSegment& segment, const ConjunctionTerm& term,
         const Bm25Saturation& saturation)
      : cursor_(segment, term.info), saturation_(saturation), factor_(term.factor) {
    if (cursor_.has_skips()) {
      list_bound_ = factor_ * ImpactBound(cursor_.ListImpacts(), saturation);
    } else {
      cursor_.Load(0);
      list_bound_ = factor_;  // a saturation is below 1
    }
  }

  PostingsCursor& cursor() { return cursor_; }
  float factor() const { return factor_; }

  float BlockBound(uint32_t block) {
    if (!cursor_.has_skips()) return list_bound_;
    if (block != bound_block_) {
      bound_block_ = block;
      bound_ = factor_ * ImpactBound(cursor_.Skip(block).impacts, saturation_);
    }
    return bound_;
  }

  // The most a document in [first, last] can score; below 0 when there is none. Moves to `first`.
  float WindowBound(uint32_t first, uint32_t last) {
    block_ = cursor_.FindBlock(block_, first);
    float bound = -1;
    for (uint32_t b = block_; b < cursor_.block_count(); ++b) {
      if (b - block_ == kMaxBoundBlocks) return list_bound_;
      if (b > 0 && cursor_.LastDoc(b - 1) >= last) break;
      bound = std::max(bound, BlockBound(b));
      if (cursor_.LastDoc(b) >= last) break;
    }
    return bound;
  }

  // Moves to the block that may hold `doc`; false at the end.
  bool Move(uint32_t doc) {
    block_ = cursor_.FindBlock(block_, doc);
    return block_ < cursor_.block_count();
  }
  uint32_t block() const { return block_; }

 private:
  PostingsCursor cursor_;
  const Bm25Saturation& saturation_;
  float factor_, list_bound_ = 0, bound_ = 0;
  uint32_t bound_block_ = ~0u, block_ = 0;
};

// How scores of terms become one: of all terms a sum, of a phrase the least; or there are none.
struct Sum {
  static double Join(double a, double b) { return a + b; }
  static constexpr double kNone = 0;
  static constexpr bool kScores = true, kPlaces = false;
};
struct Least {
  static double Join(double a, double b) { return std::min(a, b); }
  static constexpr double kNone = std::numeric_limits<double>::infinity();
  static constexpr bool kScores = true, kPlaces = true;
};
struct Unscored : Least {
  static constexpr bool kScores = false;
};

template <class How>
class Conjunction {
 public:
  Conjunction(const LexicalSegment& segment, std::span<const ConjunctionTerm> terms,
              const Bm25Saturation& saturation)
      : segment_(segment), saturation_(saturation), rest_(terms.size() + 1, How::kNone) {
    if (How::kPlaces) found_.resize(terms.size() * kBlockSize);
    for (const ConjunctionTerm& term : terms) walkers_.emplace_back(segment, term, saturation);
  }

  // Of the document that finish() is called for, in the order of the terms.
  const std::vector<PhraseCounter::Found>& Places() {
    places_of_one_.resize(walkers_.size());
    for (size_t t = 0; t < walkers_.size(); ++t)
      places_of_one_[t] = found_[t * kBlockSize + origins_[at_]];
    return places_of_one_;
  }

  // finish(doc, score) returns the new cut. REQUIRES: terms in the order of their counts.
  template <class Finish>
  absl::Status Run(double cut, Finish finish) {
    Walker& lead = walkers_[0];
    for (uint32_t block = 0; block < lead.cursor().block_count(); ++block) {
      if (!Promises(block, cut)) continue;
      if (!lead.cursor().Load(block)) break;
      size_t n = Lead(cut);
      for (size_t t = 1; t < walkers_.size() && n > 0; ++t) n = Keep(t, n, cut);
      for (at_ = 0; at_ < n; ++at_) {
        if (scores_[at_] >= cut) cut = finish(docs_[at_], scores_[at_]);
      }
    }
    for (Walker& walker : walkers_) {
      if (!walker.cursor().status().ok()) return walker.cursor().status();
    }
    return absl::OkStatus();
  }

 private:
  // Fills rest_: what the terms from t on can bring within the leader's block.
  bool Promises(uint32_t block, double cut) {
    PostingsCursor& lead = walkers_[0].cursor();
    const uint32_t first = block == 0 ? 0 : lead.LastDoc(block - 1) + 1;
    const uint32_t last = lead.LastDoc(block);
    const double own = walkers_[0].BlockBound(block);
    for (size_t t = walkers_.size(); t-- > 1;) {
      const float bound = walkers_[t].WindowBound(first, last);
      if (bound < 0) return false;
      rest_[t] = How::Join(rest_[t + 1], double{bound});
    }
    return How::Join(own, rest_[1]) >= cut;
  }

  // The leader's documents that may win.
  size_t Lead(double cut) {
    PostingsCursor& lead = walkers_[0].cursor();
    const uint32_t count = lead.count();
    const uint32_t* docs = lead.docs();
    float scores[kBlockSize];
    if (How::kScores) {
      segment_.Lengths(docs, count, lengths_);
      for (uint32_t i = count; i % 4 != 0; ++i) lengths_[i] = 1;
      ScoreBlock(lead.Frequencies(), lengths_, count, walkers_[0].factor(), saturation_, scores);
    } else {
      std::fill_n(scores, count, 0.0f);
      std::fill_n(lengths_, count, 1u);
    }
    size_t n = 0;
    for (uint32_t i = 0; i < count; ++i) {
      docs_[n] = docs[i];
      lengths_[n] = lengths_[i];
      scores_[n] = scores[i];
      origins_[n] = i;
      if (How::kPlaces) found_[i] = {lead.block(), i};
      n += How::Join(scores_[n], rest_[1]) >= cut ? 1 : 0;
    }
    return n;
  }

  // Of the first n candidates those that hold term t, too, and may still win.
  size_t Keep(size_t t, size_t n, double cut) {
    Walker& walker = walkers_[t];
    PostingsCursor& cursor = walker.cursor();
    size_t kept = 0;
    for (size_t i = 0; i < n;) {
      if (!walker.Move(docs_[i])) break;
      // The candidates that lie in this block.
      const uint32_t last = cursor.LastDoc(walker.block());
      const double bound = walker.BlockBound(walker.block());
      size_t found = kept;
      for (; i < n && docs_[i] <= last; ++i) {
        if (How::Join(How::Join(scores_[i], rest_[t + 1]), bound) < cut) continue;
        if (!cursor.Load(walker.block())) return 0;
        const uint32_t place = cursor.PlaceOf(docs_[i]);
        Move(i, found);
        places_[found] = place;
        found += place != PostingsCursor::kAbsent ? 1 : 0;
      }
      kept = Score(t, kept, found, cut);
    }
    return kept;
  }

  void Move(size_t from, size_t to) {
    docs_[to] = docs_[from];
    lengths_[to] = lengths_[from];
    scores_[to] = scores_[from];
    origins_[to] = origins_[from];
  }

  // Joins the term's scores to the candidates [begin, end); those that may win move up to begin.
  size_t Score(size_t term, size_t begin, size_t end, double cut) {
    Walker& walker = walkers_[term];
    const double rest = rest_[term + 1];
    if (begin == end) return begin;
    if (How::kPlaces) {
      for (size_t i = begin; i < end; ++i)
        found_[term * kBlockSize + origins_[i]] = {walker.block(), places_[i]};
    }
    if (!How::kScores) return end;
    const uint32_t* frequencies = walker.cursor().Frequencies();
    for (size_t i = begin; i < end; ++i) {
      const float score =
          walker.factor() *
          saturation_(static_cast<float>(static_cast<int32_t>(frequencies[places_[i]])),
                      static_cast<float>(static_cast<int32_t>(lengths_[i])));
      const double joined = How::Join(scores_[i], double{score});
      Move(i, begin);
      scores_[begin] = joined;
      begin += How::Join(joined, rest) >= cut ? 1 : 0;
    }
    return begin;
  }

  const LexicalSegment& segment_;
  const Bm25Saturation& saturation_;
  std::deque<Walker> walkers_;
  std::vector<double> rest_;
  // candidates: documents of the leader's block that may win
  uint32_t docs_[kBlockSize], lengths_[kBlockSize], places_[kBlockSize];
  uint32_t origins_[kBlockSize];  // places in the leader's block
  double scores_[kBlockSize];
  // of each term, by the candidate's origin
  std::vector<PhraseCounter::Found> found_, places_of_one_;
  size_t at_ = 0;
};

std::vector<ConjunctionTerm> ByCount(std::span<const ConjunctionTerm> terms) {
  std::vector<ConjunctionTerm> sorted(terms.begin(), terms.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const ConjunctionTerm& a, const ConjunctionTerm& b) {
                     return a.info.document_count < b.info.document_count;
                   });
  return sorted;
}

std::vector<PhraseCounter::Term> CounterTerms(std::span<const ConjunctionTerm> terms) {
  std::vector<PhraseCounter::Term> out;
  for (const ConjunctionTerm& term : terms) out.push_back({term.info, term.offset, term.width});
  return out;
}

double CutOf(float least) { return double{least} / kSlack; }

}  // namespace

absl::Status SearchConjunction(const LexicalSegment& segment,
                               std::span<const ConjunctionTerm> terms,
                               const Bm25Saturation& saturation, float least, OfferDocument offer) {
  Conjunction<Sum> conjunction(segment, ByCount(terms), saturation);
  return conjunction.Run(CutOf(least), [&](uint32_t doc, double score) {
    return CutOf(offer(doc, static_cast<float>(score)));
  });
}

absl::Status SearchPhrase(const LexicalSegment& segment, std::span<const ConjunctionTerm> terms,
                          const Bm25Saturation& saturation, float least, OfferDocument offer) {
  const std::vector<ConjunctionTerm> sorted = ByCount(terms);
  PhraseCounter counter(segment, CounterTerms(sorted));
  const float factor = sorted[0].factor;
  double cut = CutOf(least);
  Conjunction<Least> conjunction(segment, sorted, saturation);
  absl::Status status = conjunction.Run(cut, [&](uint32_t doc, double) {
    const uint32_t frequency = counter.CountAt(conjunction.Places());
    if (frequency == 0) return cut;
    const float score =
        factor * saturation(static_cast<float>(static_cast<int32_t>(frequency)),
                            static_cast<float>(static_cast<int32_t>(segment.length(doc))));
    return cut = CutOf(offer(doc, score));
  });
  status.Update(counter.status());
  return status;
}

absl::Status MatchPhrase(const LexicalSegment& segment, std::span<const ConjunctionTerm> terms,
                         PhraseMatches& matches) {
  const std::vector<ConjunctionTerm> sorted = ByCount(terms);
  PhraseCounter counter(segment, CounterTerms(sorted));
  constexpr double kEverything = -std::numeric_limits<double>::infinity();
  const Bm25Saturation unused({}, {});
  Conjunction<Unscored> conjunction(segment, sorted, unused);
  absl::Status status = conjunction.Run(kEverything, [&](uint32_t doc, double) {
    const uint32_t frequency = counter.CountAt(conjunction.Places());
    if (frequency > 0) {
      matches.docs.push_back(doc);
      matches.frequencies.push_back(frequency);
    }
    return kEverything;
  });
  status.Update(counter.status());
  return status;
}

}  // namespace weir::index
