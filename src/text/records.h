// The records that pass between rooms: Document -> Passage -> Hit -> Answer. Plain values, one
// direction, no room reaches back. All offsets are bytes into Document::text, which is valid UTF-8
// and is exactly what `weir ingest show --text FILE` prints.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace weir::text {

struct Span {
  int64_t start = 0;  // first byte
  int64_t end = 0;    // one past the last byte
  int64_t size() const { return end - start; }
};

struct Box {  // PDF points, origin at the page's top left
  float x0 = 0, y0 = 0, x1 = 0, y1 = 0;
};

struct Page {
  int number = 0;  // from 1
  Span span;
  float width = 0, height = 0;  // points
};

enum class BlockKind { kParagraph, kHeading, kListItem, kCode, kTable, kCaption, kOther };

struct Block {  // in reading order, not overlapping
  BlockKind kind = BlockKind::kParagraph;
  Span span;
  int level = 0;  // heading level from 1, else 0
  int page = 0;   // 0 where the format has no pages
  Box box;
};

struct Field {
  std::string name;   // folded (fields.h)
  std::string value;  // one line; a name with several values has several Fields
};

struct Document {
  std::string path;
  std::string sha256;  // of the file's bytes, lower-case hex
  std::string format;  // "pdf", "html", "markdown", "text"
  std::string title;   // "" when unknown
  std::string text;    // UTF-8
  std::vector<Page> pages;
  std::vector<Block> blocks;
  std::map<std::string, std::string> meta;
  std::vector<Field> fields;  // what it says of itself: author, date, tags; see fields.h
  std::vector<std::string> warnings;  // hidden text found, pages skipped, limits reached
};

struct Passage {
  int64_t id = -1;        // of the store; -1 before it is stored
  int64_t document = -1;  // of the store
  Span span;
  int page = 0;
  Box box;              // union of the blocks on `page`
  std::string heading;  // the nearest heading above, "" if none
  std::string text;     // equals Document::text[span]
};

struct DocumentRef {
  int64_t id = -1;
  std::string path;
  std::string sha256;
  std::string title;
};

struct Hit {
  int rank = 0;  // from 1
  double score = 0;
  std::map<std::string, double> scores;  // of each stage: "bm25", "dense", "fused", ...
  DocumentRef document;
  Passage passage;
  // The part of the passage that says most of what was asked, and all places in the passage that
  // match a word or a phrase of the query, in order, not overlapping. Bytes of the document's text.
  Span snippet;
  std::vector<Span> marks;
};

// A word of a query that no passage holds, and words that some do.
struct Spelling {
  struct Suggestion {
    std::string text;
    int distance = 0;      // letters added, left out, changed or swapped with their neighbour
    int64_t passages = 0;  // that hold a form of it
  };
  std::string word;
  Span span;                             // in the query
  std::vector<Suggestion> suggestions;  // best first; may be none
};

struct Citation {
  DocumentRef document;
  int page = 0;
  Span span;
  std::string quote;  // equals the document's text[span]
};

struct AnswerSentence {
  std::string text;
  double support = 0;  // of the verifier, in [0, 1]
  std::vector<Citation> citations;
};

struct Answer {
  std::string question;
  std::string status;  // "answered", "partial" or "not_in_documents"
  std::vector<AnswerSentence> sentences;
  std::vector<Hit> nearest;
  std::string model;  // "" for --extract
  uint64_t seed = 0;
  std::map<std::string, double> timings;  // seconds: "retrieve", "first_token", "total", ...
};

}  // namespace weir::text
