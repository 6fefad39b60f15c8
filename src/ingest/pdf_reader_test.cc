// PDFium end to end, on files made here and on the samples. Skipped where the library is missing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "ingest/pdfium.h"
#include "ingest/reader.h"
#include "ingest/reader_process.h"

namespace weir::ingest {
namespace {

using ::testing::HasSubstr;

// Writes plain PDF 1.4 files: one Type 1 font, pages of text lines.
class PdfWriter {
 public:
  explicit PdfWriter(std::string title) : title_(std::move(title)) {}

  void AddPage(const std::vector<std::string>& lines, int rotate = 0) {
    std::string stream = "BT /F1 10 Tf 12 TL 72 720 Td\n";
    for (const std::string& line : lines) stream += "(" + Escape(line) + ") Tj T*\n";
    pages_.push_back({stream + "ET\n", rotate});
  }

  std::string Finish() {
    std::string out = "%PDF-1.4\n";
    std::vector<size_t> offsets;
    const auto object = [&](const std::string& body) {
      offsets.push_back(out.size());
      out += absl::StrCat(offsets.size(), " 0 obj\n", body, "\nendobj\n");
    };
    std::string kids;
    for (size_t i = 0; i < pages_.size(); ++i) absl::StrAppend(&kids, 5 + 2 * i, " 0 R ");
    object("<</Type/Catalog/Pages 2 0 R>>");
    object(absl::StrCat("<</Type/Pages/Count ", pages_.size(), "/Kids[", kids, "]>>"));
    object("<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>");
    object("<</Title(" + Escape(title_) + ")>>");
    for (const auto& [stream, rotate] : pages_) {
      object(absl::StrCat("<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Rotate ", rotate,
                          "/Resources<</Font<</F1 3 0 R>>>>/Contents ", offsets.size() + 2,
                          " 0 R>>"));
      object(absl::StrCat("<</Length ", stream.size(), ">>stream\n", stream, "endstream"));
    }
    const size_t table = out.size();
    absl::StrAppend(&out, "xref\n0 ", offsets.size() + 1, "\n0000000000 65535 f \n");
    for (size_t at : offsets) {
      char entry[24];
      snprintf(entry, sizeof(entry), "%010zu 00000 n \n", at);
      out += entry;
    }
    absl::StrAppend(&out, "trailer<</Size ", offsets.size() + 1,
                    "/Root 1 0 R/Info 4 0 R>>\nstartxref\n", table, "\n%%EOF\n");
    return out;
  }

 private:
  static std::string Escape(const std::string& s) {
    std::string out;
    for (char c : s) {
      if (c == '(' || c == ')' || c == '\\') out.push_back('\\');
      out.push_back(c);
    }
    return out;
  }
  struct PageSource {
    std::string stream;
    int rotate;
  };
  std::string title_;
  std::vector<PageSource> pages_;
};

class PdfReaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto pdfium = LoadPdfium(PdfiumPath());
    if (!pdfium.ok()) GTEST_SKIP() << pdfium.status();
  }
  static std::string Write(const std::string& name, const std::string& bytes) {
    const std::string path = ::testing::TempDir() + "/" + name;
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
};

const std::vector<std::string> kLines = {
    "A weir is a low barrier across the width of a river that",
    "alters the flow of the water and usually its height. It is",
    "used to measure how much water flows (see the mills)."};

TEST_F(PdfReaderTest, TextTitlePagesAndBoxes) {
  PdfWriter pdf("A paper about weirs and mills");
  pdf.AddPage(kLines);
  pdf.AddPage({"The second page has a text of its own, which is short."});
  const auto d = ReadInProcess("a.pdf", pdf.Finish(), {});
  ASSERT_TRUE(d.ok()) << d.status();
  EXPECT_EQ(
      d->text,
      "A weir is a low barrier across the width of a river that alters the flow of the water and "
      "usually its height. It is used to measure how much water flows (see the mills).\n\n"
      "The second page has a text of its own, which is short.");
  EXPECT_EQ(d->meta.at("Title"), "A paper about weirs and mills");
  ASSERT_EQ(d->pages.size(), 2);
  EXPECT_EQ(d->pages[0].width, 612);
  ASSERT_EQ(d->blocks.size(), 2);
  EXPECT_NEAR(d->blocks[0].box.x0, 72, 1);
  EXPECT_NEAR(d->blocks[0].box.y1, 792 - 720 + 2 * 12, 4);
  EXPECT_EQ(d->blocks[1].page, 2);
}

TEST_F(PdfReaderTest, TextOnTurnedPagesIsRead) {
  PdfWriter pdf("t");
  pdf.AddPage(kLines, 90);  // the page is shown turned, its text runs down: read as most of it runs
  const auto d = ReadInProcess("a.pdf", pdf.Finish(), {});
  ASSERT_TRUE(d.ok());
  EXPECT_THAT(d->text, HasSubstr("low barrier across the width of a river that alters"));
}

TEST_F(PdfReaderTest, MalformedIsRefusedOrRead) {
  EXPECT_EQ(ReadInProcess("a.pdf", "not a pdf", {}).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ReadInProcess("a.pdf", "", {}).status().code(), absl::StatusCode::kDataLoss);
  PdfWriter pdf("t");
  for (int i = 0; i < 3; ++i) pdf.AddPage(kLines);
  const std::string bytes = pdf.Finish();
  for (size_t cut = 0; cut < bytes.size(); cut += bytes.size() / 60) {
    (void)ReadInProcess("a.pdf", bytes.substr(0, cut), {});  // PDFium repairs some of them
    std::string changed = bytes;
    changed[cut] = '#';
    (void)ReadInProcess("a.pdf", changed, {});
  }
}

TEST_F(PdfReaderTest, PageLimit) {
  PdfWriter pdf("t");
  for (int i = 0; i < 5; ++i) pdf.AddPage(kLines);
  ReadLimits limits;
  limits.pages = 2;
  const auto d = ReadInProcess("a.pdf", pdf.Finish(), limits);
  ASSERT_TRUE(d.ok());
  EXPECT_EQ(d->pages.size(), 2);
  EXPECT_THAT(d->warnings, ::testing::Contains(HasSubstr("2 of 5 pages")));
}

// The limits are the test: 512 MB and 60 s are enforced on the reader's process.
TEST_F(PdfReaderTest, SixteenHundredPagesWithinTheLimits) {
  PdfWriter pdf("A long report");
  for (int page = 0; page < 1600; ++page) {
    std::vector<std::string> lines;
    for (int line = 0; line < 50; ++line) {
      lines.push_back(absl::StrCat("Line ", line, " of page ", page,
                                   " says that the water ran past number ", (page * 50 + line) % 97,
                                   " and on to the mill below it."));
    }
    pdf.AddPage(lines);
  }
  const std::string path = Write("long.pdf", pdf.Finish());
  const int64_t start = SteadyNowNs();
  const auto d = ReadDocument(path, {.memory_mb = 512, .seconds = 60}, Context{});
  ASSERT_TRUE(d.ok()) << d.status();
  EXPECT_EQ(d->pages.size(), 1600);
  EXPECT_GT(d->text.size(), 1600 * 50 * 60);
  RecordProperty("pages_per_s",
                 absl::StrCat(1600 * 1e9 / static_cast<double>(SteadyNowNs() - start)));
}

TEST_F(PdfReaderTest, SamplesReadAsTheirPapersSay) {
  const std::map<std::string, std::pair<std::string, std::string>> expected = {
      {"heart-failure-programmes.pdf",
       {"Patient Experiences of Structured Heart Failure Programmes",
        "Focus groups were conducted with fifteen participants (men, n = 12) attending one of two "
        "heart "
        "failure rehabilitation programmes."}},
      {"vespa.pdf",
       {"VESPA: Very large-scale Evolutionary and Selective Pressure Analyses",
        "The majority of functions are written in Python 2.7 and are designed to operate on a UNIX "
        "command-line."}}};
  for (const auto& [name, what] : expected) {
    const auto d = ReadDocument(absl::StrCat(WEIR_SOURCE_DIR, "/samples/", name), {}, Context{});
    ASSERT_TRUE(d.ok()) << d.status();
    EXPECT_EQ(d->title, what.first);
    EXPECT_THAT(d->text, HasSubstr(what.second));
    int headings = 0, references = 0;
    for (const text::Block& b : d->blocks) {
      headings += b.kind == text::BlockKind::kHeading;
      references += b.kind == text::BlockKind::kOther && b.page > 1;
    }
    EXPECT_GE(headings, 5) << name;
    EXPECT_GE(references, 15) << name;
  }
}

std::map<std::string, int> WordBag(const std::string& s) {
  std::map<std::string, int> bag;
  std::string word;
  for (char c : s + " ") {
    if (isalnum(static_cast<uint8_t>(c))) {
      word.push_back(static_cast<char>(tolower(c)));
    } else if (!word.empty()) {
      ++bag[word];
      word.clear();
    }
  }
  return bag;
}

TEST_F(PdfReaderTest, TitlesAndTextOfTheCollection) {
  const char* data = std::getenv("WEIR_DATA");
  if (data == nullptr) GTEST_SKIP() << "WEIR_DATA is not set";
  const std::string folder = absl::StrCat(data, "/docs-pdf/");
  const auto metadata = ReadFile(folder + "metadata.json");
  if (!metadata.ok()) GTEST_SKIP() << metadata.status();
  for (const auto& paper : nlohmann::json::parse(*metadata)) {
    const auto d = ReadDocument(folder + paper["file"].get<std::string>(), {}, Context{});
    ASSERT_TRUE(d.ok()) << d.status();
    const auto lower = [](std::string s) {
      for (char& c : s) c = static_cast<char>(tolower(c));
      return s;
    };
    EXPECT_EQ(lower(d->title), lower(paper["title"].get<std::string>()));
    EXPECT_EQ(d->pages.size(), paper["pages"].get<size_t>());
  }
  const auto gold = ReadFile(folder + "gold/cermine-test2-fulltext.txt");
  const auto d = ReadDocument(folder + "cermine-test2.pdf", {}, Context{});
  ASSERT_TRUE(gold.ok() && d.ok());
  std::string joined = *gold;
  for (size_t at; (at = joined.find("-\n")) != std::string::npos;) joined.erase(at, 2);
  const auto want = WordBag(joined), got = WordBag(d->text);
  int shared = 0, wanted = 0, gotten = 0;
  for (const auto& [word, n] : want) wanted += n;
  for (const auto& [word, n] : got) {
    gotten += n;
    const auto it = want.find(word);
    if (it != want.end()) shared += std::min(n, it->second);
  }
  EXPECT_GT(2.0 * shared / (wanted + gotten), 0.98);
}

}  // namespace
}  // namespace weir::ingest
