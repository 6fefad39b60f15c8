#include "cli/lexical_bench.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/files.h"
#include "base/status.h"
#include "evaluate/beir.h"
#include "evaluate/lines.h"
#include "index/lexical/analysed.h"
#include "index/lexical/count.h"
#include "index/lexical/merge.h"
#include "index/lexical/search.h"
#include "text/analysis.h"

namespace weir::cli {
namespace {

struct BenchQuery {
  std::string kind;                // term, or, and, phrase
  std::vector<std::string> words;  // index terms
  index::LexicalQuery query;
};

constexpr std::pair<const char*, const char*> kClasses[] = {
    {"term", "bm25-terms"}, {"or", "bm25-or"}, {"and", "bm25-and"}, {"phrase", "bm25-phrase"}};

constexpr char kPassageOrder[] = "passage order";

index::LexicalQuery MakeQuery(std::string_view kind, const std::vector<std::string>& words) {
  index::LexicalQuery query;
  query.all = kind == "and";
  if (kind == "phrase") {
    index::LexicalClause clause;
    for (const std::string& word : words) {
      clause.offsets.push_back(static_cast<int32_t>(clause.terms.size()));
      clause.terms.push_back(word);
    }
    query.clauses.push_back(std::move(clause));
    return query;
  }
  std::set<std::string> known;
  for (const std::string& word : words) {
    if (known.insert(word).second) query.clauses.push_back({{word}, {0}, 1});
  }
  return query;
}

// What both engines index: a line of terms for each passage.
struct Work {
  std::vector<std::string> lines;
  std::vector<BenchQuery> queries;

  void Add(std::string_view kind, std::vector<std::string> words) {
    BenchQuery query{std::string(kind), std::move(words), {}};
    query.query = MakeQuery(query.kind, query.words);
    queries.push_back(std::move(query));
  }
};

class Liner {
 public:
  explicit Liner(std::unique_ptr<text::Analyzer> analyzer) : analyzer_(std::move(analyzer)) {}
  std::string operator()(std::string_view text) {
    tokens_.clear();
    analyzer_->Analyze(text, tokens_);
    return absl::StrJoin(tokens_, " ", [](std::string* out, const text::Token& token) {
      absl::StrAppend(out, token.term);
    });
  }

 private:
  std::unique_ptr<text::Analyzer> analyzer_;
  std::vector<text::Token> tokens_;
};

absl::Status ReadCorpus(const std::string& folder, Session& session, Work& work) {
  WEIR_ASSIGN_OR_RETURN(auto analyzer, text::Analyzer::Make("plain"));
  Liner line_of(std::move(analyzer));
  WEIR_ASSIGN_OR_RETURN(auto corpus,
                        evaluate::LineReader::Open(absl::StrCat(folder, "/corpus.jsonl")));
  std::string line;
  while (true) {
    WEIR_ASSIGN_OR_RETURN(const bool more, corpus->Next(line));
    if (!more) break;
    if (line.empty()) continue;
    absl::StatusOr<evaluate::BeirRecord> record = evaluate::ParseBeirRecord(line);
    if (!record.ok()) {
      return absl::DataLossError(
          absl::StrCat(corpus->Where(), ": ", record.status().message()));
    }
    work.lines.push_back(line_of(record->text));
    if (work.lines.size() % 4096 == 0) WEIR_RETURN_IF_ERROR(session.context().CheckCancelled());
  }
  WEIR_ASSIGN_OR_RETURN(auto queries,
                        evaluate::LineReader::Open(absl::StrCat(folder, "/queries.tsv")));
  while (true) {
    WEIR_ASSIGN_OR_RETURN(const bool more, queries->Next(line));
    if (!more) break;
    const std::vector<std::string> parts = absl::StrSplit(line, '\t');
    const bool known = std::any_of(std::begin(kClasses), std::end(kClasses),
                                   [&](const auto& c) { return parts[0] == c.first; });
    if (parts.size() != 2 || !known) {
      return absl::DataLossError(absl::StrCat(
          queries->Where(), ": expected term, or, and or phrase, a TAB and words"));
    }
    std::vector<std::string> words =
        absl::StrSplit(line_of(parts[1]), ' ', absl::SkipEmpty());
    if (!words.empty()) work.Add(parts[0], std::move(words));
  }
  return absl::OkStatus();
}

// Queries as the corpus above has them: words of one passage, two of one passage, neighbours.
void SampleByClass(int64_t count, uint64_t seed, Work& work) {
  std::mt19937_64 random(seed + 11);
  auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
  for (const auto& [kind, name] : kClasses) {
    int64_t made = 0;
    for (int64_t tries = 0; made < count && tries < 20 * count; ++tries) {
      const std::vector<std::string> all = absl::StrSplit(
          work.lines[below(work.lines.size())], ' ', absl::SkipEmpty());
      if (all.size() < 6) continue;
      std::vector<std::string> words;
      if (std::string_view(kind) == "phrase") {
        const size_t n = 2 + below(2), at = below(all.size() - n);
        words.assign(all.begin() + at, all.begin() + at + n);
      } else {
        const size_t n = std::string_view(kind) == "term" ? 1
                         : std::string_view(kind) == "and" ? 2
                                                           : 2 + below(5);
        for (size_t i = 0; i < n; ++i) words.push_back(all[below(all.size())]);
      }
      work.Add(kind, std::move(words));
      ++made;
    }
  }
}

absl::Status ReadStore(const LexicalBenchOptions& options, Session& session, Work& work) {
  WEIR_ASSIGN_OR_RETURN(auto store, session.OpenStore(index::Store::Mode::kRead));
  WEIR_ASSIGN_OR_RETURN(auto analyzer, text::Analyzer::Make("english"));
  Liner line_of(std::move(analyzer));
  for (const int64_t id : store->Passages()) {
    WEIR_ASSIGN_OR_RETURN(const text::Passage passage, store->GetPassage(id));
    work.lines.push_back(line_of(passage.text));
  }
  if (work.lines.empty())
    return absl::NotFoundError("store: no passages; index something first");
  SampleByClass(options.queries, session.context().seed, work);
  return absl::OkStatus();
}

// One segment of the work's lines, in a folder that goes with the object.
class OneSegment {
 public:
  static absl::StatusOr<std::unique_ptr<OneSegment>> Build(const Work& work,
                                                           const Context& context) {
    std::vector<index::PassageFields> fields;
    std::vector<int64_t> ids;
    for (const std::string& line : work.lines) {
      fields.push_back({{}, {}, line});
      ids.push_back(static_cast<int64_t>(ids.size()));
    }
    return Make(context, [&](const std::string& folder) {
      return index::BuildLexicalSegment(fields, ids, "plain", folder, kName, context);
    });
  }
  // The same passages, written as a merge writes them.
  static absl::StatusOr<std::unique_ptr<OneSegment>> Merge(const OneSegment& from, bool reorder,
                                                           const Context& context) {
    return Make(context, [&](const std::string& folder) {
      return index::MergeLexicalSegments(from.views(), folder, kName, context,
                                         {.reorder_from = reorder ? 1 : 0});
    });
  }
  ~OneSegment() {
    segment_.reset();
    std::error_code ignored;
    if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
  }

  const std::string& folder() const { return folder_; }
  double seconds() const { return seconds_; }
  double bytes() const { return static_cast<double>(segment_->file().bytes()); }
  double posting_bytes() const { return static_cast<double>(segment_->postings().size()); }
  std::span<const index::SegmentView> views() const { return {&view_, 1}; }
  int64_t rows() const { return segment_->rows(); }

 private:
  static constexpr char kName[] = "s.lex";
  OneSegment() = default;

  template <class Write>
  static absl::StatusOr<std::unique_ptr<OneSegment>> Make(const Context& context, Write write) {
    std::unique_ptr<OneSegment> out(new OneSegment);
    std::error_code error;
    std::string pattern =
        (std::filesystem::temp_directory_path(error) / "weir-bench-XXXXXX").string();
    if (error || mkdtemp(pattern.data()) == nullptr)
      return ErrnoStatus(errno, "temporary folder");
    out->folder_ = pattern;
    const int64_t start = context.now_ns();
    WEIR_RETURN_IF_ERROR(write(pattern).status());
    out->seconds_ = (context.now_ns() - start) * 1e-9;
    WEIR_ASSIGN_OR_RETURN(out->segment_,
                          index::LexicalSegment::Open(absl::StrCat(pattern, "/", kName)));
    out->view_.segment = out->segment_.get();
    return out;
  }

  std::string folder_;
  std::shared_ptr<const index::LexicalSegment> segment_;
  index::SegmentView view_;
  double seconds_ = 0;
};

class Rows {
 public:
  // ascending: the same segment with its rows in the order of their passages, or null.
  Rows(const LexicalBenchOptions& options, const Work& work, const OneSegment& segment,
       const OneSegment* ascending, WorkPeer* peer, const Context& context)
      : options_(options),
        work_(work),
        segment_(segment),
        ascending_(ascending),
        peer_(peer),
        context_(context) {}

  absl::Status Searches(std::vector<BenchRow>& rows) {
    for (const auto& [kind, name] : kClasses) {
      if (!Has(kind)) continue;
      rows.push_back(Compare(
          name, "us/query", options_.rounds, true,
          [&, kind = kind] { return Timed(segment_, kind, 10); }, Baseline(),
          [&, kind = kind] {
            if (peer_ != nullptr) return peer_->Run("run", kind, status_);
            return ascending_ != nullptr ? Timed(*ascending_, kind, 10)
                                         : Timed(segment_, kind, segment_.rows());
          }));
      WEIR_RETURN_IF_ERROR(status_);
    }
    rows.push_back(Compare(
        "bm25-count", "us/query", options_.rounds, true, [&] { return TimedCount(segment_); },
        Baseline(), [&] {
          if (peer_ != nullptr) return peer_->Run("count", "all", status_);
          return ascending_ != nullptr ? TimedCount(*ascending_)
                                       : Timed(segment_, "all", segment_.rows());
        }));
    return status_;
  }

  // How many of the queries get the same passages with the same scores and the same count from the
  // segment in either order.
  absl::Status SameInEitherOrder(std::vector<BenchRow>& rows) {
    int64_t same = 0;
    for (const BenchQuery& q : work_.queries) {
      WEIR_ASSIGN_OR_RETURN(const auto ours, Search(segment_, q, 10));
      WEIR_ASSIGN_OR_RETURN(const auto theirs, Search(*ascending_, q, 10));
      WEIR_ASSIGN_OR_RETURN(const int64_t count,
                            index::CountSegments(segment_.views(), q.query));
      WEIR_ASSIGN_OR_RETURN(const int64_t counted,
                            index::CountSegments(ascending_->views(), q.query));
      same += count == counted &&
              std::equal(ours.begin(), ours.end(), theirs.begin(), theirs.end(),
                         [](const index::Scored& a, const index::Scored& b) {
                           return a.passage == b.passage && a.score == b.score;
                         });
    }
    AddShare("bm25-same-in-order", same, kPassageOrder, rows);
    return absl::OkStatus();
  }

  // How many of the queries get the same passages in the same order from both, with lengths in a
  // byte as the peers have them.
  absl::Status SameLists(std::vector<BenchRow>& rows) {
    int64_t same = 0;
    for (size_t i = 0; i < work_.queries.size(); ++i) {
      WEIR_ASSIGN_OR_RETURN(const std::string theirs, peer_->Ask("hits", absl::StrCat(i)));
      WEIR_ASSIGN_OR_RETURN(const auto ours,
                            index::SearchSegments(segment_.views(), work_.queries[i].query, 10,
                                                  {.k1 = 1.2, .b = 0.75, .lengths = "byte"}));
      same += theirs == absl::StrJoin(ours, " ", [](std::string* out, const index::Scored& hit) {
                absl::StrAppend(out, hit.passage);
              });
    }
    AddShare("bm25-same-lists", same, options_.peer.name, rows);
    return absl::OkStatus();
  }

 private:
  std::string Baseline() const {
    if (peer_ != nullptr) return options_.peer.name;
    return ascending_ != nullptr ? kPassageOrder : "full ranking";
  }
  // Of the queries.
  void AddShare(std::string name, int64_t same, std::string baseline,
                std::vector<BenchRow>& rows) const {
    BenchRow row{.name = std::move(name), .unit = "share"};
    row.weir = row.ratio = static_cast<double>(same) / static_cast<double>(work_.queries.size());
    row.baseline = 1;
    row.baseline_name = std::move(baseline);
    row.rounds = 1;
    rows.push_back(row);
  }
  bool Has(std::string_view kind) const {
    return std::any_of(work_.queries.begin(), work_.queries.end(),
                       [&](const BenchQuery& q) { return q.kind == kind; });
  }
  absl::StatusOr<std::vector<index::Scored>> Search(const OneSegment& segment,
                                                    const BenchQuery& q, int64_t k) const {
    return index::SearchSegments(segment.views(), q.query, k, bm25_);
  }
  template <class One>
  double Mean(std::string_view kind, One one) {
    int64_t count = 0;
    const int64_t start = context_.now_ns();
    for (const BenchQuery& q : work_.queries) {
      if (kind != "all" && q.kind != kind) continue;
      status_.Update(one(q));
      ++count;
    }
    return (context_.now_ns() - start) * 1e-3 / static_cast<double>(count);
  }
  double Timed(const OneSegment& segment, std::string_view kind, int64_t k) {
    return Mean(kind, [&](const BenchQuery& q) { return Search(segment, q, k).status(); });
  }
  double TimedCount(const OneSegment& segment) {
    return Mean("all", [&](const BenchQuery& q) {
      return index::CountSegments(segment.views(), q.query).status();
    });
  }

  const LexicalBenchOptions& options_;
  const Work& work_;
  const OneSegment& segment_;
  const OneSegment* ascending_;
  WorkPeer* peer_;
  const Context& context_;
  // what Tantivy and Lucene use
  const index::Bm25Options bm25_{.k1 = 1.2, .b = 0.75};
  absl::Status status_;
};

BenchRow Single(std::string name, std::string unit, double ours, double theirs,
                const std::string& peer) {
  BenchRow row{.name = std::move(name), .unit = std::move(unit)};
  row.weir = ours;
  row.baseline = theirs;
  row.baseline_name = peer;
  row.ratio = ours > 0 ? theirs / ours : 0;
  row.rounds = 1;
  return row;
}

void AddMerges(const OneSegment& reordered, const OneSegment& ascending,
               std::vector<BenchRow>& rows) {
  rows.push_back(
      Single("bm25-merge", "s", reordered.seconds(), ascending.seconds(), kPassageOrder));
  rows.push_back(Single("bm25-merged-bytes", "MB", reordered.bytes() * 1e-6,
                        ascending.bytes() * 1e-6, kPassageOrder));
  rows.push_back(Single("bm25-posting-bytes", "MB", reordered.posting_bytes() * 1e-6,
                        ascending.posting_bytes() * 1e-6, kPassageOrder));
}

// Hands the peer the lines and the queries; adds what building took both.
absl::Status FeedPeer(const LexicalBenchOptions& options, const Work& work,
                      const OneSegment& segment, WorkPeer& peer, std::vector<BenchRow>& rows) {
  const std::string file = absl::StrCat(segment.folder(), "/lines.txt");
  std::string all;
  for (const std::string& line : work.lines) absl::StrAppend(&all, line, "\n");
  std::ofstream(file) << all;
  WEIR_ASSIGN_OR_RETURN(const std::string built, peer.Ask("index", file));
  double seconds = 0, bytes = 0;
  const std::vector<std::string> parts = absl::StrSplit(built, ' ');
  if (parts.size() != 2 || !absl::SimpleAtod(parts[0], &seconds) ||
      !absl::SimpleAtod(parts[1], &bytes)) {
    return absl::UnavailableError(absl::StrCat("peer: not seconds and bytes: ", built));
  }
  rows.push_back(Single("bm25-build", "s", segment.seconds(), seconds, options.peer.name));
  rows.push_back(
      Single("bm25-bytes", "MB", segment.bytes() * 1e-6, bytes * 1e-6, options.peer.name));
  for (const BenchQuery& q : work.queries) {
    WEIR_RETURN_IF_ERROR(
        peer.Send("query", absl::StrCat(q.kind, "\t", absl::StrJoin(q.words, " "))));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status BenchLexical(const LexicalBenchOptions& options, Session& session,
                          std::vector<BenchRow>& rows) {
  Work work;
  WEIR_RETURN_IF_ERROR(options.corpus.empty() ? ReadStore(options, session, work)
                                              : ReadCorpus(options.corpus, session, work));
  if (work.queries.empty()) return absl::NotFoundError("bench: no queries");
  Context one_thread = session.context();
  one_thread.threads = nullptr;
  WEIR_ASSIGN_OR_RETURN(auto segment, OneSegment::Build(work, one_thread));
  std::unique_ptr<OneSegment> ascending;
  if (options.reorder) {
    WEIR_ASSIGN_OR_RETURN(ascending, OneSegment::Merge(*segment, false, session.context()));
    WEIR_ASSIGN_OR_RETURN(segment, OneSegment::Merge(*ascending, true, session.context()));
    AddMerges(*segment, *ascending, rows);
  }
  WEIR_ASSIGN_OR_RETURN(const auto peer, WorkPeer::Start(options.peer, {}));
  if (peer != nullptr) WEIR_RETURN_IF_ERROR(FeedPeer(options, work, *segment, *peer, rows));
  Rows maker(options, work, *segment, ascending.get(), peer.get(), one_thread);
  WEIR_RETURN_IF_ERROR(maker.Searches(rows));
  if (ascending != nullptr) WEIR_RETURN_IF_ERROR(maker.SameInEitherOrder(rows));
  return peer != nullptr ? maker.SameLists(rows) : absl::OkStatus();
}

}  // namespace weir::cli
