#include "index/lexical/analysed.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/threads.h"
#include "index/lexical/segment_builder.h"
#include "text/analysis.h"

namespace weir::index {
namespace {

// At most `limit` bytes, not ending inside a character.
std::string_view CutField(std::string_view text, size_t limit) {
  if (text.size() <= limit) return text;
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xc0) == 0x80) --limit;
  return text.substr(0, limit);
}

}  // namespace

PassageFields MakeFields(std::string_view title, std::string_view heading, std::string_view text) {
  PassageFields fields{CutField(title, kMaxFieldBytes), CutField(heading, kMaxFieldBytes), text};
  if (fields.heading == fields.title) fields.heading = {};
  return fields;
}

std::string EncoderInput(const PassageFields& fields) {
  std::string out;
  for (std::string_view field : {fields.title, fields.heading, fields.text}) {
    if (field.empty()) continue;
    if (!out.empty()) out += ' ';
    out += field;
  }
  return out;
}

namespace {

// The analysers of a run, made when the first passage needs them.
class RunAnalyzers {
 public:
  absl::StatusOr<text::Analyzer*> Get(std::string_view name) {
    if (last_ != nullptr && name == last_name_) return last_;
    std::unique_ptr<text::Analyzer>& made = analyzers_[name];
    if (made == nullptr) {
      WEIR_ASSIGN_OR_RETURN(made, text::Analyzer::Make(name));
    }
    last_name_ = name;
    last_ = made.get();
    return last_;
  }

 private:
  absl::flat_hash_map<std::string_view, std::unique_ptr<text::Analyzer>> analyzers_;
  std::string_view last_name_;
  text::Analyzer* last_ = nullptr;
};

}  // namespace

absl::StatusOr<AnalysedRun> AnalysedRun::Analyse(std::span<const PassageFields> passages,
                                                 std::string_view analyzer_name) {
  RunAnalyzers analyzers;
  AnalysedRun run;
  absl::flat_hash_map<std::string, uint32_t> numbers;
  std::vector<text::Token> tokens;
  run.lengths_.reserve(passages.size());
  for (uint32_t row = 0; row < passages.size(); ++row) {
    uint32_t base = 0, length = 0;
    const std::string_view named = passages[row].analyzer;
    WEIR_ASSIGN_OR_RETURN(text::Analyzer* const analyzer,
                          analyzers.Get(named.empty() ? analyzer_name : named));
    for (std::string_view field :
         {passages[row].title, passages[row].heading, passages[row].text}) {
      if (field.empty()) continue;
      tokens.clear();
      analyzer->Analyze(field, tokens);
      uint32_t last = base;
      int32_t place = -1;  // terms of one word count once in the length
      for (const text::Token& token : tokens) {
        // Longer words are cut: what differs only later is found as the same term.
        const std::string_view term = CutField(token.term, kMaxTermBytes);
        auto at = numbers.find(term);
        if (at == numbers.end()) {
          at = numbers.emplace(std::string(term), static_cast<uint32_t>(run.terms_.size())).first;
          run.terms_.emplace_back(term);
        }
        length += token.position != place;
        place = token.position;
        last = base + static_cast<uint32_t>(token.position);
        run.occurrences_.push_back({at->second, row, last});
      }
      base = last + kFieldGap;
    }
    run.lengths_.push_back(length);
  }
  return run;
}

namespace {

struct Place {
  uint32_t row, position;
};

// The occurrences of several runs, by term in byte order, then row, then position.
struct Inverted {
  std::vector<std::string_view> terms;
  std::vector<uint64_t> starts;  // of each term in `places`, and the end
  std::vector<Place> places;
};

// One order of terms over all runs; ranks[r][t] becomes the place of run r's term t in it.
std::vector<std::string_view> RankTerms(const std::vector<AnalysedRun>& runs,
                                        std::vector<std::vector<uint32_t>>& ranks) {
  struct Named {
    std::string_view term;
    uint32_t run, number;
  };
  std::vector<Named> named;
  ranks.resize(runs.size());
  for (uint32_t r = 0; r < runs.size(); ++r) {
    const std::vector<std::string>& terms = runs[r].terms();
    ranks[r].resize(terms.size());
    for (uint32_t t = 0; t < terms.size(); ++t) named.push_back({terms[t], r, t});
  }
  std::sort(named.begin(), named.end(), [](const Named& a, const Named& b) {
    return a.term != b.term ? a.term < b.term : a.run < b.run;
  });
  std::vector<std::string_view> terms;
  for (const Named& n : named) {
    if (terms.empty() || terms.back() != n.term) terms.push_back(n.term);
    ranks[n.run][n.number] = static_cast<uint32_t>(terms.size() - 1);
  }
  return terms;
}

// Counting sort by term; runs are in the order of passages, so rows and positions stay ascending.
// begins[r]: the row of run r's first passage.
Inverted Invert(const std::vector<AnalysedRun>& runs, const std::vector<size_t>& begins) {
  Inverted out;
  std::vector<std::vector<uint32_t>> ranks;
  out.terms = RankTerms(runs, ranks);
  out.starts.assign(out.terms.size() + 1, 0);
  for (size_t r = 0; r < runs.size(); ++r) {
    for (const auto& o : runs[r].occurrences()) ++out.starts[ranks[r][o.term] + 1];
  }
  std::partial_sum(out.starts.begin(), out.starts.end(), out.starts.begin());
  out.places.resize(out.starts.back());
  std::vector<uint64_t> next(out.starts.begin(), out.starts.end() - 1);
  for (size_t r = 0; r < runs.size(); ++r) {
    const uint32_t first = static_cast<uint32_t>(begins[r]);
    for (const auto& o : runs[r].occurrences()) {
      out.places[next[ranks[r][o.term]]++] = {o.row + first, o.position};
    }
  }
  return out;
}

}  // namespace

absl::StatusOr<SegmentInfo> BuildLexicalSegment(std::span<const PassageFields> passages,
                                                std::span<const int64_t> ids,
                                                std::string_view analyzer,
                                                const std::string& folder, const std::string& name,
                                                const Context& context) {
  const size_t workers = context.threads == nullptr ? 1 : context.threads->count();
  std::vector<AnalysedRun> runs(workers);  // those without passages stay empty
  std::vector<absl::Status> statuses(workers);
  std::vector<size_t> begins(workers, 0);
  ParallelFor(context.threads, passages.size(), 1, [&](size_t begin, size_t end, int worker) {
    begins[worker] = begin;
    auto run = AnalysedRun::Analyse(passages.subspan(begin, end - begin), analyzer);
    statuses[worker] = run.status();
    if (run.ok()) runs[worker] = *std::move(run);
  });
  WEIR_RETURN_IF_ERROR(context.CheckCancelled());
  std::vector<uint32_t> lengths(passages.size(), 0);
  for (size_t r = 0; r < workers; ++r) {
    WEIR_RETURN_IF_ERROR(statuses[r]);
    std::copy(runs[r].lengths().begin(), runs[r].lengths().end(), lengths.begin() + begins[r]);
  }
  const Inverted inverted = Invert(runs, begins);
  LexicalSegmentBuilder builder({ids.begin(), ids.end()}, std::move(lengths));
  std::vector<uint32_t> positions;
  for (size_t t = 0; t < inverted.terms.size(); ++t) {
    const uint64_t end = inverted.starts[t + 1];
    for (uint64_t i = inverted.starts[t]; i < end;) {
      positions.clear();
      const uint32_t row = inverted.places[i].row;
      for (; i < end && inverted.places[i].row == row; ++i) {
        positions.push_back(inverted.places[i].position);
      }
      builder.Add(row, positions);
    }
    WEIR_RETURN_IF_ERROR(builder.EndTerm(inverted.terms[t]));
  }
  return builder.Write(folder, name);
}

}  // namespace weir::index
