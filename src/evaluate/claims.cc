#include "evaluate/claims.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "evaluate/beir.h"
#include "evaluate/collection.h"
#include "index/lexical/query.h"
#include "evaluate/rationales.h"

namespace weir::evaluate {
namespace {

constexpr int64_t kNearDocuments = 100;  // fetched, to have some that no rationale names

// Vigna's SplitMix64: the choice must be the same on every machine.
class SplitMix64 {
 public:
  explicit SplitMix64(uint64_t seed) : state_(seed) {}
  uint64_t Below(uint64_t n) {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return (z ^ (z >> 31)) % n;
  }

 private:
  uint64_t state_;
};

// FNV-1a of the row, so that a pair does not depend on the rows before it.
uint64_t SeedOf(const Rationale& row, uint64_t seed) {
  uint64_t hash = 0xcbf29ce484222325 ^ seed;
  std::string key = absl::StrCat(row.query, "\n", row.document);
  for (const int64_t sentence : row.sentences) absl::StrAppend(&key, "\n", sentence);
  for (const unsigned char c : key) hash = (hash ^ c) * 0x100000001b3;
  return hash;
}

absl::StatusOr<bool> InPart(const Rationale& row, std::string_view part) {
  if (part == "all") return true;
  const char last = row.query.back();
  if (!absl::ascii_isdigit(last)) {
    return absl::DataLossError(
        absl::StrCat(row.where, ": claim ", row.query,
                     ": the id does not end in a digit, as even and odd need"));
  }
  return ((last - '0') % 2 == 0) == (part == "even");
}

// What the rows name, read once.
struct ClaimSet {
  std::vector<Rationale> rows;
  std::map<std::string, std::string> claims;             // by query
  std::map<std::string, std::set<std::string>> named;    // query -> documents of its rationales
  std::map<std::string, std::vector<std::string>> near;  // query -> documents for its SUPPORT rows
  std::map<std::string, CutDocument> documents;
};

absl::Status ReadClaimTexts(const std::string& path, ClaimSet& set) {
  WEIR_ASSIGN_OR_RETURN(const auto lines, LineReader::Open(path));
  WEIR_RETURN_IF_ERROR(ReadBeirRecords(*lines, [&](BeirRecord record) {
    if (set.named.contains(record.id)) set.claims[record.id] = std::move(record.text);
    return absl::OkStatus();
  }));
  for (const Rationale& row : set.rows) {
    if (!set.claims.contains(row.query)) {
      return absl::DataLossError(
          absl::StrCat(row.where, ": query ", row.query, " is not in ", path));
    }
  }
  return absl::OkStatus();
}

absl::Status FindNearDocuments(const std::string& corpus, ClaimSet& set, const Context& context) {
  WEIR_ASSIGN_OR_RETURN(const auto collection, Collection::Open(corpus, "", {}, {}, "", context));
  const index::Store& store = collection->store();
  std::map<std::string, size_t> rows;
  for (const Rationale& row : set.rows) rows[row.query] += row.supports;
  for (const auto& [query, claim] : set.claims) {
    WEIR_RETURN_IF_ERROR(context.CheckCancelled());
    const auto hits = store.SearchLexical(index::WithoutSigns(claim), kNearDocuments, context);
    if (!hits.ok()) return Annotate(hits.status(), absl::StrCat("query ", query));
    std::vector<std::string>& near = set.near[query];
    for (const index::Scored& hit : *hits) {
      if (near.size() >= rows[query]) break;
      WEIR_ASSIGN_OR_RETURN(const text::Passage passage, store.GetPassage(hit.passage));
      WEIR_ASSIGN_OR_RETURN(const text::DocumentRef document,
                            store.GetDocument(passage.document));
      if (!set.named[query].contains(document.path)) near.push_back(document.path);
    }
  }
  return absl::OkStatus();
}

absl::Status ReadDocuments(const std::string& corpus, ClaimSet& set) {
  std::set<std::string> wanted;
  for (const auto& [query, documents] : set.named)
    wanted.insert(documents.begin(), documents.end());
  for (const auto& [query, documents] : set.near) wanted.insert(documents.begin(), documents.end());
  WEIR_ASSIGN_OR_RETURN(const auto lines, LineReader::Open(corpus));
  WEIR_ASSIGN_OR_RETURN(set.documents, ReadCutDocuments(*lines, wanted));
  for (const Rationale& row : set.rows) {
    const auto found = set.documents.find(row.document);
    if (found == set.documents.end()) {
      return absl::DataLossError(
          absl::StrCat(row.where, ": document ", row.document, " is not in ", corpus));
    }
    const size_t count = found->second.sentences.size();
    if (row.sentences.back() >= static_cast<int64_t>(count)) {
      return absl::DataLossError(absl::StrCat(row.where, ": sentence ", row.sentences.back(),
                                              "; document ", row.document, " has ", count));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<ClaimSet> ReadClaimSet(const std::string& folder, const Context& context) {
  ClaimSet set;
  WEIR_ASSIGN_OR_RETURN(const auto lines,
                        LineReader::Open(absl::StrCat(folder, "/evidence.jsonl")));
  WEIR_ASSIGN_OR_RETURN(set.rows, ReadRationales(*lines));
  for (const Rationale& row : set.rows) set.named[row.query].insert(row.document);
  const BeirPaths paths = BeirPathsOf(folder, "test");
  WEIR_RETURN_IF_ERROR(ReadClaimTexts(paths.queries, set));
  WEIR_RETURN_IF_ERROR(FindNearDocuments(paths.corpus, set, context));
  WEIR_RETURN_IF_ERROR(ReadDocuments(paths.corpus, set));
  return set;
}

// `count` sentences of the row's document that are in no rationale of its claim, or what there is.
std::vector<int64_t> OtherSentences(const ClaimSet& set, const Rationale& row, uint64_t seed) {
  std::set<int64_t> taken;
  for (const Rationale& other : set.rows) {
    if (other.query == row.query && other.document == row.document) {
      taken.insert(other.sentences.begin(), other.sentences.end());
    }
  }
  std::vector<int64_t> free;
  const auto count = static_cast<int64_t>(set.documents.at(row.document).sentences.size());
  for (int64_t i = 0; i < count; ++i) {
    if (!taken.contains(i)) free.push_back(i);
  }
  SplitMix64 random(SeedOf(row, seed));
  const size_t wanted = std::min(row.sentences.size(), free.size());
  for (size_t i = 0; i < wanted; ++i) std::swap(free[i], free[i + random.Below(free.size() - i)]);
  free.resize(wanted);
  std::sort(free.begin(), free.end());
  return free;
}

// The `wanted` sentences nearest to the claim by cosine, or what there is; ascending.
absl::StatusOr<std::vector<int64_t>> NearSentences(const CutDocument& document,
                                                   std::string_view claim, size_t wanted,
                                                   const text::Encoder& encoder,
                                                   const Context& context) {
  const size_t d = encoder.dimensions(), count = document.sentences.size();
  std::vector<std::string_view> texts = {claim};
  for (size_t i = 0; i < count; ++i) texts.push_back(document.Sentence(i));
  std::vector<float> vectors(texts.size() * d);
  WEIR_RETURN_IF_ERROR(encoder.Encode(texts, text::EncodeAs::kPassage, vectors, context));
  std::vector<double> cosines(count);
  for (size_t i = 0; i < count; ++i) {
    const float* row = vectors.data() + (i + 1) * d;
    cosines[i] = std::inner_product(row, row + d, vectors.begin(), 0.0);
  }
  std::vector<int64_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return cosines[a] > cosines[b]; });
  order.resize(std::min(wanted, count));
  std::sort(order.begin(), order.end());
  return order;
}

// The pairs of a set, not scored yet.
class PairMaker {
 public:
  PairMaker(const ClaimSet& set, const text::Encoder& encoder, const Context& context)
      : set_(set), encoder_(encoder), context_(context) {}

  absl::Status Add(const Rationale& row) {
    if (!row.supports) {
      Keep(ClaimKind::kContradict, row.query, row.document, row.sentences);
      return absl::OkStatus();
    }
    Keep(ClaimKind::kSupport, row.query, row.document, row.sentences);
    Keep(ClaimKind::kSameDocument, row.query, row.document,
         OtherSentences(set_, row, context_.seed));
    // Each row of a claim has a document of its own.
    const std::vector<std::string>& near = set_.near.at(row.query);
    const size_t i = next_near_[row.query]++;
    if (i >= near.size()) return absl::OkStatus();
    WEIR_ASSIGN_OR_RETURN(std::vector<int64_t> sentences,
                          NearSentences(set_.documents.at(near[i]), set_.claims.at(row.query),
                                        row.sentences.size(), encoder_, context_));
    Keep(ClaimKind::kOtherDocument, row.query, near[i], std::move(sentences));
    return absl::OkStatus();
  }
  std::vector<ClaimPair> Take() { return std::move(pairs_); }

 private:
  void Keep(ClaimKind kind, const std::string& query, const std::string& document,
            std::vector<int64_t> sentences) {
    if (sentences.empty() || !seen_.emplace(kind, query, document, sentences).second) return;
    pairs_.push_back({kind, query, document, std::move(sentences), {}});
  }

  const ClaimSet& set_;
  const text::Encoder& encoder_;
  const Context& context_;
  std::set<std::tuple<ClaimKind, std::string, std::string, std::vector<int64_t>>> seen_;
  std::map<std::string, size_t> next_near_;  // by query
  std::vector<ClaimPair> pairs_;
};

absl::Status Score(const ClaimSet& set, const ClaimVerifier& verifier, ClaimPair& pair) {
  const CutDocument& document = set.documents.at(pair.document);
  std::vector<std::string_view> quotes;
  for (const int64_t sentence : pair.sentences) quotes.push_back(document.Sentence(sentence));
  absl::StatusOr<ClaimScore> score = verifier(set.claims.at(pair.query), quotes);
  if (!score.ok()) return Annotate(score.status(), absl::StrCat("claim ", pair.query));
  pair.score = *score;
  return absl::OkStatus();
}

ClaimCounts& CountsOf(ClaimsReport& report, const ClaimPair& pair) {
  return report.kinds[static_cast<size_t>(pair.kind)];
}

// The least threshold that at most a twentieth of `all` values reach; `reached` are those that pass
// the exact checks.
double StrictThreshold(std::vector<double> reached, int64_t all) {
  const auto allowed = static_cast<size_t>(all / 20);
  if (reached.size() <= allowed) return 0;
  std::sort(reached.begin(), reached.end(), std::greater<>());
  return std::nextafter(reached[allowed], 2);
}

std::vector<double> Values(const std::vector<ClaimPair>& pairs, ClaimKind kind,
                           double ClaimScore::*value, bool exact_only = false) {
  std::vector<double> values;
  for (const ClaimPair& pair : pairs) {
    if (pair.kind == kind && (!exact_only || pair.score.Exact())) {
      values.push_back(pair.score.*value);
    }
  }
  return values;
}

}  // namespace

double AreaUnderRoc(std::vector<double> positives, std::vector<double> negatives) {
  if (positives.empty() || negatives.empty()) return 0;
  std::sort(negatives.begin(), negatives.end());
  double sum = 0;
  for (const double p : positives) {
    const auto [low, high] = std::equal_range(negatives.begin(), negatives.end(), p);
    sum += static_cast<double>(low - negatives.begin()) + static_cast<double>(high - low) / 2;
  }
  return sum / (static_cast<double>(positives.size()) * static_cast<double>(negatives.size()));
}

ClaimsReport SummarizeClaims(std::vector<ClaimPair> pairs, const ClaimRule& rule) {
  ClaimsReport report;
  report.rule = rule;
  for (const ClaimPair& pair : pairs) {
    const ClaimScore& s = pair.score;
    ClaimCounts& counts = CountsOf(report, pair);
    ++counts.pairs;
    counts.accepted += s.accepted;
    counts.exact += s.Exact();
    if (!s.accepted)
      ++counts.refused_by[!s.numbers ? 0 : !s.names ? 1 : !s.polarity ? 2 : !s.covered ? 3 : 4];
  }
  for (const ClaimKind kind : {ClaimKind::kSameDocument, ClaimKind::kOtherDocument}) {
    report.strict_threshold = std::max(
        report.strict_threshold,
        StrictThreshold(Values(pairs, kind, &ClaimScore::logistic, /*exact_only=*/true),
                        report.kinds[static_cast<size_t>(kind)].pairs));
  }
  for (const ClaimPair& pair : pairs) {
    CountsOf(report, pair).accepted_strictly +=
        pair.score.Exact() && pair.score.logistic >= report.strict_threshold;
  }
  for (size_t k = 1; k < report.kinds.size(); ++k) {
    const auto area = [&](double ClaimScore::*value) {
      return AreaUnderRoc(Values(pairs, ClaimKind::kSupport, value),
                          Values(pairs, static_cast<ClaimKind>(k), value));
    };
    report.kinds[k].auc_support = area(&ClaimScore::support);
    report.kinds[k].auc_logistic = area(&ClaimScore::logistic);
    report.kinds[k].auc_lexical = area(&ClaimScore::lexical);
    report.kinds[k].auc_cosine = area(&ClaimScore::cosine);
  }
  report.pairs = std::move(pairs);
  return report;
}

absl::StatusOr<ClaimsReport> EvaluateClaims(const std::string& folder, std::string_view part,
                                            const ClaimVerifier& verifier, const ClaimRule& rule,
                                            const text::Encoder& encoder, const Context& context) {
  WEIR_ASSIGN_OR_RETURN(const ClaimSet set, ReadClaimSet(folder, context));
  PairMaker maker(set, encoder, context);
  for (const Rationale& row : set.rows) {
    WEIR_RETURN_IF_ERROR(context.CheckCancelled());
    WEIR_ASSIGN_OR_RETURN(const bool wanted, InPart(row, part));
    if (wanted) WEIR_RETURN_IF_ERROR(maker.Add(row));
  }
  std::vector<ClaimPair> pairs = maker.Take();
  if (pairs.empty()) {
    return absl::NotFoundError(absl::StrCat(folder, ": no labelled claim (part: ", part, ")"));
  }
  for (ClaimPair& pair : pairs) {
    WEIR_RETURN_IF_ERROR(context.CheckCancelled());
    WEIR_RETURN_IF_ERROR(Score(set, verifier, pair));
  }
  ClaimsReport report = SummarizeClaims(std::move(pairs), rule);
  std::filesystem::path path = std::filesystem::path(folder).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  report.set = path.filename().string();
  report.part = std::string(part);
  report.encoder = encoder.name();
  return report;
}

}  // namespace weir::evaluate
