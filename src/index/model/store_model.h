// For tests only: what a store holds, as maps that a reader believes at sight, and operations by
// seed that change a store and its model alike. A model is one generation's content, a value.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "index/lexical/naive_index.h"
#include "index/store_fixture.h"

namespace weir::index {

enum Modality { kDense, kSparse, kMulti, kModalities };
inline constexpr int kEncoders = 2;  // of each modality; one's vectors replace the other's
inline constexpr size_t kRowsACall = 128;  // passages that EncodePending gives an encoder at a time

// Tokens of as few kinds as a codebook has words, so that their codes lose little.
class FewTokensEncoder : public HashTokenEncoder {
 public:
  using HashTokenEncoder::HashTokenEncoder;
  text::TokenVectors One(std::string_view text) const {
    std::string kinds;
    for (const std::string_view word : absl::StrSplit(text, absl::ByAnyChar(" \n")))
      absl::StrAppend(&kinds, word.substr(0, 2), " ");
    return HashTokenEncoder::One(kinds);
  }
  absl::Status Encode(std::span<const std::string_view> texts, text::EncodeAs,
                      std::span<text::TokenVectors> out, const Context&) const override {
    for (size_t i = 0; i < texts.size(); ++i) out[i] = One(texts[i]);
    return absl::OkStatus();
  }
};

struct ModelEncoders {
  std::array<HashEncoder, kEncoders> dense = {HashEncoder(16), HashEncoder(24)};
  std::array<HashSparseEncoder, kEncoders> sparse = {HashSparseEncoder(200),
                                                     HashSparseEncoder(90)};
  std::array<FewTokensEncoder, kEncoders> tokens = {FewTokensEncoder(16), FewTokensEncoder(8)};
  std::array<FixedEncodingOptions, kEncoders> fixed = {
      FixedEncodingOptions{.reps = 4, .bits = 2, .dim = 8, .means = ""},
      FixedEncodingOptions{.reps = 2, .bits = 1, .dim = 4, .means = ""}};

  std::string Name(Modality modality, int encoder) const {
    if (encoder < 0) return "";
    const auto at = static_cast<size_t>(encoder);
    return modality == kDense    ? dense[at].name()
           : modality == kSparse ? sparse[at].name()
                                 : tokens[at].name();
  }
};

// What a text is found by, worked out once and shared by all generations that hold it.
struct ModelPassage {
  text::Span span;
  std::string heading, text;
  NaiveIndex::PassageTerms terms;
  std::array<std::vector<float>, kEncoders> dense;
  std::array<text::SparseVector, kEncoders> sparse;
  std::array<text::TokenVectors, kEncoders> tokens;
};

struct ModelText {
  std::string text, title, sha256;
  std::vector<ModelPassage> passages;
};

struct ModelDocument {
  int64_t id = -1, first_passage = 0;
  std::shared_ptr<const ModelText> content;
};

struct Model {
  std::map<std::string, ModelDocument> documents;                // by path
  std::map<std::string, std::map<std::string, bool>> grants;     // tenant, path; true: its owner
  std::map<std::string, std::string> failed;                     // path, reason
  struct Vectors {
    int encoder = -1;
    std::set<int64_t> passages;
    // Dense ones alone: of encoders that take the place of `encoder` once all passages have theirs.
    std::map<int, std::set<int64_t>> beside;
  };
  std::array<Vectors, kModalities> vectors;
  int64_t next_document = 0, next_passage = 0;

  std::set<int64_t> Passages() const {
    std::set<int64_t> ids;
    for (const auto& [path, document] : documents) {
      for (size_t i = 0; i < document.content->passages.size(); ++i)
        ids.insert(document.first_passage + static_cast<int64_t>(i));
    }
    return ids;
  }
};

struct Operation {
  enum class Kind { kAdd, kRemove, kGrant, kRevoke, kEncode, kCompact, kFailure };
  Kind kind = Kind::kCompact;
  std::vector<Prepared> batch;
  std::vector<std::string> paths;  // one of kRemove and kFailure
  std::string tenant;
  Modality modality = kDense;
  int encoder = 0;
  bool commit_each_call = false;  // of the encoder
  int fail_at = -1;               // the call of it that fails
};

inline std::shared_ptr<const ModelText> Understand(const Prepared& p, text::Analyzer& analyzer) {
  static const ModelEncoders encoders;
  auto out = std::make_shared<ModelText>();
  out->text = p.document.text;
  out->title = p.document.title;
  out->sha256 = p.document.sha256;
  for (const text::Passage& passage : p.passages) {
    ModelPassage m;
    m.span = passage.span;
    m.heading = passage.heading;
    m.text = passage.text;
    PassageFields fields = MakeFields(out->title, m.heading, m.text);
    m.terms = NaiveIndex::Analyse(analyzer, fields);
    const std::string input = EncoderInput(fields);
    if (m.text.starts_with(out->title)) fields.title = {};
    const std::string once = EncoderInput(fields);
    for (size_t i = 0; i < kEncoders; ++i) {
      m.dense[i] = encoders.dense[i].One(input);
      m.sparse[i] = encoders.sparse[i].One(once);
      m.tokens[i] = encoders.tokens[i].One(once);
    }
    out->passages.push_back(std::move(m));
  }
  return out;
}

// Operations of one seed; each follows from its number and the model before it.
class Script {
 public:
  explicit Script(uint64_t seed)
      : seed_(seed), paths_(12 + seed % 5 * 12), analyzer_(*text::Analyzer::Make("english")) {}

  Operation Next(int64_t number, const Model& model) const;
  // What a store holds after each commit of the operation that changes it, in order.
  std::vector<Model> Steps(const Model& before, const Operation& operation) const;
  // Of EncodePending: whether a commit notes the encoder first, and whether its vectors take the
  // place of another one's at the end.
  static bool Notes(const Model& before, const Operation& operation) {
    const Model::Vectors& vectors = before.vectors[operation.modality];
    return vectors.encoder != operation.encoder && !vectors.beside.contains(operation.encoder);
  }
  static bool Exchanges(const Model& before, const Operation& operation) {
    const Model::Vectors& vectors = before.vectors[operation.modality];
    return operation.modality == kDense && vectors.encoder != operation.encoder &&
           (vectors.beside.contains(operation.encoder) || !vectors.passages.empty());
  }
  // What the store must answer.
  static absl::StatusCode Expected(const Model& before, const Operation& operation);
  // Of the encoder, for the passages that lack its vectors.
  static size_t Calls(const Model& before, const Operation& operation);

  static std::string Word(std::mt19937_64& random) {
    const double u = std::uniform_real_distribution<double>(0.02, 1)(random);
    return absl::StrCat("w", static_cast<int>(1 / u));  // Zipf's law
  }
  std::string Path(std::mt19937_64& random) const { return absl::StrCat("d", random() % paths_); }

 private:
  Prepared Document(std::mt19937_64& random, const Model& model) const;
  static void Forget(Model& model, const ModelDocument& document, bool grants,
                     const std::string& path);
  void Add(Model& model, const Operation& operation) const;
  static std::vector<Model> EncodeSteps(const Model& before, const Operation& operation);

  uint64_t seed_, paths_;
  std::unique_ptr<text::Analyzer> analyzer_;
};

inline Prepared Script::Document(std::mt19937_64& random, const Model& model) const {
  const std::string path = Path(random);
  const auto old = model.documents.find(path);
  std::string text, title;
  if (old != model.documents.end() && random() % 6 == 0) {  // unchanged
    text = old->second.content->text;
    title = old->second.content->title;
  } else {
    for (size_t i = 0, words = random() % 60; i < words; ++i)
      absl::StrAppend(&text, Word(random), random() % 9 == 0 ? "\n" : " ");
    if (random() % 12 == 0) text += std::string(70, ' ');  // passages without a word
    if (random() % 3 == 0) title = absl::StrCat(Word(random), " ", Word(random));
    if (random() % 6 == 0) text = title + text;
  }
  Prepared p = Make(path, text, 20 + random() % 60);
  p.document.title = title;
  for (text::Passage& passage : p.passages) {
    if (random() % 5 == 0) passage.heading = random() % 3 == 0 ? title : Word(random);
  }
  return p;
}

inline Operation Script::Next(int64_t number, const Model& model) const {
  std::mt19937_64 random(seed_ * 1000003 + static_cast<uint64_t>(number));
  const std::array<std::string, 4> tenants = {"", "anna", "bob", "carol"};
  Operation op;
  const uint64_t what = random() % 20;
  if (what < 9) {
    op.kind = Operation::Kind::kAdd;
    op.tenant = tenants[random() % 4];
    for (size_t i = 0, n = 1 + random() % (random() % 8 == 0 ? paths_ : 5); i < n; ++i) {
      op.batch.push_back(Document(random, model));
      op.batch.back().tenant = op.tenant;
    }
  } else if (what < 12) {
    op.kind = Operation::Kind::kRemove;
    op.paths = {Path(random)};
    op.tenant = tenants[random() % 4];
  } else if (what < 15) {
    op.kind = what == 14 ? Operation::Kind::kRevoke : Operation::Kind::kGrant;
    op.tenant = tenants[1 + random() % 3];
    for (size_t i = 0, n = random() % 5; i < n; ++i) {
      std::string path = Path(random);
      if (model.documents.contains(path) || random() % 20 == 0) op.paths.push_back(path);
    }
  } else if (what < 18) {
    op.kind = Operation::Kind::kEncode;
    op.modality = static_cast<Modality>(random() % kModalities);
    const int now = model.vectors[op.modality].encoder;
    op.encoder = random() % 12 == 0 || now < 0 ? static_cast<int>(random() % kEncoders) : now;
    op.commit_each_call = random() % 2 == 0;
    if (random() % 5 == 0) op.fail_at = static_cast<int>(random() % 3);
  } else if (what == 18) {
    op.kind = Operation::Kind::kCompact;
  } else {
    op.kind = Operation::Kind::kFailure;
    op.paths = {Path(random)};
  }
  return op;
}

inline absl::StatusCode Script::Expected(const Model& before, const Operation& op) {
  const auto known = [&](const std::string& path) { return before.documents.contains(path); };
  switch (op.kind) {
    case Operation::Kind::kRemove: {
      if (!known(op.paths[0])) return absl::StatusCode::kNotFound;
      if (op.tenant.empty()) return absl::StatusCode::kOk;
      const auto tenant = before.grants.find(op.tenant);
      if (tenant == before.grants.end()) return absl::StatusCode::kNotFound;
      const auto grant = tenant->second.find(op.paths[0]);
      if (grant == tenant->second.end()) return absl::StatusCode::kNotFound;
      return grant->second ? absl::StatusCode::kOk : absl::StatusCode::kPermissionDenied;
    }
    case Operation::Kind::kGrant:
    case Operation::Kind::kRevoke:
      return std::all_of(op.paths.begin(), op.paths.end(), known) ? absl::StatusCode::kOk
                                                                  : absl::StatusCode::kNotFound;
    case Operation::Kind::kEncode:
      return op.fail_at >= 0 && static_cast<size_t>(op.fail_at) < Calls(before, op)
                 ? absl::StatusCode::kUnavailable
                 : absl::StatusCode::kOk;
    default: return absl::StatusCode::kOk;
  }
}

inline size_t Script::Calls(const Model& before, const Operation& op) {
  const Model::Vectors& vectors = before.vectors[op.modality];
  const auto beside = vectors.beside.find(op.encoder);
  const size_t done = vectors.encoder == op.encoder        ? vectors.passages.size()
                      : beside != vectors.beside.end() ? beside->second.size()
                                                       : 0;
  return (before.Passages().size() - done + kRowsACall - 1) / kRowsACall;
}

inline void Script::Forget(Model& model, const ModelDocument& document, bool grants,
                           const std::string& path) {
  for (size_t i = 0; i < document.content->passages.size(); ++i) {
    const int64_t passage = document.first_passage + static_cast<int64_t>(i);
    for (Model::Vectors& vectors : model.vectors) {
      vectors.passages.erase(passage);
      for (auto& [encoder, passages] : vectors.beside) passages.erase(passage);
    }
  }
  if (!grants) return;
  for (auto& [tenant, paths] : model.grants) paths.erase(path);
}

inline void Script::Add(Model& model, const Operation& op) const {
  std::map<std::string, size_t> last;  // of two documents with one path the later counts
  for (size_t i = 0; i < op.batch.size(); ++i) last[op.batch[i].document.path] = i;
  for (size_t i = 0; i < op.batch.size(); ++i) {
    const std::string& path = op.batch[i].document.path;
    if (last[path] != i) continue;
    const auto old = model.documents.find(path);
    const bool fresh = old == model.documents.end();
    if (!fresh) Forget(model, old->second, /*grants=*/false, path);
    // Owned by who brought it first; a grant that is there already stays as it is.
    if (!op.tenant.empty()) model.grants[op.tenant].emplace(path, fresh);
    const ModelDocument document{model.next_document++, model.next_passage,
                                 Understand(op.batch[i], *analyzer_)};
    model.next_passage += static_cast<int64_t>(document.content->passages.size());
    model.documents[path] = document;
    model.failed.erase(path);
  }
}

inline std::vector<Model> Script::EncodeSteps(const Model& before, const Operation& op) {
  std::vector<Model> steps;
  Model now = before;
  Model::Vectors& vectors = now.vectors[op.modality];
  const bool exchanges = Exchanges(before, op);
  if (Notes(before, op)) {
    if (exchanges) {
      vectors.beside[op.encoder] = {};
    } else {
      vectors = {op.encoder, {}, std::move(vectors.beside)};
    }
    steps.push_back(now);
  }
  std::set<int64_t>& filled = exchanges ? vectors.beside[op.encoder] : vectors.passages;
  const std::set<int64_t> all = now.Passages();
  std::vector<int64_t> pending;
  std::set_difference(all.begin(), all.end(), filled.begin(), filled.end(),
                      std::back_inserter(pending));
  for (size_t at = 0, call = 0; at < pending.size(); at += kRowsACall, ++call) {
    if (op.fail_at == static_cast<int>(call)) return steps;
    const size_t end = std::min(pending.size(), at + kRowsACall);
    filled.insert(pending.begin() + static_cast<ptrdiff_t>(at),
                  pending.begin() + static_cast<ptrdiff_t>(end));
    // What was encoded in one go is committed in one go.
    if (call > 0 && !op.commit_each_call) steps.pop_back();
    steps.push_back(now);
  }
  if (exchanges) {
    std::map<int, std::set<int64_t>> beside = std::move(vectors.beside);
    std::set<int64_t> done = std::move(beside[op.encoder]);
    beside.erase(op.encoder);
    vectors = {op.encoder, std::move(done), std::move(beside)};
    steps.push_back(now);
  }
  return steps;
}

inline std::vector<Model> Script::Steps(const Model& before, const Operation& op) const {
  if (op.kind == Operation::Kind::kEncode) return EncodeSteps(before, op);
  if (op.kind == Operation::Kind::kCompact) return {};
  if (Expected(before, op) != absl::StatusCode::kOk) return {};
  Model now = before;
  switch (op.kind) {
    case Operation::Kind::kAdd: Add(now, op); break;
    case Operation::Kind::kRemove:
      Forget(now, now.documents.at(op.paths[0]), /*grants=*/true, op.paths[0]);
      now.documents.erase(op.paths[0]);
      break;
    case Operation::Kind::kGrant:
      for (const std::string& path : op.paths) now.grants[op.tenant].emplace(path, false);
      now.grants[op.tenant];  // a tenant is known from its first grant on, even one of nothing
      break;
    case Operation::Kind::kRevoke: {
      const auto tenant = now.grants.find(op.tenant);
      if (tenant == now.grants.end()) return {};
      for (const std::string& path : op.paths) tenant->second.erase(path);
      break;
    }
    default: now.failed[op.paths[0]] = "scripted"; break;
  }
  return {std::move(now)};
}

}  // namespace weir::index
