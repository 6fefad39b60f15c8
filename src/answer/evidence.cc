#include "answer/evidence.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "answer/models.h"
#include "answer/question.h"
#include "base/status.h"
#include "text/sentences.h"

namespace weir::answer {
namespace {

using StemSet = std::set<std::string>;

// Rarity of the question's stems among the candidate sentences: what all of them share says little.
class LocalIdf {
 public:
  LocalIdf(const Question& question, const std::vector<StemSet>& sentences) {
    for (const std::string& stem : question.stems) {
      if (weights_.contains(stem)) continue;
      double df = 0;
      for (const StemSet& s : sentences) df += s.contains(stem) ? 1 : 0;
      weights_[stem] = std::log(1 + (sentences.size() - df + 0.5) / (df + 0.5));
      total_ += weights_[stem];
    }
  }
  double Coverage(const StemSet& stems) const {
    if (total_ <= 0) return 0;
    double found = 0;
    for (const auto& [stem, weight] : weights_) found += stems.contains(stem) ? weight : 0;
    return found / total_;
  }

 private:
  std::map<std::string, double> weights_;
  double total_ = 0;
};

double BigramShare(const std::vector<std::string>& question,
                   const std::vector<std::string>& sentence) {
  if (question.size() < 2) return 0;
  std::set<std::pair<std::string, std::string>> pairs;
  for (size_t i = 0; i + 1 < sentence.size(); ++i) pairs.emplace(sentence[i], sentence[i + 1]);
  double found = 0;
  for (size_t i = 0; i + 1 < question.size(); ++i) {
    found += pairs.contains({question[i], question[i + 1]}) ? 1 : 0;
  }
  return found / (question.size() - 1);
}

// In [0, 1]: fragments, table rows, reference entries and captions answer little.
double NoiseOf(const Evidence& e) {
  size_t letters = 0, digits = 0;
  for (char c : e.text) {
    letters += absl::ascii_isalpha(c) ? 1 : 0;
    digits += absl::ascii_isdigit(c) ? 1 : 0;
  }
  double noise = 0;
  if (letters < 0.6 * e.text.size()) noise += 0.5;
  if (digits > 0.2 * e.text.size()) noise += 0.2;
  const std::string heading = absl::AsciiStrToLower(e.heading);
  if (absl::StrContains(heading, "reference") || absl::StrContains(heading, "bibliography"))
    noise += 0.7;
  if (absl::StrContains(e.text, "doi:") || absl::StrContains(e.text, "http")) noise += 0.3;
  if (absl::StrContains(e.text, "|")) noise += 0.2;
  if (!e.text.empty() && !absl::ascii_ispunct(e.text.back())) noise += 0.2;
  if (!e.text.empty() && absl::ascii_islower(e.text[0])) noise += 0.1;
  return std::min(noise, 1.0);
}

size_t WordCount(std::string_view s) {
  return 1 + std::count(s.begin(), s.end(), ' ');
}

// The sentences of all hits, once each, at their best rank.
std::vector<Evidence> SplitHits(const std::vector<text::Hit>& hits) {
  std::vector<Evidence> all;
  std::set<std::pair<int64_t, int64_t>> seen;
  double low = 0, high = 0;  // of the fused scores, whose scale depends on the query
  for (const text::Hit& hit : hits) {
    low = hit.rank == 1 ? hit.score : std::min(low, hit.score);
    high = hit.rank == 1 ? hit.score : std::max(high, hit.score);
  }
  for (const text::Hit& hit : hits) {
    const std::string_view passage = hit.passage.text;
    const std::vector<text::Span> spans = text::Sentences(passage);
    for (size_t i = 0; i < spans.size(); ++i) {
      const int64_t start = hit.passage.span.start + spans[i].start;
      if (spans[i].size() < 12 || !seen.emplace(hit.document.id, start).second) continue;
      Evidence e;
      e.document = hit.document;
      e.page = hit.passage.page;
      e.span = {start, hit.passage.span.start + spans[i].end};
      e.text = std::string(passage.substr(spans[i].start, spans[i].size()));
      const int64_t from = spans[i == 0 ? 0 : i - 1].start;
      const int64_t to = spans[std::min(i + 1, spans.size() - 1)].end;
      e.context = std::string(passage.substr(from, to - from));
      e.heading = hit.passage.heading;
      e.passage = hit.passage.id;
      e.rank = hit.rank;
      e.features[kPassageScore] = high > low ? (hit.score - low) / (high - low) : 1;
      e.features[kReciprocalRank] = 1.0 / hit.rank;
      auto dense = hit.scores.find("dense");
      if (dense != hit.scores.end()) e.features[kDenseContext] = dense->second;
      all.push_back(std::move(e));
    }
  }
  return all;
}

// Contexts are longer than sentences, so only the likeliest get one encoded; the others keep their
// passage's similarity, which the index computed already.
constexpr size_t kContextsEncoded = 40;

absl::Status AddDense(std::string_view question, const text::Encoder& encoder,
                      const Context& context, std::vector<Evidence>& sentences) {
  Vector query(encoder.dimensions());
  WEIR_RETURN_IF_ERROR(encoder.Encode({&question, 1}, text::EncodeAs::kQuery, query, context));
  std::vector<std::string_view> texts;
  for (const Evidence& e : sentences) texts.push_back(e.text);
  WEIR_ASSIGN_OR_RETURN(std::vector<Vector> alone, EncodePassages(texts, encoder, context));
  for (size_t i = 0; i < sentences.size(); ++i) {
    sentences[i].vector = std::move(alone[i]);
    sentences[i].features[kDense] = Dot(query, sentences[i].vector);
  }

  std::vector<size_t> order(sentences.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const auto &x = sentences[a].features, &y = sentences[b].features;
    return x[kDense] + x[kContextCoverage] > y[kDense] + y[kContextCoverage];
  });
  order.resize(std::min(order.size(), kContextsEncoded));
  std::vector<std::string> contexts;
  for (size_t i : order)
    contexts.push_back(absl::StrCat(sentences[i].heading, ". ", sentences[i].context));
  WEIR_ASSIGN_OR_RETURN(
      const std::vector<Vector> around,
      EncodePassages({contexts.begin(), contexts.end()}, encoder, context));
  for (size_t j = 0; j < order.size(); ++j) {
    sentences[order[j]].features[kDenseContext] = Dot(query, around[j]);
  }
  return absl::OkStatus();
}

void AddLexical(const Question& question, std::vector<Evidence>& sentences) {
  std::vector<StemSet> sets;
  for (const Evidence& e : sentences) sets.push_back(ContentStemSet(e.text));
  const LocalIdf idf(question, sets);
  for (size_t i = 0; i < sentences.size(); ++i) {
    Evidence& e = sentences[i];
    e.features[kCoverage] = idf.Coverage(sets[i]);
    e.features[kContextCoverage] =
        idf.Coverage(ContentStemSet(absl::StrCat(e.heading, " ", e.context)));
    e.features[kTitle] = idf.Coverage(ContentStemSet(e.document.title));
    e.features[kAnswerType] = HoldsType(question.type, e.text) ? 1 : 0;
    e.features[kBigrams] = BigramShare(question.stems, ContentStems(e.text));
    e.features[kLength] = std::min(5.0, std::log2(static_cast<double>(WordCount(e.text))));
    e.features[kNoise] = NoiseOf(e);
  }
}

// Share of the question's names and numbers that the best passages do not hold: the usual mark of a
// question about something the documents leave out.
double MissingNames(const Question& question, const std::vector<text::Hit>& hits) {
  std::string top;
  for (size_t i = 0; i < std::min<size_t>(hits.size(), 3); ++i) {
    absl::StrAppend(&top, " ", hits[i].document.title, " ", hits[i].passage.heading, " ",
                    hits[i].passage.text);
  }
  top = absl::AsciiStrToLower(top);
  double missing = 0;
  for (const std::string& name : question.names) {
    missing += absl::StrContains(top, absl::AsciiStrToLower(name)) ? 0 : 1;
  }
  return question.names.empty() ? 0 : missing / question.names.size();
}

RefusalFeatures Summarise(const Question& question, const EvidenceSet& set) {
  RefusalFeatures out;
  for (size_t i = 0; i < std::min<size_t>(set.sentences.size(), 3); ++i) {
    const auto& x = set.sentences[i].features;
    out.dense = std::max(out.dense, x[kDense]);
    out.context = std::max(out.context, x[kDenseContext]);
    out.coverage = std::max(out.coverage, x[kContextCoverage]);
  }
  out.missing_names = MissingNames(question, set.hits);
  return out;
}

}  // namespace

absl::StatusOr<EvidenceSet> CollectEvidence(std::string_view question_text,
                                            const AnswerPorts& ports, const Context& context) {
  EvidenceSet set;
  WEIR_ASSIGN_OR_RETURN(set.hits, ports.pipeline.Search(question_text, context));
  set.sentences = SplitHits(set.hits);
  if (set.sentences.empty()) return set;
  const Question question = ReadQuestion(question_text);
  AddLexical(question, set.sentences);
  WEIR_RETURN_IF_ERROR(AddDense(question_text, ports.encoder, context, set.sentences));
  Rank(set);
  set.refusal = Summarise(question, set);
  return set;
}

absl::StatusOr<std::vector<Vector>> EncodePassages(const std::vector<std::string_view>& texts,
                                                   const text::Encoder& encoder,
                                                   const Context& context) {
  const size_t d = encoder.dimensions();
  std::vector<float> rows(texts.size() * d);
  WEIR_RETURN_IF_ERROR(encoder.Encode(texts, text::EncodeAs::kPassage, rows, context));
  std::vector<Vector> out;
  for (size_t i = 0; i < texts.size(); ++i) {
    out.emplace_back(rows.begin() + i * d, rows.begin() + (i + 1) * d);
  }
  return out;
}

double Dot(const Vector& a, const Vector& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

void Rank(EvidenceSet& set) {
  for (Evidence& e : set.sentences) e.score = SentenceScore(e.features);
  std::stable_sort(set.sentences.begin(), set.sentences.end(),
                   [](const Evidence& a, const Evidence& b) {
                     if (a.score != b.score) return a.score > b.score;
                     if (a.document.id != b.document.id) return a.document.id < b.document.id;
                     return a.span.start < b.span.start;
                   });
}

text::Citation Cite(const Evidence& evidence) {
  return {evidence.document, evidence.page, evidence.span, evidence.text};
}

}  // namespace weir::answer
