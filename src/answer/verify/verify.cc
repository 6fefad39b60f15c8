#include "answer/verify/verify.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "answer/verify/claims.h"
#include "base/status.h"

namespace weir::answer {
namespace {

constexpr size_t kForeignWords = 3;

// The first member of `claimed` that `offered` lacks, "" if none.
std::string FirstMissing(const std::set<std::string>& claimed,
                         const std::set<std::string>& offered) {
  for (const std::string& item : claimed) {
    if (!offered.contains(item)) return item;
  }
  return "";
}

// The first clause of at least `words` content words that are none of `offered`, "" if none.
std::string ForeignClause(const std::vector<std::vector<std::string>>& clauses,
                          const std::set<std::string>& offered, size_t words) {
  for (const std::vector<std::string>& clause : clauses) {
    if (clause.size() < words) continue;
    if (std::none_of(clause.begin(), clause.end(),
                     [&](const std::string& stem) { return offered.contains(stem); })) {
      return absl::StrJoin(clause, " ");
    }
  }
  return "";
}

double Share(const std::set<std::string>& part, const std::set<std::string>& whole) {
  if (part.empty()) return 1;
  const auto found = std::count_if(part.begin(), part.end(),
                                   [&](const std::string& stem) { return whole.contains(stem); });
  return static_cast<double>(found) / static_cast<double>(part.size());
}

absl::StatusOr<double> Cosine(std::string_view a, std::string_view b, const text::Encoder& encoder,
                              const Context& context) {
  const size_t d = encoder.dimensions();
  std::vector<float> vectors(2 * d);
  const std::string_view texts[] = {a, b};
  WEIR_RETURN_IF_ERROR(encoder.Encode(texts, text::EncodeAs::kPassage, vectors, context));
  double dot = 0;
  for (size_t i = 0; i < d; ++i) dot += vectors[i] * vectors[d + i];
  return dot;
}

void Decide(SentenceVerdict& v, const std::string& number, const std::string& name,
            const std::string& foreign) {
  if (!v.numbers) v.reason = absl::StrCat("number not in the quotes: ", number);
  else if (!v.names) v.reason = absl::StrCat("name not in the quotes: ", name);
  else if (!v.polarity) v.reason = "sentence and quotes disagree on negation";
  else if (!v.covered) v.reason = absl::StrCat("clause not in the quotes: ", foreign);
  else if (v.support < kSupportThreshold)
    v.reason = absl::StrCat("support ", v.support, " below ", kSupportThreshold);
  v.supported = v.reason.empty();
  if (!v.supported) v.support = std::min(v.support, kSupportThreshold / 2);
}

}  // namespace

double SupportOf(double lexical, double cosine) {
  const auto& [intercept, lexical_weight, cosine_weight] = kSupportWeights;
  return 1 / (1 + std::exp(-(intercept + lexical_weight * lexical + cosine_weight * cosine)));
}

absl::StatusOr<SentenceVerdict> VerifySentence(std::string_view sentence,
                                               const std::vector<std::string_view>& quotes,
                                               const text::Encoder& encoder,
                                               const Context& context) {
  SentenceVerdict v;
  if (quotes.empty()) {
    v.reason = "no citation";
    return v;
  }
  v.verbatim = true;  // of the caller's bytes; VerifyAnswer checks them against the file
  if (std::find(quotes.begin(), quotes.end(), sentence) != quotes.end()) {
    v.numbers = v.names = v.polarity = v.covered = v.supported = true;
    v.lexical = v.cosine = v.support = 1;
    return v;
  }
  const std::string joined = absl::StrJoin(quotes, " ");
  const Claims claimed = ReadClaims(sentence, /*is_quote=*/false);
  const Claims offered = ReadClaims(joined, /*is_quote=*/true);
  const std::string number = FirstMissing(claimed.numbers, offered.numbers);
  const std::string name = FirstMissing(claimed.names, offered.names);
  const std::string foreign = ForeignClause(claimed.clauses, offered.stems, kForeignWords);
  v.numbers = number.empty();
  v.covered = foreign.empty();
  v.names = name.empty();
  // A negated claim needs a negated quote; a plain claim must not rest on one negated quote alone.
  v.polarity = claimed.negations > 0 ? offered.negations > 0
                                     : quotes.size() > 1 || offered.negations == 0;
  v.lexical = Share(claimed.stems, offered.stems);
  WEIR_ASSIGN_OR_RETURN(v.cosine, Cosine(sentence, joined, encoder, context));
  v.support = SupportOf(v.lexical, v.cosine);
  Decide(v, number, name, foreign);
  return v;
}

absl::StatusOr<AnswerVerdict> VerifyAnswer(const text::Answer& answer,
                                           const DocumentAt& document_at,
                                           const text::Encoder& encoder, const Context& context) {
  AnswerVerdict verdict;
  verdict.proved = true;
  std::map<std::string, absl::StatusOr<text::Document>> documents;
  for (const text::AnswerSentence& sentence : answer.sentences) {
    std::vector<std::string_view> quotes;
    std::string broken;
    for (const text::Citation& c : sentence.citations) {
      auto it = documents.find(c.document.path);
      if (it == documents.end()) {
        it = documents.emplace(c.document.path, document_at(c.document.path)).first;
      }
      if (!it->second.ok()) {
        broken = absl::StrCat(c.document.path, ": ", it->second.status().message());
      } else if (it->second->sha256 != c.document.sha256) {
        broken = absl::StrCat(c.document.path, ": the file has changed since it was cited");
      } else if (c.span.start < 0 || c.span.end < c.span.start ||
                 c.span.end > static_cast<int64_t>(it->second->text.size())) {
        broken = absl::StrCat(c.document.path, ": span ", c.span.start, "-", c.span.end,
                              " is outside the text");
      } else if (it->second->text.compare(c.span.start, c.span.size(), c.quote) != 0) {
        broken = absl::StrCat(c.document.path, ": the quote is not the text at ", c.span.start, "-",
                              c.span.end);
      }
      quotes.push_back(c.quote);
    }
    SentenceVerdict v;
    if (broken.empty()) {
      WEIR_ASSIGN_OR_RETURN(v, VerifySentence(sentence.text, quotes, encoder, context));
    } else {
      v.reason = broken;
    }
    verdict.proved = verdict.proved && v.supported;
    verdict.sentences.push_back(std::move(v));
  }
  return verdict;
}

}  // namespace weir::answer
