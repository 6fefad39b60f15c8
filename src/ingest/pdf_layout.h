// From the lines of all pages to a Document: running headers dropped, paragraphs joined over lines,
// columns and pages, hyphens at line ends repaired, headings, captions, tables and the reference
// list told apart. Works on lines alone (no PDFium), so it can be tested and fuzzed with made-up
// pages.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/pdf_lines.h"
#include "text/records.h"

namespace weir::ingest {

struct PdfPage {
  int number = 0;  // from 1, ascending
  float width = 0, height = 0;
  std::vector<PdfLine> lines;
};

struct PdfContent {
  std::vector<PdfPage> pages;
  std::map<std::string, std::string> meta;  // as in the file: "Title", "Author", ...
  std::vector<std::string> warnings;
};

text::Document LayoutPdf(PdfContent content, int64_t max_text_bytes);

// The steps, for tests.

// Removes page numbers and the headers and footers that repeat over pages. Returns how many lines.
int DropFurniture(std::vector<PdfPage>& pages);

struct PdfParagraph {
  std::vector<const PdfLine*> lines;
  text::BlockKind kind = text::BlockKind::kParagraph;
  int level = 0;
  bool reference = false;  // an entry of the reference list
};

struct PdfBody {
  float size = 10;       // of most letters
  float leading = 1.2f;  // baseline to baseline, in sizes
  bool bold = false;
  uint16_t font = 0;
};

// "References", "7. Bibliography", ...
bool IsReferencesHeading(std::string_view text);
// That, or a name that sections of papers usually have: "Abstract", "2 Methods", "Conclusion".
bool IsKnownHeading(std::string_view text);

PdfBody MeasureBody(const std::vector<PdfPage>& pages);
std::vector<PdfParagraph> MakeParagraphs(const std::vector<PdfPage>& pages, const PdfBody& body);
// Sets kind, level and reference. Returns the index of the title's paragraph, or -1.
int Classify(std::vector<PdfParagraph>& paragraphs, const std::vector<PdfPage>& pages,
             const PdfBody& body);
// Joins paragraphs that a column end, a page end or something set between them broke apart.
void JoinBroken(std::vector<PdfParagraph>& paragraphs);

}  // namespace weir::ingest
