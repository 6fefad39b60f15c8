#include "ingest/markdown_reader.h"

#include <md4c.h>

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ingest/document_builder.h"
#include "ingest/encoding.h"
#include "ingest/entities.h"
#include "ingest/front_matter.h"
#include "ingest/paths.h"

namespace weir::ingest {
namespace {

using text::BlockKind;

// Text between tags; comments go.
std::string StripTags(std::string_view html) {
  std::string out;
  for (size_t i = 0; i < html.size();) {
    if (html[i] != '<') {
      out.push_back(html[i++]);
      continue;
    }
    const bool comment = html.substr(i, 4) == "<!--";
    const size_t end = html.find(comment ? "-->" : ">", i);
    if (end == std::string_view::npos) break;
    i = end + (comment ? 3 : 1);
    out.push_back(' ');
  }
  return out;
}

class Walker {
 public:
  Walker(DocumentBuilder& builder, Entities& entities) : builder_(builder), entities_(entities) {}

  static int EnterBlock(MD_BLOCKTYPE type, void* detail, void* self) {
    static_cast<Walker*>(self)->Enter(type, detail);
    return 0;
  }
  static int LeaveBlock(MD_BLOCKTYPE type, void*, void* self) {
    static_cast<Walker*>(self)->Leave(type);
    return 0;
  }
  static int Span(MD_SPANTYPE, void*, void*) { return 0; }
  static int Text(MD_TEXTTYPE type, const MD_CHAR* s, MD_SIZE n, void* self) {
    return static_cast<Walker*>(self)->Add(type, std::string_view(s, n));
  }
  const std::string& first_heading() const { return first_heading_; }

 private:
  struct List {
    bool ordered = false;
    unsigned next = 1;
  };

  void Enter(MD_BLOCKTYPE type, void* detail) {
    switch (type) {
      case MD_BLOCK_UL:
        Flush();
        lists_.push_back({});
        break;
      case MD_BLOCK_OL:
        Flush();
        lists_.push_back({true, static_cast<MD_BLOCK_OL_DETAIL*>(detail)->start});
        break;
      case MD_BLOCK_LI:
        Flush();
        if (!lists_.empty() && lists_.back().ordered) {
          marker_ = absl::StrCat(lists_.back().next++, ". ");
        }
        break;
      case MD_BLOCK_H:
        Flush();
        level_ = static_cast<int>(static_cast<MD_BLOCK_H_DETAIL*>(detail)->level);
        break;
      case MD_BLOCK_CODE:
        Flush();
        code_ = true;
        break;
      case MD_BLOCK_HTML:
        Flush();
        html_ = true;
        break;
      case MD_BLOCK_TABLE:
        Flush();
        table_ = true;
        break;
      case MD_BLOCK_TR:
        if (!buffer_.empty()) buffer_ += "\n";
        first_cell_ = true;
        break;
      case MD_BLOCK_TH:
      case MD_BLOCK_TD:
        if (!first_cell_) buffer_ += " | ";
        first_cell_ = false;
        break;
      case MD_BLOCK_P:
      case MD_BLOCK_QUOTE:
      case MD_BLOCK_HR:
        Flush();
        break;
      default:
        break;
    }
  }

  void Leave(MD_BLOCKTYPE type) {
    switch (type) {
      case MD_BLOCK_UL:
      case MD_BLOCK_OL:
        Flush();
        if (!lists_.empty()) lists_.pop_back();
        break;
      case MD_BLOCK_LI:
        Flush();
        marker_.clear();
        break;
      case MD_BLOCK_P:
      case MD_BLOCK_H:
      case MD_BLOCK_CODE:
      case MD_BLOCK_HTML:
      case MD_BLOCK_TABLE:
      case MD_BLOCK_QUOTE:
        Flush();
        break;
      default:
        break;
    }
  }

  int Add(MD_TEXTTYPE type, std::string_view s) {
    switch (type) {
      case MD_TEXT_NULLCHAR:
        break;
      case MD_TEXT_BR:
      case MD_TEXT_SOFTBR:
        buffer_.push_back(' ');
        break;
      case MD_TEXT_ENTITY:
        buffer_ += entities_.Decode(s);
        break;
      case MD_TEXT_HTML:
        if (html_) {
          buffer_ += s;
        } else if (s.starts_with("<br")) {
          buffer_.push_back(' ');
        }
        break;
      default:
        buffer_ += s;
        break;
    }
    return builder_.full() ? 1 : 0;  // 1 ends the parse
  }

  void Flush() {
    if (code_ || table_) {
      builder_.Add(code_ ? BlockKind::kCode : BlockKind::kTable, CleanLines(buffer_));
    } else {
      std::string clean = CleanInline(html_ ? StripTags(buffer_) : buffer_);
      if (!clean.empty() && level_ > 0) {
        if (first_heading_.empty()) first_heading_ = clean;
        builder_.Add(BlockKind::kHeading, clean, level_);
      } else if (!clean.empty() && !lists_.empty()) {
        builder_.Add(BlockKind::kListItem, marker_ + clean);
        marker_.clear();
      } else {
        builder_.Add(BlockKind::kParagraph, clean);
      }
    }
    buffer_.clear();
    level_ = 0;
    code_ = table_ = html_ = false;
  }

  DocumentBuilder& builder_;
  Entities& entities_;
  std::string buffer_;
  std::string marker_;
  std::string first_heading_;
  std::vector<List> lists_;
  int level_ = 0;
  bool code_ = false, html_ = false, table_ = false, first_cell_ = true;
};

class MarkdownReader final : public Reader {
 public:
  std::string_view format() const override { return "markdown"; }

  int Claims(std::string_view path, std::string_view head) const override {
    const std::string e = Extension(path);
    return e == "md" || e == "markdown" || e == "mdown" || e == "mkd" ? 60 : 0;
  }

  absl::StatusOr<text::Document> Read(std::string_view bytes, const ReadLimits& limits) override {
    DocumentBuilder builder(format(), limits.text_mb << 20);
    text::Document& document = builder.document();
    std::string encoding;
    const std::string utf8 = ToUtf8(bytes, "", encoding, document.warnings);
    document.meta["encoding"] = encoding;
    std::string_view body = utf8;
    TakeFrontMatter(body, document);
    if (body.size() > UINT32_MAX / 2) return absl::ResourceExhaustedError("markdown: over 2 GB");
    Entities entities;
    Walker walker(builder, entities);
    MD_PARSER parser{};
    parser.flags = MD_DIALECT_GITHUB;
    parser.enter_block = Walker::EnterBlock;
    parser.leave_block = Walker::LeaveBlock;
    parser.enter_span = Walker::Span;
    parser.leave_span = Walker::Span;
    parser.text = Walker::Text;
    const int code = md_parse(body.data(), static_cast<MD_SIZE>(body.size()), &parser, &walker);
    if (code != 0 && !builder.full())
      return absl::ResourceExhaustedError("markdown: out of memory");
    const auto title = std::find_if(document.fields.begin(), document.fields.end(),
                                    [](const text::Field& f) { return f.name == "title"; });
    document.title = title != document.fields.end() ? title->value : walker.first_heading();
    return builder.Finish();
  }
};

}  // namespace

std::unique_ptr<Reader> MakeMarkdownReader() { return std::make_unique<MarkdownReader>(); }

}  // namespace weir::ingest
