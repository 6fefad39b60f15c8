#include "index/lexical/search.h"

#include <algorithm>
#include <array>
#include <bit>
#include <deque>
#include <limits>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "index/lexical/block_scores.h"
#include "index/lexical/clause_scorer.h"
#include "index/lexical/conjunction.h"
#include "index/lexical/documents.h"
#include "index/lexical/phrase.h"
#include "index/top_k.h"

namespace weir::index {
namespace {

constexpr uint32_t kWindow = 4096;
constexpr uint32_t kWideWindow = 65536;  // while one clause is essential, nothing is accumulated
constexpr double kLessSlack = 1 / kSlack;

// Takes live documents of one segment into the top k.
class Taker {
 public:
  // ascending: all passages of the segment come after those seen before.
  Taker(const SegmentView& view, bool ascending, TopK& top)
      : view_(view), ascending_(ascending), top_(top) {}
  // Reads the query's clauses that filter. False when one that must match does not occur here.
  absl::StatusOr<bool> Filter(const LexicalQuery& query) {
    for (const LexicalClause& clause : query.clauses) {
      if (clause.need == Need::kShould || (clause.need == Need::kMust && query.all)) continue;
      const bool must = clause.need == Need::kMust;
      WEIR_ASSIGN_OR_RETURN(const bool found,
                            AddClause(*view_.segment, clause, must ? required_ : refused_));
      if (must && !found) return false;
    }
    return true;
  }
  absl::Status status() const {
    absl::Status status;
    for (const Documents& d : required_) status.Update(d.status());
    for (const Documents& d : refused_) status.Update(d.status());
    return status;
  }
  const LexicalSegment& segment() const { return *view_.segment; }
  const RowSet* allowed() const { return view_.allowed; }
  float Least() const { return top_.Least(ascending_); }
  void Offer(uint32_t doc, float score) {
    if (score < Least()) return;
    if (view_.deleted != nullptr && view_.deleted->Contains(doc)) return;
    if (view_.allowed != nullptr && !view_.allowed->Contains(doc)) return;
    for (Documents& d : required_) {
      if (!d.Contains(doc)) return;
    }
    for (Documents& d : refused_) {
      if (d.Contains(doc)) return;
    }
    top_.Add({view_.segment->passage(doc), score});
  }

 private:
  const SegmentView& view_;
  const bool ascending_;
  TopK& top_;
  std::deque<Documents> required_, refused_;  // documents are offered in ascending order
};

class SegmentSearch {
 public:
  SegmentSearch(std::deque<ClauseScorer>& clauses, Taker& taker) : taker_(taker) {
    for (ClauseScorer& c : clauses) order_.push_back({&c, 0});
    below_.resize(order_.size() + 1);
  }

  absl::Status Any();
  absl::Status All();
  absl::Status Of(std::span<const uint32_t> rows, bool all);

 private:
  struct Entry {
    ClauseScorer* clause;
    float bound;  // in this window
  };

  double Least() const { return taker_.Least(); }
  uint32_t Bounds(uint32_t begin, uint32_t end);
  size_t NonEssential(double least) const;
  void Single(uint32_t begin, uint32_t end);
  void Many(uint32_t begin, uint32_t end, size_t essential);
  double Cut() const { return double{taker_.Least()} * kLessSlack; }
  void Finish(size_t n, size_t open);
  size_t Compress(size_t n, double least);
  absl::Status Damage() const {
    for (const Entry& e : order_) WEIR_RETURN_IF_ERROR(e.clause->status());
    return absl::OkStatus();
  }

  Taker& taker_;
  std::vector<Entry> order_;   // bounds ascending
  std::vector<double> below_;  // below_[i] = sum of the bounds of order_[0 .. i)
  // documents of a window that may win, ascending, with their scores so far
  std::array<uint32_t, kWindow> docs_;
  std::array<double, kWindow> scores_;
  std::array<double, kWindow> sums_{};
  std::array<uint64_t, kWindow / 64> seen_{};
};

// Fills and sorts the bounds of a window; returns the document up to which all of them hold.
uint32_t SegmentSearch::Bounds(uint32_t begin, uint32_t end) {
  uint32_t until = ClauseScorer::kNone - 1;
  for (Entry& e : order_) {
    uint32_t here = 0;
    e.bound = e.clause->WindowBound(begin, end, here);
    until = std::min(until, here);
  }
  // Insertion sort: few clauses, nearly the order of the window before.
  for (size_t i = 1; i < order_.size(); ++i) {
    const Entry e = order_[i];
    size_t j = i;
    for (; j > 0 && order_[j - 1].bound > e.bound; --j) order_[j] = order_[j - 1];
    order_[j] = e;
  }
  for (size_t i = 0; i < order_.size(); ++i) below_[i + 1] = below_[i] + double{order_[i].bound};
  return until;
}

// How many of the lowest clauses cannot reach `least` together.
size_t SegmentSearch::NonEssential(double least) const {
  size_t n = 0;
  while (n + 1 < order_.size() && below_[n + 1] * kSlack < least) ++n;
  return n;
}

absl::Status SegmentSearch::Any() {
  const uint32_t rows = taker_.segment().rows();
  const bool one = order_.size() == 1;
  uint32_t begin = 0, width = one ? rows : kWindow;
  while (begin < rows) {
    uint32_t next = ClauseScorer::kNone;
    for (Entry& e : order_) {
      e.clause->Advance(begin);
      next = std::min(next, e.clause->NextPossible(begin));
    }
    if (next >= rows) break;
    begin = next;
    uint32_t end = static_cast<uint32_t>(std::min<uint64_t>(rows, uint64_t{begin} + width));
    const double least = Least();
    uint32_t until = Bounds(begin, end);
    if (below_.back() * kSlack < least) {
      begin = std::max(end, until + 1);
      continue;
    }
    size_t open = NonEssential(least);
    if (!one && open + 1 < order_.size() && width > kWindow) {
      width = kWindow;
      end = static_cast<uint32_t>(std::min<uint64_t>(rows, uint64_t{begin} + width));
      Bounds(begin, end);
      open = NonEssential(least);
    }
    if (open + 1 == order_.size()) {
      Single(begin, end);
      width = one ? rows : kWideWindow;
    } else {
      Many(begin, end, open);
      width = kWindow;
    }
    begin = end;
  }
  return Damage();
}

// One essential clause, the last: its blocks are walked, and only documents that may win are
// completed.
void SegmentSearch::Single(uint32_t begin, uint32_t end) {
  ClauseScorer& clause = *order_.back().clause;
  const size_t open = order_.size() - 1;
  for (uint32_t b = clause.block(); b < clause.block_count() && clause.FirstPossible(b) < end;
       ++b) {
    clause.set_block(b);
    const double cut = Cut() - below_[open];
    if (double{clause.BlockBound(b)} < cut) continue;
    if (!clause.Load(b)) return;
    const float* scores = clause.Scores();
    const uint32_t* docs = clause.docs();
    const uint32_t count = clause.count();
    size_t n = 0;
    for (uint32_t i = 0; i < count; ++i) {
      docs_[n] = docs[i];
      scores_[n] = scores[i];
      n += double{scores[i]} >= cut && docs[i] >= begin && docs[i] < end ? 1 : 0;
    }
    if (n > 0) Finish(n, open);
  }
}

// Several essential clauses: they are added up over the window, then its candidates are completed.
void SegmentSearch::Many(uint32_t begin, uint32_t end, size_t essential) {
  for (size_t e = essential; e < order_.size(); ++e) {
    ClauseScorer& clause = *order_[e].clause;
    for (uint32_t b = clause.block(); b < clause.block_count() && clause.FirstPossible(b) < end;
         ++b) {
      clause.set_block(b);
      if (!clause.Load(b)) break;
      const float* scores = clause.Scores();
      const uint32_t* docs = clause.docs();
      const uint32_t count = clause.count();
      uint32_t i = docs[0] >= begin
                       ? 0
                       : static_cast<uint32_t>(std::lower_bound(docs, docs + count, begin) - docs);
      for (; i < count && docs[i] < end; ++i) {
        const uint32_t at = docs[i] - begin;
        sums_[at] += double{scores[i]};
        seen_[at / 64] |= uint64_t{1} << (at % 64);
      }
    }
  }
  const double cut = Cut() - below_[essential];
  const uint32_t words = (end - begin + 63) / 64;
  size_t n = 0;
  for (uint32_t w = 0; w < words; ++w) {
    for (uint64_t left = std::exchange(seen_[w], 0); left != 0; left &= left - 1) {
      const uint32_t at = w * 64 + static_cast<uint32_t>(std::countr_zero(left));
      docs_[n] = begin + at;
      scores_[n] = std::exchange(sums_[at], 0.0);
      n += scores_[n] >= cut ? 1 : 0;
    }
  }
  if (n > 0) Finish(n, essential);
}

// Keeps the candidates with at least this score; -infinity is none.
size_t SegmentSearch::Compress(size_t n, double least) {
  least = std::max(least, std::numeric_limits<double>::lowest());
  size_t kept = 0;
  for (size_t i = 0; i < n; ++i) {
    docs_[kept] = docs_[i];
    scores_[kept] = scores_[i];
    kept += scores_[kept] >= least ? 1 : 0;
  }
  return kept;
}

// Adds to the first n candidates what the clauses order_[0 .. open) give, strongest first, and
// drops those that cannot win any more.
void SegmentSearch::Finish(size_t n, size_t open) {
  const double cut = Cut();
  // Neither a clause whose bound is 0 nor those below it occur here.
  while (open > 0 && n > 0 && order_[open - 1].bound > 0) {
    --open;
    const double rest = below_[open];
    order_[open].clause->AddScores(docs_.data(), scores_.data(), n, cut - rest, false);
    n = Compress(n, cut - rest);
  }
  for (size_t i = 0; i < n; ++i) taker_.Offer(docs_[i], static_cast<float>(scores_[i]));
}

absl::Status SegmentSearch::All() {
  std::sort(order_.begin(), order_.end(), [](const Entry& a, const Entry& b) {
    return a.clause->document_count() < b.clause->document_count();
  });
  // below_ from the other end: rest[i] = what the clauses from i on can add.
  std::vector<double> rest(order_.size() + 1, 0);
  for (size_t i = order_.size(); i-- > 0;)
    rest[i] = rest[i + 1] + double{order_[i].clause->list_bound()};
  ClauseScorer& lead = *order_[0].clause;
  for (uint32_t b = 0; b < lead.block_count(); ++b) {
    const double cut = Cut();
    if (double{lead.BlockBound(b)} + rest[1] < cut) continue;
    if (!lead.Load(b)) break;
    const float* scores = lead.Scores();
    for (uint32_t i = 0; i < lead.count(); ++i) {
      docs_[i] = lead.docs()[i];
      scores_[i] = scores[i];
    }
    size_t n = Compress(lead.count(), cut - rest[1]);
    for (size_t c = 1; c < order_.size() && n > 0; ++c) {
      order_[c].clause->AddScores(docs_.data(), scores_.data(), n, cut - rest[c + 1], true);
      n = Compress(n, cut - rest[c + 1]);
    }
    for (size_t i = 0; i < n; ++i) taker_.Offer(docs_[i], static_cast<float>(scores_[i]));
  }
  return Damage();
}

// Of these rows alone, each scored in full.
absl::Status SegmentSearch::Of(std::span<const uint32_t> rows, bool all) {
  constexpr double kNone = std::numeric_limits<double>::lowest();
  for (size_t begin = 0; begin < rows.size(); begin += kWindow) {
    size_t n = std::min<size_t>(kWindow, rows.size() - begin);
    std::copy_n(&rows[begin], n, docs_.begin());
    std::fill_n(scores_.begin(), n, 0.0);
    for (Entry& e : order_) {
      e.clause->AddScores(docs_.data(), scores_.data(), n, kNone, all);
      if (all) n = Compress(n, kNone);
    }
    for (size_t i = 0; i < n; ++i) {
      if (scores_[i] > 0) taker_.Offer(docs_[i], static_cast<float>(scores_[i]));
    }
  }
  return Damage();
}

// A clause with what the segments know of its terms.
struct Plan {
  const LexicalClause* clause;
  std::vector<int64_t> document_frequencies;  // of each term, over all segments
  // of each segment: its terms, or none when one is missing
  std::vector<std::vector<TermInfo>> infos;
  double idf = 0;                             // the sum over the terms of a phrase
};

// How many of the rows have the term. Only blocks that may hold one are unpacked.
absl::StatusOr<int64_t> RowsWithTerm(const SegmentView& view, const RowSet& rows,
                                     const TermInfo& info) {
  PostingsCursor cursor(*view.segment, info);
  cursor.Load(0);
  int64_t found = 0;
  if (rows.rows.size() > info.document_count) {
    for (uint32_t block = 0; block < cursor.block_count() && cursor.Load(block); ++block) {
      const uint32_t* docs = cursor.docs();
      for (uint32_t i = 0; i < cursor.count(); ++i)
        found += docs[i] < view.segment->rows() && rows.Contains(docs[i]);
    }
  } else {
    uint32_t block = 0;
    for (uint32_t row : rows.rows) {
      block = cursor.FindBlock(block, row);
      if (block >= cursor.block_count() || !cursor.Load(block)) break;
      found += cursor.PlaceOf(row) < cursor.count();
    }
  }
  WEIR_RETURN_IF_ERROR(cursor.status());
  return found;
}

// Passages of the view with the term, of those that count.
absl::StatusOr<int64_t> CountedWithTerm(const SegmentView& view, const TermInfo& info) {
  if (view.counted != nullptr) return RowsWithTerm(view, *view.counted, info);
  if (view.deleted == nullptr || view.deleted->rows.empty()) return info.document_count;
  WEIR_ASSIGN_OR_RETURN(const int64_t deleted, RowsWithTerm(view, *view.deleted, info));
  return info.document_count - deleted;
}

absl::StatusOr<std::vector<Plan>> MakePlans(std::span<const SegmentView> segments,
                                            const LexicalQuery& query,
                                            const CollectionStatistics& statistics) {
  std::vector<Plan> plans;
  for (const LexicalClause& clause : query.clauses) {
    if (clause.need == Need::kMustNot) continue;
    Plan plan{&clause, {}, std::vector<std::vector<TermInfo>>(segments.size()), 0};
    bool present = true;
    for (const std::string& term : clause.terms) {
      int64_t count = 0;
      for (size_t s = 0; s < segments.size(); ++s) {
        WEIR_ASSIGN_OR_RETURN(const std::optional<TermInfo> info, segments[s].segment->Find(term));
        if (!info.has_value()) continue;
        WEIR_ASSIGN_OR_RETURN(const int64_t counted, CountedWithTerm(segments[s], *info));
        count += counted;
        plan.infos[s].push_back(*info);
      }
      plan.document_frequencies.push_back(count);
      plan.idf += Bm25Idf(statistics.documents, count);
      present = present && count > 0;
    }
    for (std::vector<TermInfo>& infos : plan.infos) {
      if (infos.size() < clause.terms.size()) infos.clear();
    }
    if (present) plans.push_back(std::move(plan));
  }
  return plans;
}

std::vector<ConjunctionTerm> PhraseTerms(const Plan& plan, size_t segment, float factor) {
  std::vector<ConjunctionTerm> terms;
  for (size_t i = 0; i < plan.infos[segment].size(); ++i)
    terms.push_back(
        {plan.infos[segment][i], factor, plan.clause->offsets[i], plan.clause->width});
  return terms;
}

// A query of one phrase, or of terms that all must match, has a path of its own.
bool IsPhrase(const std::vector<Plan>& plans) {
  return plans.size() == 1 && plans[0].clause->terms.size() > 1;
}
bool IsConjunction(const std::vector<Plan>& plans, const LexicalQuery& query) {
  return query.all && plans.size() > 1 &&
         std::all_of(plans.begin(), plans.end(),
                     [](const Plan& plan) { return plan.clause->terms.size() == 1; });
}

float FactorOf(const Plan& plan) { return static_cast<float>(plan.clause->weight * plan.idf); }

// Whether the rows that may be returned are so few that each is looked up.
bool Few(const Taker& taker) {
  constexpr size_t kLookUpRows = 64;  // of which bounds skip most
  return taker.allowed() != nullptr &&
         taker.allowed()->rows.size() * kLookUpRows <= taker.segment().rows();
}

absl::Status SearchClauses(const std::vector<Plan>& plans, size_t s, const LexicalQuery& query,
                           const Bm25Saturation& saturation, Taker& taker) {
  std::deque<ClauseScorer> clauses;
  for (const Plan& plan : plans) {
    const std::vector<TermInfo>& infos = plan.infos[s];
    if (infos.empty()) continue;
    if (infos.size() == 1) {
      clauses.emplace_back(taker.segment(), infos[0], FactorOf(plan), saturation);
      continue;
    }
    PhraseMatches matches;
    WEIR_RETURN_IF_ERROR(
        MatchPhrase(taker.segment(), PhraseTerms(plan, s, FactorOf(plan)), matches));
    if (!matches.docs.empty())
      clauses.emplace_back(taker.segment(), std::move(matches), FactorOf(plan), saturation);
  }
  if (clauses.empty() || (query.all && clauses.size() < plans.size())) return absl::OkStatus();
  SegmentSearch search(clauses, taker);
  if (Few(taker)) return search.Of(taker.allowed()->rows, query.all);
  return query.all && clauses.size() > 1 ? search.All() : search.Any();
}

absl::Status SearchSegment(const std::vector<Plan>& plans, size_t s, const LexicalQuery& query,
                           const Bm25Saturation& saturation, Taker& taker) {
  const bool phrase = IsPhrase(plans);
  if (!phrase && (Few(taker) || !IsConjunction(plans, query)))
    return SearchClauses(plans, s, query, saturation, taker);
  std::vector<ConjunctionTerm> terms;
  for (const Plan& plan : plans) {
    if (plan.infos[s].empty()) return absl::OkStatus();
    for (const ConjunctionTerm& term : PhraseTerms(plan, s, FactorOf(plan))) terms.push_back(term);
  }
  auto offer = [&](uint32_t doc, float score) {
    taker.Offer(doc, score);
    return taker.Least();
  };
  return phrase ? SearchPhrase(taker.segment(), terms, saturation, taker.Least(), offer)
                : SearchConjunction(taker.segment(), terms, saturation, taker.Least(), offer);
}

// Of a term, or of a phrase, in one document.
absl::StatusOr<int64_t> Frequency(const LexicalSegment& segment,
                                  const std::vector<ConjunctionTerm>& terms, uint32_t doc) {
  std::vector<PhraseCounter::Term> counted;
  for (const ConjunctionTerm& term : terms) counted.push_back({term.info, term.offset, term.width});
  PhraseCounter counter(segment, counted);
  const uint32_t frequency = counter.Count(doc);
  WEIR_RETURN_IF_ERROR(counter.status());
  return int64_t{frequency};
}

}  // namespace

CollectionStatistics Statistics(std::span<const SegmentView> segments) {
  CollectionStatistics s;
  for (const SegmentView& view : segments) {
    if (view.counted != nullptr) {
      s.documents += static_cast<int64_t>(view.counted->rows.size());
      s.tokens += static_cast<int64_t>(view.counted->tokens);
      continue;
    }
    s.documents += view.segment->rows();
    s.tokens += static_cast<int64_t>(view.segment->total_tokens());
    if (view.deleted == nullptr) continue;
    s.documents -= static_cast<int64_t>(view.deleted->rows.size());
    s.tokens -= static_cast<int64_t>(view.deleted->tokens);
  }
  return s;
}

absl::StatusOr<int64_t> LiveFrequency(std::span<const SegmentView> segments,
                                      std::string_view term) {
  int64_t live = 0;
  for (const SegmentView& view : segments) {
    WEIR_ASSIGN_OR_RETURN(std::optional<TermInfo> info, view.segment->Find(term));
    if (!info.has_value()) continue;
    WEIR_ASSIGN_OR_RETURN(const int64_t counted, CountedWithTerm(view, *info));
    live += counted;
  }
  return live;
}

absl::StatusOr<std::vector<Scored>> SearchSegments(std::span<const SegmentView> segments,
                                                   const LexicalQuery& given, int64_t k,
                                                   const Bm25Options& options) {
  LexicalQuery query = given;
  // When all that match must, the path for that is the fast one.
  query.all = query.all || std::none_of(query.clauses.begin(), query.clauses.end(),
                                        [](const auto& c) { return c.need == Need::kShould; });
  if (k < 1) return absl::InvalidArgumentError(absl::StrCat("k: ", k, "; expected at least 1"));
  const CollectionStatistics statistics = Statistics(segments);
  const Bm25Saturation saturation(options, statistics);
  WEIR_ASSIGN_OR_RETURN(const std::vector<Plan> plans, MakePlans(segments, query, statistics));
  const auto positive = std::count_if(query.clauses.begin(), query.clauses.end(),
                                      [](const auto& c) { return c.need != Need::kMustNot; });
  if (plans.empty() || (query.all && static_cast<int64_t>(plans.size()) < positive))
    return std::vector<Scored>();
  TopK top(k);
  int64_t highest = -1;
  for (size_t s = 0; s < segments.size(); ++s) {
    const SegmentView& view = segments[s];
    const bool ascending =
        view.segment->ascending() && view.segment->first_passage() > highest;
    highest = std::max(highest, view.segment->last_passage());
    Taker taker(view, ascending, top);
    WEIR_ASSIGN_OR_RETURN(const bool possible, taker.Filter(query));
    if (!possible) continue;
    WEIR_RETURN_IF_ERROR(SearchSegment(plans, s, query, saturation, taker));
    WEIR_RETURN_IF_ERROR(taker.status());
  }
  return top.Take();
}

absl::StatusOr<std::vector<TermScore>> ExplainSegments(std::span<const SegmentView> segments,
                                                       const LexicalQuery& query, int64_t passage,
                                                       const Bm25Options& options) {
  const SegmentView* view = nullptr;  // that holds the passage
  int64_t row = -1;
  for (const SegmentView& v : segments) {
    row = v.segment->Row(passage);
    if (row >= 0 && v.deleted != nullptr && v.deleted->Contains(static_cast<uint32_t>(row)))
      row = -1;
    if (row >= 0 && v.allowed != nullptr && !v.allowed->Contains(static_cast<uint32_t>(row)))
      row = -1;
    if (row < 0) continue;
    view = &v;
    break;
  }
  if (view == nullptr)
    return absl::NotFoundError(absl::StrCat("passage ", passage, " is not in the store"));
  const uint32_t doc = static_cast<uint32_t>(row);
  const CollectionStatistics statistics = Statistics(segments);
  const Bm25Saturation saturation(options, statistics);
  WEIR_ASSIGN_OR_RETURN(const std::vector<Plan> plans, MakePlans(segments, query, statistics));
  std::vector<TermScore> out;
  for (const Plan& plan : plans) {
    TermScore score;
    score.term = plan.clause->Text();
    score.idf = plan.idf;
    score.document_frequency =
        *std::min_element(plan.document_frequencies.begin(), plan.document_frequencies.end());
    const std::vector<ConjunctionTerm> terms =
        PhraseTerms(plan, static_cast<size_t>(view - segments.data()), 0);
    if (!terms.empty()) {
      WEIR_ASSIGN_OR_RETURN(score.frequency, Frequency(*view->segment, terms, doc));
    }
    if (score.frequency > 0) {
      score.score = static_cast<float>(plan.clause->weight * plan.idf) *
                    saturation(static_cast<float>(score.frequency),
                               static_cast<float>(view->segment->length(doc)));
    }
    out.push_back(std::move(score));
  }
  return out;
}

}  // namespace weir::index
