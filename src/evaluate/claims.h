// Protocol of labelled claims: how often a verifier takes sentences for the support of a claim, and
// how well its scores tell support from the rest. The verifier is handed in as a function, so that
// any rule or a scripted fake is measured alike.
//
// Pairs of a claim and the sentences that are cited for it, one of each kind for every SUPPORT row
// (rationales.h) and one for every CONTRADICT row:
//   support         the SUPPORT row's sentences
//   contradict      the CONTRADICT row's sentences
//   same document   as many other sentences of the SUPPORT row's document, in no rationale of the
//                   claim, chosen by a generator seeded with the seed and the row's claim and
//                   document
//   other document  as many sentences of a document that no rationale of the claim names, the n-th
//                   that BM25 finds for the claim's n-th SUPPORT row: the nearest to the claim by
//                   the encoder's cosine. Nobody has judged most of them, so some may support the
//                   claim after all.
// A document that has too few other sentences gives what it has; one that has none gives no pair,
// and a pair that is there already counts once.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "text/ports.h"

namespace weir::evaluate {

struct ClaimScore {
  bool numbers = false, names = false, polarity = false, covered = false;  // exact checks passed
  double lexical = 0, cosine = 0;
  double logistic = 0;  // of the two above, whatever the exact checks say
  double support = 0;   // as the verifier reports it
  bool accepted = false;
  bool Exact() const { return numbers && names && polarity && covered; }
};

using ClaimVerifier = std::function<absl::StatusOr<ClaimScore>(
    std::string_view claim, const std::vector<std::string_view>& quotes)>;

// What the verifier decides by; printed, and the threshold from which the report looks for others.
struct ClaimRule {
  double intercept = 0, lexical = 0, cosine = 0;  // of the logistic
  double threshold = 0;
};

enum class ClaimKind { kSupport, kContradict, kSameDocument, kOtherDocument };
inline constexpr std::array<std::string_view, 4> kClaimKinds = {"support", "contradict",
                                                                "same document", "other document"};

struct ClaimPair {
  ClaimKind kind = ClaimKind::kSupport;
  std::string query, document;
  std::vector<int64_t> sentences;  // of the document
  ClaimScore score;
};

struct ClaimCounts {  // of one kind
  int64_t pairs = 0, accepted = 0;
  int64_t exact = 0;  // pass the exact checks
  // The first check that fails, in this order: numbers, names, polarity, covered, support.
  std::array<int64_t, 5> refused_by = {};
  int64_t accepted_strictly = 0;  // at ClaimsReport::strict_threshold
  // Area under the ROC curve of support pairs against this kind, ties counting half; 0 for support
  // itself and when either has no pair.
  double auc_support = 0, auc_logistic = 0, auc_lexical = 0, auc_cosine = 0;
};

struct ClaimsReport {
  std::string set, part, encoder;
  ClaimRule rule;
  std::array<ClaimCounts, 4> kinds;  // by ClaimKind
  // The least threshold of the logistic at which at most 5% of "same document" and of "other
  // document" are accepted (exact checks included).
  double strict_threshold = 0;
  std::vector<ClaimPair> pairs;
};

// `part`: "all", or the claims whose id ends in an "even" or "odd" digit. Errors are those of the
// readers; a row that names a claim, document or sentence that is not there is kDataLoss with its
// file and line, a set without a pair kNotFound.
absl::StatusOr<ClaimsReport> EvaluateClaims(const std::string& folder, std::string_view part,
                                            const ClaimVerifier& verifier, const ClaimRule& rule,
                                            const text::Encoder& encoder, const Context& context);

// Counts and areas over `pairs`; fills every field but set, part and encoder.
ClaimsReport SummarizeClaims(std::vector<ClaimPair> pairs, const ClaimRule& rule);

// The share of pairs (p of `positives`, n of `negatives`) with p > n, equal ones counting half; 0
// when either is empty. O(n log n).
double AreaUnderRoc(std::vector<double> positives, std::vector<double> negatives);

// Rule and Markdown table, one row a kind.
std::string ClaimsTable(const ClaimsReport& report);
// {version, set, part, encoder, rule, strict_threshold, kinds: [...]}, fields as above.
std::string ClaimsToJson(const ClaimsReport& report);
// One JSON object a line for each pair: what a fit reads.
std::string ClaimFeatures(const ClaimsReport& report);

}  // namespace weir::evaluate
