#include "evaluate/answers.h"

#include <set>

#include "base/files.h"
#include "evaluate/fold.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace weir::evaluate {
namespace {

using ::testing::HasSubstr;

TEST(FoldTest, LettersForgetLayout) {
  // ﬁ, É, é
  const Letters letters = LettersOf("Ef\xEF\xAC\x81-\ncacy was 2.5 % (\xC3\x89t\xC3\xA9)");
  EXPECT_EQ(letters.folded, "efficacywas25ete");
  ASSERT_EQ(letters.folded.size(), letters.source.size());
  EXPECT_EQ(letters.source[2], 2);
  EXPECT_EQ(letters.source[3], 2);  // both letters of the ligature
  EXPECT_EQ(letters.source[4], 7);  // c after the hyphen and the line break
}

TEST(FoldTest, PhrasesStandAlone) {
  const std::string text = FoldPhrase(
      "In  total\n12.8% of the 1,065 Trees\u2014so the \u201Cbig ones\u201D\u2014fell; dose "
      "2\u20133 mg/d, \u03B2-blocker.");
  for (const char* there :
       {"12.8%", "1,065", "tree", "total 12.8%", "2-3 mg", "\u03B2-blocker", "fell", "big one"}) {
    EXPECT_TRUE(ContainsPhrase(text, FoldPhrase(there))) << there;
  }
  for (const char* absent :
       {"2.8%", "8%", "065", "1", "12", "ree", "tota", "blocke", "tre", "065 trees", ""}) {
    EXPECT_FALSE(ContainsPhrase(text, FoldPhrase(absent))) << absent;
  }
  EXPECT_TRUE(ContainsPhrase("it was 117.", "117"));
  EXPECT_FALSE(ContainsPhrase("it was 117.5", "117"));
  EXPECT_FALSE(ContainsPhrase("java in javascript", "javasc"));
}

TEST(FoldTest, CoverageCountsLettersOfTheBestOccurrence) {
  const Letters document = LettersOf("abcd. xx abcd!");
  const Letters evidence = LettersOf("ab-cd");
  const text::Span first{0, 2}, second{9, 12};
  EXPECT_DOUBLE_EQ(CoverageOf(evidence, document, {&first, 1}), 0.5);
  const text::Span both[] = {first, second};
  EXPECT_DOUBLE_EQ(CoverageOf(evidence, document, both), 0.75);
  EXPECT_DOUBLE_EQ(CoverageOf(evidence, document, {}), 0);
  EXPECT_DOUBLE_EQ(CoverageOf(LettersOf("abd"), document, both), -1);
  EXPECT_DOUBLE_EQ(SharedRun(LettersOf("abcdef"), LettersOf("xxcde")), 0.5);
  EXPECT_DOUBLE_EQ(SharedRun(evidence, LettersOf("")), 0);
}

absl::StatusOr<std::vector<Question>> Parse(const std::string& text) {
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(text.data()),
                                         text.size());
  return ReadQuestions(*LineReader::OverBytes("q", bytes));
}

constexpr char kGood[] =
    R"({"id":"a","question":"?","answerable":true,"file":"f","evidence":["e"],"accept":["x"],"paraphrase":true})";

TEST(QuestionsTest, NamesWhatIsWrong) {
  EXPECT_TRUE(Parse(kGood)->at(0).paraphrase);
  EXPECT_FALSE(
      Parse(R"({"id":"n","question":"?","answerable":false,"why":"w"})")->at(0).answerable);
  const std::pair<std::string, const char*> bad[] = {
      {"{", "q:1: not a JSON object"},
      {R"({"question":"?","answerable":false})", "\"id\""},
      {R"({"id":"a","question":"","answerable":false})", "\"question\""},
      {R"({"id":"a","question":"?","answerable":1})", "\"answerable\""},
      {R"({"id":"a","question":"?","answerable":true})", "\"file\""},
      {R"({"id":"a","question":"?","answerable":true,"file":"f","evidence":[]})", "\"evidence\""},
      {R"({"id":"a","question":"?","answerable":true,"file":"f","evidence":["e"],"accept":[3]})",
       "\"accept\""},
      {std::string(kGood) + "\n" + kGood, "q:2: id a occurs twice"},
  };
  for (const auto& [text, message] : bad) {
    const absl::Status status = Parse(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << text;
    EXPECT_THAT(status.message(), HasSubstr(message)) << text;
  }
}

std::vector<Question> Load(const std::string& name) {
  const auto lines = LineReader::Open(WEIR_SOURCE_DIR "/tests/data/questions/" + name);
  EXPECT_TRUE(lines.ok()) << lines.status();
  const auto questions = ReadQuestions(**lines);
  EXPECT_TRUE(questions.ok()) << questions.status();
  return *questions;
}

TEST(QuestionsTest, TheSetsAreWhatTheirReadmeSays) {
  for (const auto& [name, answerable, paraphrased, unanswerable] :
       {std::tuple("docs-pdf.jsonl", 40, 14, 20), std::tuple("dev.jsonl", 60, 20, 30)}) {
    int yes = 0, rephrased = 0, no = 0;
    for (const Question& q : Load(name)) {
      (q.answerable ? yes : no) += 1;
      rephrased += q.paraphrase;
      const std::string question = FoldPhrase(q.question);
      bool found = !q.answerable;
      for (const std::string& accepted : q.accept) {
        EXPECT_FALSE(ContainsPhrase(question, FoldPhrase(accepted))) << q.id << ": " << accepted;
        for (const std::string& e : q.evidence) {
          found |= ContainsPhrase(FoldPhrase(e), FoldPhrase(accepted));
        }
      }
      EXPECT_TRUE(found) << q.id << ": the evidence itself would not be right";
    }
    EXPECT_EQ(yes, answerable) << name;
    EXPECT_EQ(rephrased, paraphrased) << name;
    EXPECT_EQ(no, unanswerable) << name;
  }
}

TEST(QuestionsTest, EvidenceOfTheTextsIsInThem) {
  int checked = 0;
  for (const Question& q : Load("dev.jsonl")) {
    if (!q.answerable || !q.file.ends_with(".txt")) continue;
    const auto text = ReadFile(WEIR_SOURCE_DIR "/tests/data/dev-docs/" + q.file);
    ASSERT_TRUE(text.ok()) << text.status();
    for (const std::string& e : q.evidence) {
      EXPECT_EQ(CoverageOf(LettersOf(e), LettersOf(*text), {}), 0) << q.id << ": " << e;
      ++checked;
    }
  }
  EXPECT_GT(checked, 50);
}

// --- the protocol, with a scripted system ---

constexpr char kDocument[] = "Ice floats. Water boils at 100 degrees Celsius\nat sea level. End.";

text::Answer Cited(const std::string& sentence, text::Span span, const std::string& quote) {
  text::Answer answer;
  answer.status = "answered";
  text::Citation citation;
  citation.document.path = "/store/w.txt";
  citation.span = span;
  citation.quote = quote;
  answer.sentences.push_back({sentence, 1.0, {citation}});
  answer.timings = {{"first_token", 0.25}, {"total", 2.0}};
  return answer;
}

struct Script {
  std::vector<Question> questions;
  std::map<std::string, text::Answer> answers;
  void Ask(const std::string& id, bool answerable, text::Answer answer) {
    Question q;
    q.id = q.question = id;
    q.answerable = answerable;
    if (answerable) {
      q.file = "w.txt";
      q.evidence = {"Water boils at 100 degrees Celsius at sea level."};
      q.accept = {"100 degrees"};
    }
    questions.push_back(q);
    answers[id] = std::move(answer);
  }
  absl::StatusOr<AnswersReport> Run() const {
    return EvaluateAnswers(
        "fake", questions,
        [this](const std::string& q) -> absl::StatusOr<text::Answer> { return answers.at(q); },
        [](const std::string& path) -> absl::StatusOr<std::string> {
          if (path != "/store/w.txt") return absl::NotFoundError(path);
          return std::string(kDocument);
        },
        Context());
  }
};

TEST(AnswersTest, JudgesEachKindOfAnswer) {
  text::Answer refusal;
  refusal.status = "not_in_documents";
  text::Answer quiet = Cited("At 100 degrees.", {0, 11}, "Ice floats.");
  quiet.status = "not_in_documents";
  const std::string document = kDocument;
  Script script;
  script.Ask("phrase", true, Cited("It boils at 100 degrees.", {0, 11}, "Ice floats."));
  script.Ask("span", true, Cited("It is hot.", {12, 46}, document.substr(12, 34)));
  script.Ask("too little", true, Cited("It is hot.", {12, 20}, document.substr(12, 8)));
  script.Ask("wrong", true, Cited("Ice floats.", {0, 11}, "Ice floats."));
  script.Ask("refused", true, refusal);
  script.Ask("said and refused", true, quiet);
  script.Ask("invented", false, Cited("Ice floats.", {0, 11}, "Ice sinks.."));
  script.Ask("outside", false, Cited("Ice floats.", {50, 5000}, "Ice floats."));
  script.Ask("rightly refused", false, refusal);
  const auto report = script.Run();
  ASSERT_TRUE(report.ok()) << report.status();
  std::set<std::string> right;
  for (const AnswerResult& r : report->results) {
    if (r.right) right.insert(r.id);
  }
  EXPECT_THAT(right, testing::ElementsAre("phrase", "rightly refused", "span"));
  EXPECT_EQ(report->right, 2);
  EXPECT_EQ(report->answerable, 6);
  EXPECT_EQ(report->wrongly_refused, 2);
  EXPECT_EQ(report->refused, 1);
  EXPECT_EQ(report->unanswerable, 3);
  EXPECT_EQ(report->quotes, 7);
  EXPECT_EQ(report->verbatim, 5);
  EXPECT_DOUBLE_EQ(report->first_token_median_s, 0.25);
  EXPECT_DOUBLE_EQ(report->total_max_s, 2.0);
  EXPECT_GT(report->peak_bytes, 0);
  EXPECT_THAT(AnswersTable({*report}),
              HasSubstr("| fake | 2 of 6 | 0 of 0 | 2 | 1 of 3 | 5 of 7 | 0.25 | "));
  EXPECT_THAT(AnswersToJson(*report), HasSubstr(R"("wrongly_refused":2)"));
}

TEST(AnswersTest, EvidenceBrokenByThePageCountsByItsLongestRun) {
  Script script;
  text::Answer answer = Cited("Hot.", {12, 46}, std::string(kDocument).substr(12, 34));
  script.Ask("q", true, answer);
  // Not in the document in one piece; the quote holds 29 of its 43 letters in a run.
  script.questions[0].evidence = {"Water boils at 100 degrees Celsius, unlike iron, lead"};
  EXPECT_EQ(script.Run()->right, 1);
  script.questions[0].evidence = {"Nothing of this sort is written anywhere in it"};
  EXPECT_EQ(script.Run()->right, 0);
}

TEST(AnswersTest, ErrorsNameTheQuestion) {
  Script script;
  text::Answer answer = Cited("Hot.", {0, 3}, "Ice");
  answer.sentences[0].citations[0].document.path = "/gone.txt";
  script.Ask("q7", true, answer);
  EXPECT_THAT(script.Run().status().message(), HasSubstr("q7: "));
}

}  // namespace
}  // namespace weir::evaluate
