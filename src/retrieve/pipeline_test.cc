// The pipeline over a real store of a few passages and a bag-of-words encoder.

#include "retrieve/pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "retrieve/bm25.h"
#include "retrieve/dense.h"
#include "retrieve/multi.h"
#include "retrieve/sparse.h"
#include "retrieve/stage.h"
#include "text/analysis.h"

namespace weir::retrieve {

void RegisterBm25(Registry& registry);
void RegisterDense(Registry& registry);
void RegisterConvex(Registry& registry);
void RegisterRrf(Registry& registry);
void RegisterDedupe(Registry& registry);
void RegisterSparse(Registry& registry);
void RegisterMulti(Registry& registry);

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class BagEncoder : public text::Encoder {
 public:
  explicit BagEncoder(std::string name = "bag") : name_(std::move(name)) {}
  int dimensions() const override { return 64; }
  std::string name() const override { return name_; }
  std::string fingerprint() const override { return name_ + "-1"; }
  absl::Status Encode(std::span<const std::string_view> texts, text::EncodeAs, std::span<float> out,
                      const Context&) const override {
    auto analyzer = *text::Analyzer::Make("english");
    for (size_t i = 0; i < texts.size(); ++i) {
      float* row = out.data() + i * 64;
      std::fill(row, row + 64, 0.01f);
      std::vector<text::Token> tokens;
      analyzer->Analyze(texts[i], tokens);
      for (const text::Token& token : tokens)
        row[std::hash<std::string>()(token.term + name_) % 64] += 1;
      float norm = 0;
      for (int j = 0; j < 64; ++j) norm += row[j] * row[j];
      for (int j = 0; j < 64; ++j) row[j] /= std::sqrt(norm);
    }
    return absl::OkStatus();
  }

 private:
  std::string name_;
};

// Each word is a term, by its hash.
class WordsEncoder : public text::SparseEncoder {
 public:
  int32_t vocabulary() const override { return 1000; }
  std::string name() const override { return "words"; }
  std::string fingerprint() const override { return "words-1"; }
  std::string Term(int32_t term) const override { return absl::StrCat(term); }
  // "mill" is in no vocabulary here.
  std::vector<int32_t> Words(std::string_view text) const override {
    std::vector<text::Token> tokens;
    (*text::Analyzer::Make("english"))->Analyze(text, tokens);
    std::vector<int32_t> terms;
    for (const text::Token& token : tokens) {
      terms.push_back(token.term == "mill" ? -1 : static_cast<int32_t>(
                                                      std::hash<std::string>()(token.term) % 1000));
    }
    return terms;
  }
  std::vector<int32_t> TermsOf(std::string_view word) const override { return Words(word); }
  absl::Status Encode(std::span<const std::string_view> texts, text::EncodeAs,
                      std::span<text::SparseVector> out, const Context&) const override {
    auto analyzer = *text::Analyzer::Make("english");
    for (size_t i = 0; i < texts.size(); ++i) {
      std::map<int32_t, float> weights;
      std::vector<text::Token> tokens;
      analyzer->Analyze(texts[i], tokens);
      for (const text::Token& token : tokens) {
        weights[static_cast<int32_t>(std::hash<std::string>()(token.term) % 1000)] += 0.5f;
      }
      out[i].clear();
      for (const auto& [term, weight] : weights) out[i].push_back({term, weight});
    }
    return absl::OkStatus();
  }
};

// A vector a word, by its hash.
class WordVectors : public text::TokenEncoder {
 public:
  int dimensions() const override { return 64; }
  std::string name() const override { return "word-vectors"; }
  std::string fingerprint() const override { return "word-vectors-1"; }
  absl::Status Encode(std::span<const std::string_view> texts, text::EncodeAs,
                      std::span<text::TokenVectors> out, const Context&) const override {
    auto analyzer = *text::Analyzer::Make("english");
    for (size_t i = 0; i < texts.size(); ++i) {
      std::vector<text::Token> tokens;
      analyzer->Analyze(texts[i], tokens);
      out[i].assign(tokens.size() * 64, 0.0f);
      for (size_t t = 0; t < tokens.size(); ++t) {
        out[i][t * 64 + std::hash<std::string>()(tokens[t].term) % 64] = 1;
      }
    }
    return absl::OkStatus();
  }
};

constexpr std::string_view kTexts[] = {
    "Weirs raise the level of a river and measure its flow.",
    "A river carries sand; the flow of sand depends on the level.",
    "Bread is baked from flour, water and salt.",
    "weirs raise the level of a RIVER and measure its flow."};  // the first again, in other case

class PipelineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              absl::StrCat("weir-retrieve-", ::testing::UnitTest::GetInstance()->random_seed(), "-",
                           getpid(), "-",
                           ::testing::UnitTest::GetInstance()->current_test_info()->name());
    store_ = *index::Store::Open(folder_.string(), index::Store::Mode::kWrite, context_);
    std::vector<index::Prepared> batch;
    for (size_t i = 0; i < std::size(kTexts); ++i) {
      index::Prepared p;
      p.document.path = absl::StrCat("doc", i);
      p.document.sha256 = std::string(64, static_cast<char>('a' + i));
      p.document.format = "text";
      p.document.text = std::string(kTexts[i]);
      p.passages.push_back(
          {.span = {0, static_cast<int64_t>(kTexts[i].size())}, .text = std::string(kTexts[i])});
      batch.push_back(std::move(p));
    }
    ASSERT_TRUE(store_->AddBatch(batch, context_).ok());
    ASSERT_TRUE(store_->EncodePending(encoder_, context_).ok());
    ASSERT_TRUE(store_->EncodePending(sparse_encoder_, context_).ok());
    ASSERT_TRUE(store_->EncodePending(token_encoder_, {.reps = 4, .bits = 2, .dim = 16}, context_)
                    .ok());
    RegisterBm25(registry_);
    RegisterSparse(registry_);
    RegisterMulti(registry_);
    RegisterDense(registry_);
    RegisterConvex(registry_);
    RegisterRrf(registry_);
    RegisterDedupe(registry_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::vector<text::Hit> Search(const SearchOptions& options, std::string_view query) {
    auto pipeline = Pipeline::Make(*store_, {&encoder_, &sparse_encoder_, &token_encoder_},
                                   options, registry_);
    EXPECT_TRUE(pipeline.ok()) << pipeline.status();
    auto hits = (*pipeline)->Search(query, context_);
    EXPECT_TRUE(hits.ok()) << hits.status();
    return *hits;
  }

  Context context_;
  BagEncoder encoder_;
  WordsEncoder sparse_encoder_;
  WordVectors token_encoder_;
  Registry registry_;
  std::filesystem::path folder_;
  std::unique_ptr<index::Store> store_;
};

TEST_F(PipelineTest, SignsFilterOnlyWhereAskedFor) {
  const SearchOptions prose{.mode = "lexical", .dedupe = false};
  SearchOptions typed = prose;
  typed.signs = true;
  const size_t both = Search(prose, "river flow").size();
  ASSERT_GT(both, 0u);
  EXPECT_THAT(Search(prose, "river -flow"), SizeIs(both));
  const auto left = Search(typed, "river -flow");
  EXPECT_LT(left.size(), both);
  for (const text::Hit& hit : left) EXPECT_EQ(hit.passage.text.find("flow"), std::string::npos);
}

TEST_F(PipelineTest, SignsFilterInEveryMode) {
  const auto paths = [&](const SearchOptions& options, std::string_view query) {
    std::vector<std::string> out;
    for (const text::Hit& hit : Search(options, query)) out.push_back(hit.document.path);
    std::sort(out.begin(), out.end());
    return out;
  };
  using testing::ElementsAre;
  for (const char* mode : {"lexical", "dense", "sparse", "multi", "hybrid"}) {
    SearchOptions typed{.mode = mode, .dedupe = false, .signs = true};
    typed.fuse.kinds = {"bm25", "dense", "sparse", "multi"};
    for (const char* query : {"river flow -weirs", "river flow -\"level of a river\""}) {
      typed.fuse.fetch = 100;
      EXPECT_THAT(paths(typed, query), testing::IsSubsetOf({"doc1", "doc2"})) << mode;
      typed.fuse.fetch = 1;  // filtered before the best are taken, not after
      EXPECT_THAT(paths(typed, query), ElementsAre("doc1")) << mode;
    }
    typed.fuse.fetch = 100;
    EXPECT_THAT(paths(typed, "river +bread flour"), ElementsAre("doc2")) << mode;
    EXPECT_THAT(paths(typed, "river +\"flow of sand\""), ElementsAre("doc1")) << mode;
    EXPECT_THAT(paths(typed, "river +bread +sand"), ElementsAre()) << mode;
    // Nothing is asked for: what is left is listed.
    EXPECT_THAT(paths(typed, "-river"), ElementsAre("doc2")) << mode;
    typed.signs = false;
    EXPECT_THAT(paths(typed, "river -flow"), testing::Contains("doc1")) << mode;
  }
}

TEST_F(PipelineTest, LexicalEqualsStore) {
  const auto hits = Search({.mode = "lexical", .dedupe = false}, "river flow");
  const auto direct = *store_->SearchLexical("river flow", 10, context_);
  ASSERT_EQ(hits.size(), direct.size());
  for (size_t i = 0; i < hits.size(); ++i) {
    EXPECT_EQ(hits[i].passage.id, direct[i].passage);
    EXPECT_EQ(hits[i].scores.at("bm25"), direct[i].score);
    EXPECT_EQ(hits[i].rank, static_cast<int>(i) + 1);
  }
}

TEST_F(PipelineTest, DenseEqualsStore) {
  const auto hits = Search({.mode = "dense", .dedupe = false}, "river flow");
  std::vector<float> query(64);
  const std::string_view text = "river flow";
  ASSERT_TRUE(encoder_.Encode({&text, 1}, text::EncodeAs::kQuery, query, context_).ok());
  const auto direct = *store_->SearchDense(query, 10, context_);
  ASSERT_EQ(hits.size(), direct.size());
  for (size_t i = 0; i < hits.size(); ++i) EXPECT_EQ(hits[i].passage.id, direct[i].passage);
}

TEST_F(PipelineTest, SparseEqualsStore) {
  const std::string_view text = "river flow";
  text::SparseVector query;
  ASSERT_TRUE(
      sparse_encoder_.Encode({&text, 1}, text::EncodeAs::kQuery, {&query, 1}, context_).ok());
  for (const char* search : {"exact", "approximate"}) {
    const auto hits = Search({.mode = "sparse", .sparse = {search}, .dedupe = false}, text);
    const auto direct = *store_->SearchSparse(query, 10, {}, context_);
    ASSERT_EQ(hits.size(), direct.size());
    ASSERT_EQ(hits.size(), 3u);  // bread shares no word
    for (size_t i = 0; i < hits.size(); ++i) {
      EXPECT_EQ(hits[i].passage.id, direct[i].passage);
      EXPECT_EQ(hits[i].scores.at("sparse"), direct[i].score);
    }
  }
}

TEST_F(PipelineTest, SparseQueriesByWords) {
  const auto term = [&](std::string_view word) { return sparse_encoder_.Words(word)[0]; };
  for (const char* queries : {"words", "equal-words"}) {
    SearchOptions options{.mode = "sparse", .dedupe = false};
    options.sparse.queries = queries;
    // No model: the vocabulary is enough. Twice is once, what is unknown counts nothing.
    Encoders encoders;
    encoders.vocabulary = &sparse_encoder_;
    auto pipeline = Pipeline::Make(*store_, encoders, options, registry_);
    ASSERT_TRUE(pipeline.ok()) << pipeline.status();
    const auto hits = (*pipeline)->Search("sand river mill zebra river", context_);
    ASSERT_TRUE(hits.ok()) << hits.status();
    // "sand" is in one passage of four, twice; "river" in three.
    const bool rarity = std::string_view(queries) == "words";
    const auto idf = [](double df) { return std::log(1 + (4 - df + 0.5) / (df + 0.5)); };
    text::SparseVector query = {
        {term("sand"), rarity ? static_cast<float>(idf(1)) : 1.0f},
        {term("river"), rarity ? static_cast<float>(idf(3)) : 1.0f}};
    if (!rarity) query.push_back({term("zebra"), 1.0f});
    std::sort(query.begin(), query.end(), [](auto a, auto b) { return a.term < b.term; });
    const auto direct = *store_->SearchSparse(query, 10, {}, context_);
    ASSERT_EQ(hits->size(), 3u);
    ASSERT_EQ(direct.size(), 3u);
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ((*hits)[i].passage.id, direct[i].passage);
      EXPECT_EQ((*hits)[i].score, direct[i].score);
    }
    EXPECT_EQ((*hits)[0].passage.text, kTexts[1]);
    EXPECT_TRUE((*pipeline)->Search("mill", context_)->empty());
  }
  SearchOptions options{.mode = "sparse"};
  options.sparse.queries = "words";
  auto without = Pipeline::Make(*store_, {}, options, registry_);
  EXPECT_EQ((*without)->Search("river", context_).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

// The terms that are shown make up the score.
TEST_F(PipelineTest, SparseExplained) {
  for (const char* queries : {"encoder", "words"}) {
    SearchOptions options{.mode = "sparse", .dedupe = false};
    options.sparse.queries = queries;
    const Resources resources{.store = *store_,
                              .options = options,
                              .sparse_encoder = &sparse_encoder_,
                              .vocabulary = &sparse_encoder_};
    Query query;
    query.text = "the flow of the river and its sand";
    for (const text::Hit& hit : Search(options, query.text)) {
      const auto shared = ExplainSparse(query, hit.passage.id, resources, context_);
      ASSERT_TRUE(shared.ok()) << shared.status();
      double sum = 0, last = 1e9;
      for (const SharedTerm& t : *shared) {
        EXPECT_NEAR(t.score, t.query * t.passage, 1e-6);
        EXPECT_LE(t.score, last);
        EXPECT_FALSE(t.name.empty());
        last = t.score;
        sum += t.score;
      }
      EXPECT_NEAR(sum, hit.score, 1e-5);
      EXPECT_GE(shared->size(), 2u);
    }
    EXPECT_TRUE(ExplainSparse(query, 999, resources, context_)->empty());
  }
}

TEST_F(PipelineTest, MultiEqualsStore) {
  const std::string_view text = "river flow";
  text::TokenVectors query;
  ASSERT_TRUE(
      token_encoder_.Encode({&text, 1}, text::EncodeAs::kQuery, {&query, 1}, context_).ok());
  const auto direct = *store_->SearchMulti(query, 10, {}, context_);
  ASSERT_EQ(direct.size(), 4u);
  for (const char* mode : {"multi", "multivector"}) {
    const auto hits = Search({.mode = mode, .dedupe = false}, text);
    ASSERT_EQ(hits.size(), 4u);
    for (size_t i = 0; i < hits.size(); ++i) {
      EXPECT_EQ(hits[i].passage.id, direct[i].passage);
      EXPECT_EQ(hits[i].scores.at("multi"), direct[i].score);
    }
    EXPECT_GT(hits[2].score, hits[3].score);  // bread shares no word
  }
  auto without = Pipeline::Make(*store_, {}, {.mode = "multi"}, registry_);
  ASSERT_TRUE(without.ok());
  EXPECT_EQ((*without)->Search(text, context_).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(PipelineTest, ModesSayWhatTheyNeed) {
  const auto needs = [](std::string_view mode) { return *NeedsOf(mode, {}); };
  EXPECT_TRUE(needs("multi").multi && !needs("multi").dense);
  EXPECT_FALSE(needs("lexical").dense || needs("lexical").sparse);
  EXPECT_TRUE(needs("hybrid").dense && !needs("hybrid").sparse);
  EXPECT_TRUE(needs("sparse").sparse && !needs("sparse").dense);
  EXPECT_EQ(NeedsOf("psychic", {}).status().code(), absl::StatusCode::kInvalidArgument);
  const ModeNeeds two = *NeedsOf("hybrid", {.kinds = {"sparse:2", "multi"}});
  EXPECT_TRUE(two.sparse && two.multi && !two.dense);
}

TEST_F(PipelineTest, FusesWhatIsNamed) {
  const auto kinds = [&](std::vector<std::string> named) {
    std::set<std::string> scored;
    const auto hits = Search({.mode = "hybrid", .fuse = {.kinds = std::move(named)}}, "river flow");
    EXPECT_FALSE(hits.empty());
    for (const auto& [kind, score] : hits[0].scores) scored.insert(kind);
    return scored;
  };
  using Kinds = std::set<std::string>;
  EXPECT_EQ(kinds({"bm25", "multi"}), (Kinds{"bm25", "convex", "multi"}));
  EXPECT_EQ(kinds({"bm25", "dense", "sparse", "multi"}),
            (Kinds{"bm25", "convex", "dense", "multi", "sparse"}));
  EXPECT_EQ(kinds({}), (Kinds{"bm25", "convex", "dense"}));
  // One kind alone ranks as its own mode does.
  const auto sparse = Search({.mode = "sparse"}, "river flow");
  const auto fused = Search({.mode = "hybrid", .fuse = {.kinds = {"sparse:3"}}}, "river flow");
  ASSERT_EQ(sparse.size(), fused.size());
  for (size_t i = 0; i < sparse.size(); ++i)
    EXPECT_EQ(sparse[i].passage.id, fused[i].passage.id);
  for (const char* wrong : {"bm26", "dense:", "dense:0", "dense:-1", "dense:nan", "dense:x"}) {
    const auto made = Pipeline::Make(*store_, &encoder_,
                                     {.mode = "hybrid", .fuse = {.kinds = {wrong}}}, registry_);
    EXPECT_EQ(made.status().code(), absl::StatusCode::kInvalidArgument) << wrong;
    EXPECT_THAT(std::string(made.status().message()), HasSubstr(wrong));
  }
  EXPECT_EQ(Pipeline::Make(*store_, &encoder_,
                           {.mode = "hybrid", .fuse = {.kinds = {"bm25", "bm25:2"}}}, registry_)
                .status()
                .code(),
            absl::StatusCode::kInvalidArgument);
}

// What a kind would score a passage is what its search scores it.
// Two dense encoders are two kinds of search.
TEST_F(PipelineTest, FusesEncodersThatStandBeside) {
  const BagEncoder other("other");
  ASSERT_TRUE(store_->EncodeBeside(other, context_).ok());
  const SearchOptions options{.fuse = {.kinds = {"dense:3", "dense@other"}}, .dedupe = false};
  Encoders encoders{&encoder_};
  encoders.beside = {&other};
  auto pipeline = Pipeline::Make(*store_, encoders, options, registry_);
  ASSERT_TRUE(pipeline.ok()) << pipeline.status();
  const std::string_view text = "river flow";
  const auto hits = *(*pipeline)->Search(text, context_);
  ASSERT_THAT(hits, SizeIs(std::size(kTexts)));
  std::vector<float> query(64);
  ASSERT_TRUE(other.Encode({&text, 1}, text::EncodeAs::kQuery, query, context_).ok());
  const auto direct = *store_->SearchBeside("other", query, 10, context_);
  ASSERT_THAT(direct, SizeIs(std::size(kTexts)));
  for (const text::Hit& hit : hits) {
    const auto at = std::find_if(direct.begin(), direct.end(), [&](const index::Scored& s) {
      return s.passage == hit.passage.id;
    });
    EXPECT_NEAR(hit.scores.at("dense@other"), at->score, 1e-6);
    EXPECT_NE(hit.scores.at("dense"), hit.scores.at("dense@other"));
  }
  // What is refused is refused there, too.
  SearchOptions refusing{.fuse = {.kinds = {"bm25", "dense@other"}}, .dedupe = false};
  refusing.signs = true;
  const auto left =
      *(*Pipeline::Make(*store_, encoders, refusing, registry_))->Search("mill -river", context_);
  EXPECT_FALSE(left.empty());
  for (const text::Hit& hit : left) EXPECT_EQ(hit.passage.text.find("river"), std::string::npos);
  // In a scope only what it allows.
  ASSERT_TRUE(store_->Grant("anna", std::vector<std::string>{"doc1"}).ok());
  const auto scope = *store_->TenantScope("anna");
  EXPECT_THAT(*store_->SearchBeside("other", query, 10, context_, scope.get()), SizeIs(1));
  // What it needs, and what it says without it.
  EXPECT_THAT(NeedsOf("hybrid", options.fuse)->beside, ElementsAre("other"));
  EXPECT_EQ((*Pipeline::Make(*store_, {&encoder_}, options, registry_))
                ->Search(text, context_)
                .status()
                .code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(absl::IsNotFound(store_->SearchBeside("none", query, 10, context_).status()));
  EXPECT_FALSE(NeedsOf("hybrid", {.kinds = {"dense@"}}).ok());
}

TEST_F(PipelineTest, StagesScoreAsTheyFetch) {
  const Bm25Stage bm25;
  const DenseStage dense;
  const SparseStage sparse;
  const MultiStage multi;
  const SearchOptions options;
  const Resources resources{.store = *store_,
                            .encoder = &encoder_,
                            .options = options,
                            .sparse_encoder = &sparse_encoder_,
                            .token_encoder = &token_encoder_};
  for (const auto& [name, stage] :
       std::vector<std::pair<std::string, const RetrievalStage*>>{
           {"bm25", &bm25}, {"dense", &dense}, {"sparse", &sparse}, {"multi", &multi}}) {
    Query query;
    query.text = query.words = "river flow";
    ASSERT_TRUE(stage->Run(query, resources, context_).ok());
    std::vector<int64_t> passages;
    for (const Candidate& c : query.candidates) passages.push_back(c.passage);
    ASSERT_GE(passages.size(), 3u);
    passages.push_back(1000);  // is not there
    if (name == "bm25") passages.pop_back();
    const auto scores = stage->Score(passages, query, resources, context_);
    ASSERT_TRUE(scores.ok()) << scores.status();
    for (size_t i = 0; i < query.candidates.size(); ++i)
      EXPECT_NEAR(scores->at(i), query.candidates[i].scores.at(name), 1e-6) << name;
    if (name != "bm25") EXPECT_EQ(scores->back(), 0) << name;
  }
}

TEST_F(PipelineTest, DropsRepeats) {
  EXPECT_THAT(Search({.mode = "lexical", .dedupe = false}, "weirs"), SizeIs(2));
  EXPECT_THAT(Search({.mode = "lexical", .dedupe = true}, "weirs"), SizeIs(1));
}

TEST_F(PipelineTest, UnknownModeNamesTheChoices) {
  const auto made = Pipeline::Make(*store_, &encoder_, {.mode = "psychic"}, registry_);
  EXPECT_EQ(made.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(made.status().message()), HasSubstr("psychic"));
}

TEST_F(PipelineTest, SparseWithoutAnEncoderIsRefused) {
  auto pipeline = *Pipeline::Make(*store_, &encoder_, {.mode = "sparse"}, registry_);
  EXPECT_EQ(pipeline->Search("river", context_).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(PipelineTest, DenseWithoutAnEncoderIsRefused) {
  auto pipeline = *Pipeline::Make(*store_, nullptr, {.mode = "dense"}, registry_);
  EXPECT_EQ(pipeline->Search("river", context_).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

// Runs one fusing stage over candidates whose scores are given.
class FusionTest : public PipelineTest {
 protected:
  std::map<int64_t, double> Fuse(const std::string& stage,
                                 const std::map<int64_t, std::map<std::string, double>>& scores,
                                 double lexical = 0.5) {
    SearchOptions options;
    Query query;
    query.text = query.words = "river flow";
    for (const auto& [passage, by_stage] : scores) query.At(passage).scores = by_stage;
    OptionTable none;
    auto made = *registry_.Make<RetrievalStage>(stage, none);
    const Bm25Stage bm25;
    const DenseStage dense;
    const std::vector<FusedKind> fused_kinds = {{"bm25", lexical, &bm25},
                                                {"dense", 1 - lexical, &dense}};
    const absl::Status status =
        made->Run(query,
                  Resources{.store = *store_,
                            .encoder = &encoder_,
                            .options = options,
                            .fused = fused_kinds},
                  context_);
    EXPECT_TRUE(status.ok()) << status;
    std::map<int64_t, double> fused;
    for (const Candidate& c : query.candidates) fused[c.passage] = c.score;
    return fused;
  }
};

TEST_F(FusionTest, ReciprocalRankByHand) {
  const auto fused =
      Fuse("rrf", {{1, {{"bm25", 9}, {"dense", 0.1}}}, {2, {{"bm25", 5}}}, {3, {{"dense", 0.7}}}});
  EXPECT_DOUBLE_EQ(fused.at(1), 0.5 / 61 + 0.5 / 62);
  EXPECT_DOUBLE_EQ(fused.at(2), 0.5 / 62);
  EXPECT_DOUBLE_EQ(fused.at(3), 0.5 / 61);
}

TEST_F(FusionTest, ConvexByHand) {
  // bm25 4, 2: mean 3, deviation 1; dense .2, .6: mean .4, deviation .2.
  const auto fused = Fuse(
      "convex", {{1, {{"bm25", 4}, {"dense", 0.2}}}, {2, {{"bm25", 2}, {"dense", 0.6}}}}, 0.25);
  EXPECT_NEAR(fused.at(1), 0.75 * -1 + 0.25 * 1, 1e-12);
  EXPECT_NEAR(fused.at(2), 0.75 * 1 + 0.25 * -1, 1e-12);
}

TEST_F(FusionTest, ConvexFillsMissingScores) {
  const auto all = *store_->SearchLexical("river flow", 10, context_);
  ASSERT_GE(all.size(), 2u);
  const auto complete = Fuse("convex", {{all[0].passage, {{"bm25", all[0].score}}},
                                        {all[1].passage, {{"bm25", all[1].score}}}});
  const auto from_dense = Fuse("convex", {{all[0].passage, {}}, {all[1].passage, {}}});
  for (const auto& [passage, score] : complete) EXPECT_NEAR(from_dense.at(passage), score, 1e-5);
}

}  // namespace
}  // namespace weir::retrieve
