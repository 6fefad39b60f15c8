#include "ingest/html_reader.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "ingest/document_builder.h"
#include "ingest/encoding.h"
#include "ingest/html_content.h"
#include "ingest/html_tree.h"
#include "ingest/paths.h"
#include "text/fields.h"
#include "text/unicode.h"

namespace weir::ingest {
namespace {

using text::BlockKind;

constexpr size_t kCharsetWindow = 4096;   // bytes searched for a meta charset
// bytes; a table with such cells is laid out, not tabulated
constexpr int kLongCell = 600;
constexpr size_t kQuoted = 80;            // bytes of hidden text that a warning quotes

std::string Lower(std::string_view s) {
  std::string out(s);
  for (char& c : out) c = absl::ascii_tolower(static_cast<unsigned char>(c));
  return out;
}

// The encoding that a <meta> tag near the start declares.
std::string DeclaredCharset(std::string_view bytes) {
  const std::string head = Lower(bytes.substr(0, kCharsetWindow));
  for (size_t at = head.find("charset"); at != std::string::npos;
       at = head.find("charset", at + 7)) {
    size_t i = at + 7;
    while (i < head.size() &&
           (head[i] == ' ' || head[i] == '=' || head[i] == '"' || head[i] == '\''))
      ++i;
    size_t end = i;
    while (end < head.size() && end - i < 40 &&
           (absl::ascii_isalnum(static_cast<unsigned char>(head[end])) || head[end] == '-' ||
            head[end] == '_' || head[end] == ':')) {
      ++end;
    }
    const size_t tag = head.rfind('<', at);
    if (end > i && tag != std::string::npos && absl::StartsWith(head.substr(tag, 5), "<meta")) {
      return head.substr(i, end - i);
    }
  }
  return "";
}

// Writes the nodes below one element as blocks.
class Renderer {
 public:
  Renderer(const HtmlTree& tree, DocumentBuilder& builder)
      : nodes_(tree.nodes()), builder_(builder) {}

  void Render(int root) {
    root_ = root;
    const int end = nodes_[static_cast<size_t>(root)].end;
    for (int i = root; i < end && !builder_.full();) {
      CloseUpTo(i);
      i = Visit(i);
    }
    CloseUpTo(end);
    Flush();
  }

  int64_t hidden_bytes() const { return hidden_bytes_; }
  const std::string& hidden_quote() const { return hidden_quote_; }

 private:
  struct Open {  // a block whose end must be noticed
    int end = 0;
    GumboTag tag = GUMBO_TAG_UNKNOWN;
  };
  struct List {
    bool ordered = false;
    int next = 1;
  };

  const HtmlNode& At(int i) const { return nodes_[static_cast<size_t>(i)]; }

  // Returns the node to visit next.
  int Visit(int i) {
    const HtmlNode& n = At(i);
    if (IsText(n.node)) {
      AddText(n.node->v.text.text);
      return i + 1;
    }
    if (!IsElement(n.node)) return n.node->type == GUMBO_NODE_DOCUMENT ? i + 1 : n.end;
    const GumboTag tag = TagOf(n.node);
    const HtmlRole role = RoleOf(tag);
    if (role == HtmlRole::kSkipped) return n.end;
    if (n.hidden) {
      NoteHidden(i);
      return n.end;
    }
    if (n.boilerplate && i != root_ && !At(root_).boilerplate) return n.end;
    if (tag == GUMBO_TAG_BR) {
      Break();
      return i + 1;
    }
    if (role == HtmlRole::kInline) return i + 1;
    Flush();
    if (tag == GUMBO_TAG_TABLE && IsDataTable(i)) {
      AddTable(i);
      return n.end;
    }
    OpenBlock(tag, n);
    return i + 1;
  }

  void OpenBlock(GumboTag tag, const HtmlNode& n) {
    open_.push_back({n.end, tag});
    if (tag == GUMBO_TAG_UL || tag == GUMBO_TAG_OL) lists_.push_back({tag == GUMBO_TAG_OL, 1});
    if (tag == GUMBO_TAG_LI && !lists_.empty()) {
      ++items_;
      if (lists_.back().ordered) marker_ = absl::StrCat(lists_.back().next++, ". ");
    }
    if (tag >= GUMBO_TAG_H1 && tag <= GUMBO_TAG_H6) level_ = tag - GUMBO_TAG_H1 + 1;
    if (tag == GUMBO_TAG_PRE || tag == GUMBO_TAG_LISTING || tag == GUMBO_TAG_XMP) ++pre_;
    if (tag == GUMBO_TAG_FIGCAPTION || tag == GUMBO_TAG_CAPTION) ++captions_;
  }

  // Ends the blocks that do not reach node i.
  void CloseUpTo(int i) {
    while (!open_.empty() && open_.back().end <= i) {
      Flush();
      const GumboTag tag = open_.back().tag;
      open_.pop_back();
      if ((tag == GUMBO_TAG_UL || tag == GUMBO_TAG_OL) && !lists_.empty()) lists_.pop_back();
      if (tag == GUMBO_TAG_LI && items_ > 0) --items_;
      if (tag == GUMBO_TAG_LI) marker_.clear();
      if (tag >= GUMBO_TAG_H1 && tag <= GUMBO_TAG_H6) level_ = 0;
      if (tag == GUMBO_TAG_PRE || tag == GUMBO_TAG_LISTING || tag == GUMBO_TAG_XMP) --pre_;
      if (tag == GUMBO_TAG_FIGCAPTION || tag == GUMBO_TAG_CAPTION) --captions_;
    }
  }

  void AddText(std::string_view s) {
    buffer_ += s;
    if (s.find_first_not_of(" \t\r\n") != std::string_view::npos) breaks_ = 0;
  }

  // Two line breaks in a row end a paragraph.
  void Break() {
    if (pre_ == 0 && ++breaks_ >= 2) {
      Flush();
    } else {
      buffer_.push_back('\n');
    }
  }

  void Flush() {
    if (pre_ > 0) {
      builder_.Add(BlockKind::kCode, CleanLines(buffer_));
    } else {
      const std::string clean = CleanInline(buffer_);
      if (clean.empty()) {
        // Only white space: markers wait for the text.
      } else if (level_ > 0) {
        builder_.Add(BlockKind::kHeading, clean, level_);
      } else if (captions_ > 0) {
        builder_.Add(BlockKind::kCaption, clean);
      } else if (items_ > 0) {
        builder_.Add(BlockKind::kListItem, marker_ + clean);
        marker_.clear();
      } else {
        builder_.Add(BlockKind::kParagraph, clean);
      }
    }
    buffer_.clear();
    breaks_ = 0;
  }

  void NoteHidden(int i) {
    const int end = At(i).end;
    for (; i < end; ++i) {
      const HtmlNode& n = At(i);
      if (IsElement(n.node) && RoleOf(TagOf(n.node)) == HtmlRole::kSkipped) {
        i = n.end - 1;
        continue;
      }
      if (!IsText(n.node)) continue;
      const std::string clean = CleanInline(n.node->v.text.text);
      hidden_bytes_ += static_cast<int64_t>(clean.size());
      if (hidden_quote_.size() < kQuoted && !clean.empty()) hidden_quote_ += clean + " ";
    }
  }

  // Rows of short cells; anything else in a table is layout and read in order.
  bool IsDataTable(int table) const {
    const int end = At(table).end;
    int rows = 0, cells = 0;
    for (int i = table + 1; i < end; ++i) {
      const GumboTag tag = TagOf(At(i).node);
      if (tag == GUMBO_TAG_TABLE || tag == GUMBO_TAG_H1 || tag == GUMBO_TAG_H2) return false;
      if (tag == GUMBO_TAG_TR) ++rows;
      if (tag == GUMBO_TAG_TD || tag == GUMBO_TAG_TH) {
        ++cells;
        if (At(i).text > kLongCell) return false;
      }
    }
    return rows > 0 && cells >= rows * 3 / 2;
  }

  void AddTable(int table) {
    std::string rows, cell, caption;
    bool first_cell = true;
    int cell_end = -1, caption_end = -1;
    const int end = At(table).end;
    for (int i = table + 1; i <= end; ++i) {
      if (i >= cell_end && cell_end >= 0) {
        rows += (first_cell ? "" : " | ") + CleanInline(cell);
        first_cell = false;
        cell_end = -1;
      }
      if (i == end) break;
      const HtmlNode& n = At(i);
      const GumboTag tag = TagOf(n.node);
      if (n.hidden || (IsElement(n.node) && RoleOf(tag) == HtmlRole::kSkipped)) {
        if (n.hidden) NoteHidden(i);
        i = n.end - 1;
        continue;
      }
      if (tag == GUMBO_TAG_TR) {
        if (!rows.empty()) rows += "\n";
        first_cell = true;
      } else if (tag == GUMBO_TAG_TD || tag == GUMBO_TAG_TH) {
        cell.clear();
        cell_end = n.end;
      } else if (tag == GUMBO_TAG_CAPTION) {
        caption_end = n.end;
      } else if (IsText(n.node)) {
        (i < caption_end ? caption : cell) += n.node->v.text.text;
      } else if (tag == GUMBO_TAG_BR || RoleOf(tag) == HtmlRole::kBlock) {
        cell += " ";
      }
    }
    builder_.Add(BlockKind::kCaption, CleanInline(caption));
    builder_.Add(BlockKind::kTable, CleanLines(rows));
  }

  const std::vector<HtmlNode>& nodes_;
  DocumentBuilder& builder_;
  int root_ = 0;
  std::vector<Open> open_;
  std::vector<List> lists_;
  std::string buffer_, marker_, hidden_quote_;
  int level_ = 0, pre_ = 0, captions_ = 0, items_ = 0, breaks_ = 0;
  int64_t hidden_bytes_ = 0;
};

std::string TextBelow(const HtmlTree& tree, int index) {
  std::string s;
  const std::vector<HtmlNode>& nodes = tree.nodes();
  for (int i = index; i < nodes[static_cast<size_t>(index)].end; ++i) {
    const GumboNode* node = nodes[static_cast<size_t>(i)].node;
    if (IsText(node)) s += node->v.text.text;
  }
  return CleanInline(s);
}

// <title>, or the first <h1> when the title only adds a site's name to it.
std::string FindTitle(const HtmlTree& tree) {
  std::string title, heading;
  const std::vector<HtmlNode>& nodes = tree.nodes();
  for (size_t i = 0; i < nodes.size() && (title.empty() || heading.empty()); ++i) {
    const GumboTag tag = TagOf(nodes[i].node);
    if (tag == GUMBO_TAG_TITLE && title.empty()) title = TextBelow(tree, static_cast<int>(i));
    if (tag == GUMBO_TAG_H1 && heading.empty()) heading = TextBelow(tree, static_cast<int>(i));
  }
  if (title.empty()) return heading;
  return heading.size() >= 8 && title.find(heading) != std::string::npos ? heading : title;
}

// The names of <meta> that say who wrote the page, when and about what; those of Dublin Core, of
// scholarly pages and of Open Graph are kept by their own names, too.
bool KeepsMeta(std::string_view name) {
  static constexpr std::string_view kNames[] = {"author", "date", "description", "keywords",
                                                "article:author", "article:modified_time",
                                                "article:published_time", "article:section",
                                                "article:tag"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames) ||
         absl::StartsWith(name, "dc.") || absl::StartsWith(name, "dcterms.") ||
         absl::StartsWith(name, "citation_");
}

void AddMeta(const HtmlTree& tree, text::Document& document) {
  for (const HtmlNode& n : tree.nodes()) {
    const GumboTag tag = TagOf(n.node);
    if (tag == GUMBO_TAG_HTML && !Attribute(n.node, "lang").empty()) {
      document.meta["language"] = CleanInline(text::CutUtf8(Attribute(n.node, "lang"), 40));
    }
    if (tag != GUMBO_TAG_META) continue;
    std::string name = Lower(Attribute(n.node, "name").substr(0, 40));
    if (name.empty()) name = Lower(Attribute(n.node, "property").substr(0, 40));
    if (!KeepsMeta(name)) continue;
    const std::string value = CleanInline(text::CutUtf8(Attribute(n.node, "content"), 4000));
    if (name == "description" || name == "author" || name == "keywords" || name == "date") {
      document.meta[name] = value;
    }
    if (name == "keywords") {
      text::AddFieldList(name, value, ",;", document.fields);
    } else {
      text::AddField(name, value, document.fields);
    }
  }
}

class HtmlReader final : public Reader {
 public:
  std::string_view format() const override { return "html"; }

  int Claims(std::string_view path, std::string_view head) const override {
    const std::string e = Extension(path);
    if (e == "html" || e == "htm" || e == "xhtml") return 60;
    if (e == "txt" || e == "md") return 0;
    const std::string start = Lower(CleanStart(head));
    return absl::StartsWith(start, "<!doctype html") || absl::StartsWith(start, "<html") ? 55 : 0;
  }

  absl::StatusOr<text::Document> Read(std::string_view bytes, const ReadLimits& limits) override {
    DocumentBuilder builder(format(), limits.text_mb << 20);
    text::Document& document = builder.document();
    std::string encoding;
    const std::string utf8 =
        ToUtf8(bytes, DeclaredCharset(bytes), encoding, document.warnings);
    document.meta["encoding"] = encoding;
    if (utf8.size() > (size_t{1} << 30)) return absl::ResourceExhaustedError("HTML: over 1 GB");
    WEIR_ASSIGN_OR_RETURN(const std::unique_ptr<HtmlTree> tree,
                          HtmlTree::Parse(utf8, limits.memory_mb << 19));
    MeasureHtml(*tree);
    document.title = FindTitle(*tree);
    AddMeta(*tree, document);
    Renderer renderer(*tree, builder);
    renderer.Render(FindContent(*tree));
    if (renderer.hidden_bytes() > 0) {
      document.warnings.push_back(
          absl::StrCat("hidden text left out: ", renderer.hidden_bytes(), " bytes, begins \"",
                       CleanInline(text::CutUtf8(renderer.hidden_quote(), kQuoted)), "\""));
    }
    return builder.Finish();
  }

 private:
  static std::string_view CleanStart(std::string_view s) {
    if (s.starts_with("\xEF\xBB\xBF")) s.remove_prefix(3);
    while (!s.empty() && absl::ascii_isspace(static_cast<unsigned char>(s[0]))) s.remove_prefix(1);
    return s.substr(0, 20);
  }
};

}  // namespace

std::unique_ptr<Reader> MakeHtmlReader() { return std::make_unique<HtmlReader>(); }

}  // namespace weir::ingest
