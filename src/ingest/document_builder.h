// Builds Document::text block by block, so that every reader lays text out by the same rules:
// blocks are separated by one blank line, pieces of one paragraph (split over columns or pages) by
// one space, text is valid UTF-8 without control characters, and the size limit is kept.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "text/records.h"

namespace weir::ingest {

// White space runs become one space, ends are trimmed; soft hyphens, zero-width and control
// characters and the byte order mark are dropped, non-breaking spaces become spaces. Valid UTF-8 in
// and out.
std::string CleanInline(std::string_view utf8);
// The same for text whose lines matter (code, table rows): only control characters are dropped and
// white space at line ends and around the whole; blank lines within are kept as one.
std::string CleanLines(std::string_view utf8);

class DocumentBuilder {
 public:
  DocumentBuilder(std::string_view format, int64_t max_text_bytes);

  struct Place {
    int page = 0;
    text::Box box;
  };

  // Appends a block of clean text; empty text adds nothing. `level` is for headings. False once the
  // text limit is reached (a warning was recorded; what is appended later is dropped).
  bool Add(text::BlockKind kind, std::string_view clean, int level = 0);
  bool Add(text::BlockKind kind, std::string_view clean, int level, const Place& place);
  // Another piece of the paragraph that Add began: joined by one space.
  bool Continue(text::BlockKind kind, std::string_view clean, const Place& place);

  // Pages in order; blocks added after BeginPage belong to its span.
  void BeginPage(int number, float width, float height);

  bool full() const { return full_; }
  text::Document& document() { return document_; }
  // Closes the page spans and hands the document over.
  text::Document Finish();

 private:
  bool Append(text::BlockKind kind, std::string_view separator, std::string_view clean, int level,
              const Place& place);
  int64_t limit_;
  bool full_ = false;
  text::Document document_;
};

}  // namespace weir::ingest
