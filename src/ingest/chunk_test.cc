#include "ingest/chunk.h"

#include <gtest/gtest.h>

#include <random>
#include <sstream>

#include "ingest/document_builder.h"
#include "ingest/wire.h"

namespace weir::ingest {
namespace {

using text::BlockKind;
using text::Document;
using text::Passage;

int64_t Words(const std::string& s) {
  std::istringstream in(s);
  std::string word;
  int64_t n = 0;
  while (in >> word) ++n;
  return n;
}

std::string Sentence(int words, char letter) {
  std::string s(1, static_cast<char>(letter - 32));
  for (int i = 1; i < words; ++i) s += std::string(" ") + letter + std::to_string(i);
  return s + ".";
}

std::string Prose(int sentences, int words) {
  std::string s;
  for (int i = 0; i < sentences; ++i)
    s += (i ? " " : "") + Sentence(words, static_cast<char>('a' + i % 26));
  return s;
}

// What every set of passages keeps, whatever the document.
void CheckPassages(const Document& d, const std::vector<Passage>& passages, const ChunkOptions& o) {
  std::vector<bool> covered(d.text.size());
  int64_t last = -1;
  for (const Passage& p : passages) {
    ASSERT_LT(p.span.start, p.span.end);
    ASSERT_GT(p.span.start, last);  // always forward
    ASSERT_LE(p.span.end, static_cast<int64_t>(d.text.size()));
    ASSERT_EQ(p.text, d.text.substr(p.span.start, p.span.size()));
    ASSERT_LE(Words(p.text), o.words * 2);
    last = p.span.start;
    for (int64_t i = p.span.start; i < p.span.end; ++i) covered[i] = true;
  }
  for (size_t i = 0; i < d.text.size(); ++i) {
    if (!isspace(static_cast<uint8_t>(d.text[i]))) {
      ASSERT_TRUE(covered[i]) << i << " " << d.text.substr(i, 40);
    }
  }
}

TEST(Chunk, WholeSentencesNearTheTarget) {
  DocumentBuilder b("text", 1 << 20);
  b.Add(BlockKind::kParagraph, Prose(40, 20));
  const Document d = b.Finish();
  const ChunkOptions o{.words = 200, .overlap = 1};
  const auto passages = Chunk(d, o);
  CheckPassages(d, passages, o);
  ASSERT_GE(passages.size(), 4);
  ASSERT_LE(passages.size(), 5);
  for (size_t i = 0; i < passages.size(); ++i) {
    EXPECT_EQ(passages[i].text.back(), '.');
    if (i > 0) {
      EXPECT_LT(passages[i].span.start, passages[i - 1].span.end) << "one sentence shared";
    }
  }
}

TEST(Chunk, HeadingsPartPassagesAndAreRecorded) {
  DocumentBuilder b("text", 1 << 20);
  b.Add(BlockKind::kHeading, "The title", 1);
  b.Add(BlockKind::kParagraph, Prose(4, 20));
  b.Add(BlockKind::kHeading, "Second part", 2);
  b.Add(BlockKind::kParagraph, Prose(4, 20));
  b.Add(BlockKind::kHeading, "Detail", 3);
  b.Add(BlockKind::kParagraph, Prose(2, 20));
  const Document d = b.Finish();
  const ChunkOptions o{.words = 200};
  const auto passages = Chunk(d, o);
  CheckPassages(d, passages, o);
  ASSERT_EQ(passages.size(), 2);
  EXPECT_EQ(passages[0].heading, "The title");
  EXPECT_EQ(passages[1].heading, "Second part");
  EXPECT_TRUE(passages[1].text.starts_with("Second part"));
  EXPECT_NE(passages[1].text.find("Detail"), std::string::npos) << "level 3 does not part";
}

TEST(Chunk, TinySectionsStayTogether) {
  DocumentBuilder b("text", 1 << 20);
  for (int i = 0; i < 6; ++i) {
    b.Add(BlockKind::kHeading, "Heading " + std::to_string(i), 2);
    b.Add(BlockKind::kParagraph, "A few words only.");
  }
  EXPECT_EQ(Chunk(b.Finish(), {.words = 200}).size(), 1);
}

TEST(Chunk, ReferencesStandApart) {
  DocumentBuilder b("pdf", 1 << 20);
  b.Add(BlockKind::kParagraph, Prose(5, 20));
  b.Add(BlockKind::kHeading, "References", 2);
  for (int i = 0; i < 10; ++i)
    b.Add(BlockKind::kOther, "[" + std::to_string(i) + "] " + Sentence(18, 'r'));
  const Document d = b.Finish();
  const auto passages = Chunk(d, {});
  CheckPassages(d, passages, {});
  ASSERT_GE(passages.size(), 2);
  EXPECT_EQ(passages[0].text.find("[0]"), std::string::npos);
  EXPECT_EQ(passages.back().heading, "References");
}

TEST(Chunk, SentenceOverAPageKeepsFirstPageAndBox) {
  DocumentBuilder b("pdf", 1 << 20);
  b.BeginPage(1, 600, 800);
  b.Add(BlockKind::kParagraph, "It began on the first", 0, {1, {10, 700, 200, 720}});
  b.BeginPage(2, 600, 800);
  b.Continue(BlockKind::kParagraph, "page and ended on the second.", {2, {10, 50, 200, 60}});
  const Document d = b.Finish();
  const auto passages = Chunk(d, {});
  ASSERT_EQ(passages.size(), 1);
  EXPECT_EQ(passages[0].text, "It began on the first page and ended on the second.");
  EXPECT_EQ(passages[0].page, 1);
  EXPECT_EQ(passages[0].box.y1, 720);
}

TEST(Chunk, EndlessSentenceIsCut) {
  DocumentBuilder b("text", 1 << 24);
  std::string endless;
  for (int i = 0; i < 5000; ++i) endless += "word ";
  b.Add(BlockKind::kParagraph, CleanInline(endless));
  b.Add(BlockKind::kParagraph, std::string(100000, 'x'));
  std::string wide;
  for (int i = 0; i < 20000; ++i) wide += "\u6771";
  b.Add(BlockKind::kParagraph, wide);
  const Document d = b.Finish();
  const auto passages = Chunk(d, {});
  CheckPassages(d, passages, {});
  for (const Passage& p : passages) EXPECT_LT(p.span.size(), 8000);
}

TEST(Chunk, EmptyDocument) { EXPECT_TRUE(Chunk(Document{}, {}).empty()); }

TEST(Chunk, InvariantsOnRandomDocuments) {
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    DocumentBuilder b("text", 1 << 20);
    const int blocks = random() % 30;
    for (int i = 0; i < blocks; ++i) {
      const auto kind = static_cast<BlockKind>(random() % 7);
      std::string s = Prose(1 + random() % 12, 1 + random() % 60);
      if (random() % 4 == 0) s = "short";
      if (random() % 5 == 0 && i > 0) {
        b.Continue(kind, s, {});
      } else {
        b.Add(kind, s, kind == BlockKind::kHeading ? 1 + random() % 4 : 0);
      }
    }
    const Document d = b.Finish();
    ASSERT_TRUE(CheckDocument(d, 1 << 20).ok());
    const ChunkOptions o{.words = static_cast<int64_t>(20 + random() % 300),
                         .overlap = static_cast<int64_t>(random() % 5)};
    CheckPassages(d, Chunk(d, o), o);
  }
}

}  // namespace
}  // namespace weir::ingest
