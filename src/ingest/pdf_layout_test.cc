#include "ingest/pdf_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ingest/wire.h"

namespace weir::ingest {
namespace {

using text::BlockKind;

// Sets text as glyphs of half a size's width, as a page's content would come.
class Page {
 public:
  explicit Page(int number) { page_.number = number, page_.width = 612, page_.height = 792; }

  Page& Put(float x, float y, const std::string& s, float size = 10, bool bold = false) {
    std::vector<PdfGlyph> glyphs;
    for (char c : s) {
      glyphs.push_back({static_cast<char32_t>(c), x, x + size / 2, y, size, bold, false,
                        static_cast<uint16_t>(bold ? 2 : 1)});
      x += size / 2;
    }
    for (PdfLine& line : MakeLines(glyphs, page_.number)) page_.lines.push_back(std::move(line));
    return *this;
  }
  // Lines 12 points apart.
  Page& Lines(float x, float y, const std::vector<std::string>& lines) {
    for (const std::string& s : lines) Put(x, y, s), y += 12;
    return *this;
  }
  PdfPage Done() const { return page_; }

 private:
  PdfPage page_;
};

text::Document Layout(std::vector<PdfPage> pages) {
  PdfContent content;
  content.pages = std::move(pages);
  text::Document d = LayoutPdf(std::move(content), 1 << 20);
  EXPECT_TRUE(CheckDocument(d, 1 << 20).ok()) << CheckDocument(d, 1 << 20);
  return d;
}

const std::vector<std::string> kProse = {
    "The river rises in the hills and runs to the sea",
    "past mills and meadows that were built by people",
    "who knew the water well and who kept the weir in",
    "good repair for all the years that they were here."};

TEST(PdfLines, SpacesAndCells) {
  std::vector<PdfGlyph> g;
  const auto put = [&](const std::string& s, float x) {
    for (char c : s) g.push_back({static_cast<char32_t>(c), x, x + 5, 100, 10}), x += 5;
  };
  put("ab", 0);
  put("cd", 14);   // 4 points: a space
  put("ef", 60);   // 36 points: another cell
  const auto lines = MakeLines(g, 1);
  ASSERT_EQ(lines.size(), 1);
  EXPECT_EQ(lines[0].text, "ab cd ef");
  EXPECT_THAT(lines[0].cells, ::testing::ElementsAre(6));
}

TEST(PdfLines, SuperscriptStaysLigatureOpens) {
  std::vector<PdfGlyph> g = {{'x', 0, 5, 100, 10}, {'2', 5, 8, 96, 6}, {' ', 0, 0, 0, 0},
                             {0xFB01, 12, 17, 100, 10}, {'n', 17, 22, 100, 10}};
  const auto lines = MakeLines(g, 1);
  ASSERT_EQ(lines.size(), 1);
  EXPECT_EQ(lines[0].text, "x2 fin");
}

// Found by the fuzzer: a cell offset counted from glyphs that leave no text.
TEST(PdfLines, CellsCountOnlyText) {
  std::vector<PdfGlyph> g;
  for (int row = 0; row < 3; ++row) {
    const float y = 100 + 12.0f * static_cast<float>(row);
    g.push_back({0xE000, 0, 5, y, 10});
    g.push_back({0xE9, 60, 65, y, 10});
    g.push_back({0xE9, 120, 125, y, 10});
  }
  PdfContent content;
  content.pages.push_back({1, 612, 792, MakeLines(g, 1)});
  for (const PdfLine& line : content.pages[0].lines) {
    for (int cell : line.cells) EXPECT_EQ(line.text[static_cast<size_t>(cell) - 1], ' ');
  }
  EXPECT_TRUE(CheckDocument(LayoutPdf(std::move(content), 1 << 20), 1 << 20).ok());
}

TEST(PdfLines, HostileNumbersAreSkipped) {
  std::vector<PdfGlyph> g = {{'a', 0, 5, 100, 10},      {'b', NAN, 5, 100, 10},
                             {'c', 0, 5, INFINITY, 10}, {'d', 5, 1e30f, 100, 10},
                             {'e', 5, 9, 100, -4},      {'f', 5, 10, 100, 10}};
  const auto lines = MakeLines(g, 1);
  ASSERT_EQ(lines.size(), 1);
  EXPECT_EQ(lines[0].text, "af");
}

TEST(PdfLayout, JoinsLinesOfAParagraph) {
  const auto d = Layout({Page(1).Lines(72, 200, kProse).Done()});
  EXPECT_EQ(d.text, kProse[0] + " " + kProse[1] + " " + kProse[2] + " " + kProse[3]);
  ASSERT_EQ(d.blocks.size(), 1);
  EXPECT_NEAR(d.blocks[0].box.x0, 72, 0.1);
  EXPECT_EQ(d.blocks[0].page, 1);
}

TEST(PdfLayout, RepairsHyphens) {
  const auto d = Layout({Page(1).Lines(72, 200, {
      "The experiences of self-care were good, and the experi-",
      "ences of others show that the care a self has for self-",
      "care is a long-term matter, as was said in 2010 by the-",
      "Smith who was there and who did not say much, about it."}).Done()});
  EXPECT_NE(d.text.find("the experiences of others"), std::string::npos) << d.text;
  EXPECT_NE(d.text.find("for self-care is"), std::string::npos) << d.text;
  EXPECT_NE(d.text.find("the-Smith"), std::string::npos) << d.text;
}

TEST(PdfLayout, IndentsAndGapsPartParagraphs) {
  Page page(1);
  page.Lines(72, 200, kProse);
  page.Put(84, 248, "A second paragraph is indented by a little and fill");
  page.Lines(72, 260, {kProse[1], kProse[3]});
  page.Lines(72, 310, kProse);
  EXPECT_EQ(Layout({page.Done()}).blocks.size(), 3);
}

TEST(PdfLayout, ParagraphFlowsOverColumnsAndPages) {
  Page one(1), two(2);
  one.Lines(72, 650, {kProse[0], kProse[1]}).Lines(330, 80, {kProse[2], kProse[0]});
  two.Lines(72, 80, {kProse[1], kProse[3]});
  const auto d = Layout({one.Done(), two.Done()});
  EXPECT_EQ(d.text.find('\n'), std::string::npos) << d.text;
  ASSERT_EQ(d.blocks.size(), 3) << "one piece a column, each with its own box";
  EXPECT_EQ(d.blocks[2].page, 2);
  ASSERT_EQ(d.pages.size(), 2);
  EXPECT_EQ(d.pages[1].span.end, static_cast<int64_t>(d.text.size()));
  EXPECT_LE(d.pages[1].span.start, d.blocks[2].span.start);
}

TEST(PdfLayout, FigureBetweenTheHalvesOfASentenceMovesBehind) {
  Page page(1);
  page.Lines(72, 200, {kProse[0], kProse[1]});
  page.Put(72, 300, "Figure 1: A weir and what it does.", 9);
  page.Lines(72, 400, {kProse[2], kProse[3]});
  const auto d = Layout({page.Done()});
  EXPECT_NE(d.text.find(kProse[1] + " " + kProse[2]), std::string::npos) << d.text;
  ASSERT_EQ(d.blocks.back().kind, BlockKind::kCaption);
}

TEST(PdfLayout, DropsHeadersFootersAndPageNumbers) {
  std::vector<PdfPage> pages;
  for (int i = 1; i <= 4; ++i) {
    Page page(i);
    page.Put(72, 40, "Journal of Weirs 2010, page " + std::to_string(i), 8);
    page.Lines(72, 200, kProse);
    page.Put(300, 770, std::to_string(i), 9);
    pages.push_back(page.Done());
  }
  const auto d = Layout(pages);
  EXPECT_EQ(d.text.find("Journal"), std::string::npos);
  EXPECT_EQ(d.meta.at("furniture_lines"), "8");
}

TEST(PdfLayout, InformationBecomesFields) {
  const auto fields = [](const std::string& created) {
    PdfContent content;
    content.meta = {
        {"Author", "A. Knuth"}, {"Keywords", "weirs, locks"}, {"CreationDate", created}};
    std::vector<std::string> out;
    for (const text::Field& f : LayoutPdf(std::move(content), 1000).fields)
      out.push_back(f.name + "=" + f.value);
    return out;
  };
  const auto made = [&](const std::string& created) {
    const auto all = fields(created);
    return all.size() == 4 ? all[3] : "";
  };
  EXPECT_EQ(fields("D:2024")[0], "author=A. Knuth");
  EXPECT_EQ(fields("D:2024")[2], "keywords=locks");
  EXPECT_EQ(made("D:20240517123000+02'00'"), "created=2024-05-17T12:30:00+02:00");
  EXPECT_EQ(made("D:20240517123000Z00'00'"), "created=2024-05-17T12:30:00Z");
  EXPECT_EQ(made("20240517123000-08"), "created=2024-05-17T12:30:00-08:00");
  EXPECT_EQ(made("D:202405171230"), "created=2024-05-17T12:30");
  EXPECT_EQ(made("D:2024051712"), "created=2024-05-17");
  EXPECT_EQ(made("D:202405"), "created=2024-05");
  for (const char* bad : {"", "D:", "D:20", "yesterday", "D:20240", "D:2024051712300000"})
    EXPECT_EQ(made(bad), "") << bad;
}

// Certificates, slides: one line a page, alike but for a number.
TEST(PdfLayout, KeepsWhatIsAllThatPagesSay) {
  std::vector<PdfPage> pages;
  for (int n = 1; n <= 5; ++n) {
    pages.push_back(Page(n)
                        .Put(72, 60, "Voucher " + std::to_string(n) + " admits one to the weir")
                        .Put(300, 780, std::to_string(n))
                        .Done());
  }
  const text::Document d = Layout(pages);
  EXPECT_THAT(d.text, ::testing::HasSubstr("Voucher 1 admits"));
  EXPECT_THAT(d.text, ::testing::HasSubstr("Voucher 5 admits"));
}

TEST(PdfLayout, TitleHeadingsAndReferences) {
  Page page(1);
  page.Put(72, 80, "On the keeping of weirs in small rivers", 18, true);
  page.Put(72, 120, "1 Introduction", 12, true);
  page.Lines(72, 140, kProse).Lines(72, 188, kProse);
  page.Put(72, 260, "References", 12, true);
  page.Put(72, 280, "[1] A. Miller. On mills. Journal of Mills, 3:1-12,");
  page.Put(84, 292, "1999. A note on the second line of it.");
  page.Put(72, 304, "[2] B. Brook. On brooks. Journal of Brooks, 4:1-9.");
  const auto d = Layout({page.Done()});
  EXPECT_EQ(d.title, "On the keeping of weirs in small rivers");
  ASSERT_GE(d.blocks.size(), 5);
  EXPECT_EQ(d.blocks[0].level, 1);
  EXPECT_EQ(d.blocks[1].kind, BlockKind::kHeading);
  EXPECT_EQ(d.blocks[1].level, 2);
  EXPECT_EQ(d.blocks[d.blocks.size() - 2].kind, BlockKind::kOther);
  EXPECT_EQ(d.text.substr(d.blocks.back().span.start),
            "[2] B. Brook. On brooks. Journal of Brooks, 4:1-9.");
}

TEST(PdfLayout, TextLimitIsKept) {
  PdfContent content;
  content.pages = {Page(1).Lines(72, 200, kProse).Lines(72, 300, kProse).Done()};
  const auto d = LayoutPdf(std::move(content), 220);
  EXPECT_LE(d.text.size(), 220);
  EXPECT_EQ(d.warnings.size(), 1);
}

TEST(PdfLayout, NoPages) { EXPECT_EQ(Layout({}).text, ""); }

}  // namespace
}  // namespace weir::ingest
