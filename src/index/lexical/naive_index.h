// For tests only: an inverted index of maps, scored one passage after the other. What it returns is
// what the real index must return, score for score.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "index/lexical/analysed.h"
#include "index/lexical/bm25.h"
#include "index/lexical/query.h"
#include "index/top_k.h"
#include "text/analysis.h"

namespace weir::index {

class NaiveIndex {
 public:
  // A passage's terms, so that several indexes may take them without analysing again.
  struct PassageTerms {
    std::map<std::string, std::vector<uint32_t>> positions;
    int64_t length = 0;
  };
  static PassageTerms Analyse(text::Analyzer& analyzer, const PassageFields& fields) {
    PassageTerms out;
    uint32_t base = 0;
    for (std::string_view field : {fields.title, fields.heading, fields.text}) {
      if (field.empty()) continue;
      std::vector<text::Token> tokens;
      analyzer.Analyze(field, tokens);
      uint32_t last = base;
      for (const text::Token& t : tokens) {
        last = base + static_cast<uint32_t>(t.position);
        out.positions[t.term].push_back(last);
      }
      out.length += static_cast<int64_t>(tokens.size());
      base = last + kFieldGap;
    }
    return out;
  }

  NaiveIndex() = default;  // of terms alone
  explicit NaiveIndex(std::string_view analyzer) : analyzer_(*text::Analyzer::Make(analyzer)) {}

  void Add(int64_t id, const PassageFields& fields) { Add(id, Analyse(*analyzer_, fields)); }
  void Add(int64_t id, const PassageTerms& terms) {
    for (const auto& [term, places] : terms.positions) positions_[term][id] = places;
    lengths_[id] = terms.length;
  }

  void Remove(int64_t id) {
    lengths_.erase(id);
    for (auto& [term, docs] : positions_) docs.erase(id);
  }

  std::vector<Scored> Search(const LexicalQuery& query, int64_t k,
                             const Bm25Options& options) const {
    CollectionStatistics statistics{static_cast<int64_t>(lengths_.size()), 0};
    for (const auto& [id, length] : lengths_) statistics.tokens += length;
    const Bm25Saturation saturation(options, statistics);
    std::map<int64_t, double> sums;
    for (const LexicalClause& clause : query.clauses) {
      double idf = 0;
      bool present = true;
      for (const std::string& term : clause.terms) {
        auto at = positions_.find(term);
        if (at == positions_.end() || at->second.empty()) {
          present = false;
          break;
        }
        idf += Bm25Idf(statistics.documents, static_cast<int64_t>(at->second.size()));
      }
      if (!present) continue;
      const float factor = static_cast<float>(clause.weight * idf);
      if (clause.need == Need::kMustNot) continue;
      for (const auto& [id, unused] : positions_.at(clause.terms[0])) {
        const uint32_t frequency = Frequency(clause, id);
        if (frequency == 0) continue;
        sums[id] += double{factor * saturation(static_cast<float>(frequency),
                                               static_cast<float>(lengths_.at(id)))};
      }
    }
    std::vector<Scored> hits;
    for (const auto& [id, sum] : sums) {
      bool good = true;
      for (const LexicalClause& clause : query.clauses) {
        const bool must = clause.need == Need::kMust || (query.all && clause.need == Need::kShould);
        if (must || clause.need == Need::kMustNot) good = good && Holds(clause, id) == must;
      }
      if (good) hits.push_back({id, static_cast<float>(sum)});
    }
    std::sort(hits.begin(), hits.end(), Better);
    if (hits.size() > static_cast<size_t>(k)) hits.resize(static_cast<size_t>(k));
    return hits;
  }

  // With each kMust clause and no kMustNot clause, ascending.
  std::vector<int64_t> Matches(const LexicalQuery& query) const {
    std::vector<int64_t> out;
    for (const auto& [id, length] : lengths_) {
      bool good = true;
      for (const LexicalClause& clause : query.clauses) {
        if (clause.need != Need::kShould)
          good = good && Holds(clause, id) == (clause.need == Need::kMust);
      }
      if (good) out.push_back(id);
    }
    return out;
  }

  const std::map<int64_t, int64_t>& lengths() const { return lengths_; }
  std::vector<std::string> Terms() const {
    std::vector<std::string> terms;
    for (const auto& [term, docs] : positions_) terms.push_back(term);
    return terms;
  }

 private:
  bool Holds(const LexicalClause& clause, int64_t id) const {
    auto at = positions_.find(clause.terms[0]);
    return at != positions_.end() && at->second.contains(id) && Frequency(clause, id) > 0;
  }
  uint32_t Frequency(const LexicalClause& clause, int64_t id) const {
    uint32_t frequency = 0;
    if (clause.width > 0) return Windows(clause, id);
    for (uint32_t start : positions_.at(clause.terms[0]).at(id)) {
      bool all = true;
      for (size_t t = 1; t < clause.terms.size() && all; ++t) {
        auto docs = positions_.find(clause.terms[t]);
        all = docs != positions_.end() && docs->second.contains(id);
        if (!all) break;
        const std::vector<uint32_t>& places = docs->second.at(id);
        all = std::find(places.begin(), places.end(),
                        start + static_cast<uint32_t>(clause.offsets[t])) != places.end();
      }
      frequency += all;
    }
    return frequency;
  }

  // Windows of clause.width positions with all terms, from left to right, that do not overlap.
  uint32_t Windows(const LexicalClause& clause, int64_t id) const {
    uint32_t found = 0;
    for (uint32_t begin = 0; begin < 4000;) {
      uint32_t first = UINT32_MAX, last = 0;
      for (const std::string& term : clause.terms) {
        auto docs = positions_.find(term);
        if (docs == positions_.end() || !docs->second.contains(id)) return 0;
        const std::vector<uint32_t>& places = docs->second.at(id);
        const auto next = std::lower_bound(places.begin(), places.end(), begin);
        if (next == places.end()) return found;
        first = std::min(first, *next);
        last = std::max(last, *next);
      }
      const bool fits = first == begin && last - begin < static_cast<uint32_t>(clause.width);
      found += fits;
      begin = fits ? last + 1 : begin + 1;
    }
    return found;
  }

  std::unique_ptr<text::Analyzer> analyzer_;
  std::map<std::string, std::map<int64_t, std::vector<uint32_t>>> positions_;
  std::map<int64_t, int64_t> lengths_;
};

}  // namespace weir::index
