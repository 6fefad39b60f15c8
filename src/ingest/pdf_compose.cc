// Writes classified paragraphs as a Document: lines joined, hyphens repaired, pages and boxes kept.
#include <algorithm>
#include <cmath>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "ingest/document_builder.h"
#include "ingest/pdf_layout.h"
#include "text/fields.h"

namespace weir::ingest {
namespace {

using text::BlockKind;

constexpr size_t kMaxWords = 1 << 21;  // of the vocabulary, so memory stays bounded

bool Letter(char c) {
  return absl::ascii_isalpha(static_cast<unsigned char>(c)) || static_cast<uint8_t>(c) >= 0x80;
}
bool Lower(char c) { return c >= 'a' && c <= 'z'; }

// FNV-1a over the lower-cased bytes: the vocabulary keeps hashes, not words.
uint64_t WordHash(std::string_view a, std::string_view b = "") {
  uint64_t h = 0xcbf29ce484222325ull;
  for (std::string_view part : {a, b}) {
    for (char c : part) {
      h ^= static_cast<uint8_t>(absl::ascii_tolower(static_cast<unsigned char>(c)));
      h *= 0x100000001b3ull;
    }
  }
  return h;
}

// The words of the document, to tell "self-" + "care" (kept) from "experi-" + "ences" (joined).
class Vocabulary {
 public:
  void AddLine(std::string_view line) {
    size_t start = 0;
    bool in = false;
    for (size_t i = 0; i <= line.size(); ++i) {
      const bool part = i < line.size() && (Letter(line[i]) || line[i] == '-');
      if (part && !in) start = i;
      // A word that the line end may have cut is not evidence.
      if (!part && in && i < line.size()) Add(line.substr(start, i - start));
      in = part;
    }
    if (in && line.back() != '-') Add(line.substr(start));
  }
  bool Has(std::string_view a, std::string_view b = "") const {
    return words_.contains(WordHash(a, b));
  }

 private:
  void Add(std::string_view word) {
    if (words_.size() >= kMaxWords || word.size() < 2) return;
    words_.insert(WordHash(word));
    for (size_t i = 0; i < word.size();) {
      const size_t end = std::min(word.find('-', i), word.size());
      if (end - i > 1 && end - i < word.size()) words_.insert(WordHash(word.substr(i, end - i)));
      i = end + 1;
    }
  }
  absl::flat_hash_set<uint64_t> words_;
};

class Composer {
 public:
  Composer(PdfContent& content, int64_t max_text_bytes)
      : content_(content), builder_("pdf", max_text_bytes) {
    for (const PdfPage& page : content.pages) {
      for (const PdfLine& line : page.lines) vocabulary_.AddLine(line.text);
    }
  }

  text::Document Run(const std::vector<PdfParagraph>& paragraphs) {
    for (const PdfParagraph& p : paragraphs) {
      if (builder_.full()) break;
      if (p.kind == BlockKind::kTable) {
        AddTable(p);
      } else {
        AddProse(p);
      }
    }
    while (next_page_ < content_.pages.size()) BeginNextPage();
    return builder_.Finish();
  }

 private:
  void BeginNextPage() {
    const PdfPage& page = content_.pages[next_page_++];
    builder_.BeginPage(page.number, page.width, page.height);
  }

  void ReachPage(int number) {
    while (next_page_ < content_.pages.size() && content_.pages[next_page_].number <= number) {
      BeginNextPage();
    }
  }

  void AddTable(const PdfParagraph& p) {
    std::string rows;
    text::Box box = p.lines[0]->box;
    for (size_t i = 0; i < p.lines.size(); ++i) {
      const PdfLine& line = *p.lines[i];
      // Lines on one baseline are one row.
      const bool beside =
          i > 0 && std::fabs(line.baseline - p.lines[i - 1]->baseline) < 0.3f * line.size;
      if (i > 0) rows += beside ? " | " : "\n";
      size_t from = 0;
      for (int cell : line.cells) {
        const size_t at = std::min<size_t>(static_cast<size_t>(cell), line.text.size());
        if (at <= from || line.text[at - 1] != ' ') continue;
        rows.append(line.text, from, at - 1 - from);
        rows += " | ";
        from = at;
      }
      rows.append(line.text, from);
      Include(line.box, box);
    }
    ReachPage(p.lines[0]->page);
    builder_.Add(p.kind, CleanLines(rows), p.level, {p.lines[0]->page, box});
  }

  // One block for each column or page the paragraph stands in.
  void AddProse(const PdfParagraph& p) {
    std::string piece;
    text::Box box = p.lines[0]->box;
    int page = p.lines[0]->page;
    bool first = true;
    for (size_t i = 0; i < p.lines.size(); ++i) {
      const PdfLine& line = *p.lines[i];
      std::string_view added = line.text;
      if (i > 0) {
        const PdfLine& before = *p.lines[i - 1];
        const bool moved =
            line.page != before.page || line.baseline < before.baseline - before.size;
        const bool whole = JoinHyphen(piece, added);
        if (moved) {
          // The rest of a broken word belongs to the piece it began in.
          if (whole) {
            const size_t end = std::min(added.find(' '), added.size());
            piece.append(added.substr(0, end));
            added.remove_prefix(std::min(end + 1, added.size()));
          }
          Emit(p, piece, page, box, first);
          piece.clear();
          box = line.box;
          page = line.page;
        } else if (!whole) {
          piece.push_back(' ');
        }
      }
      piece.append(added);
      Include(line.box, box);
    }
    Emit(p, piece, page, box, first);
  }

  void Emit(const PdfParagraph& p, const std::string& piece, int page, const text::Box& box,
            bool& first) {
    const std::string clean = CleanInline(piece);
    if (clean.empty()) return;
    ReachPage(page);
    if (first) {
      builder_.Add(p.kind, clean, p.level, {page, box});
    } else {
      builder_.Continue(p.kind, clean, {page, box});
    }
    first = false;
  }

  static void Include(const text::Box& other, text::Box& box) {
    box.x0 = std::min(box.x0, other.x0);
    box.y0 = std::min(box.y0, other.y0);
    box.x1 = std::max(box.x1, other.x1);
    box.y1 = std::max(box.y1, other.y1);
  }

  // When `piece` ends in a hyphen that a line end put there, takes it off (or leaves a real one)
  // and returns true: no space may follow.
  bool JoinHyphen(std::string& piece, std::string_view next) const {
    // "hypothalamic\u2013" "pituitary": a range or pair, without spaces; a dash between words has
    // them.
    if (piece.ends_with("\u2013") && piece.size() > 3) return piece[piece.size() - 4] != ' ';
    const size_t hyphen = piece.ends_with("\u2010") ? 3 : piece.ends_with('-') ? 1 : 0;
    if (hyphen == 0 || piece.size() <= hyphen || next.empty()) return false;
    const size_t end = piece.size() - hyphen;
    if (piece[end - 1] == '-' || piece[end - 1] == ' ') return false;  // a dash
    size_t start = end;
    while (start > 0 && Letter(piece[start - 1])) --start;
    size_t length = 0;
    while (length < next.size() && Letter(next[length])) ++length;
    const std::string_view head = std::string_view(piece).substr(start, end - start);
    const std::string_view tail = next.substr(0, length);
    if (head.empty() || tail.empty()) return true;              // "COVID-" "19", "2010-" "2012"
    if (vocabulary_.Has(head, tail) && !vocabulary_.Has(std::string(head) + "-", tail)) {
      piece.resize(end);  // "Mr-" "Bayes" of MrBayes too
      return true;
    }
    if (!Lower(next[0]) && static_cast<uint8_t>(next[0]) < 0x80) return true;  // "Smith-" "Jones"
    const bool compound = start > 0 && piece[start - 1] == '-';  // "state-of-the-" "art"
    if (compound && vocabulary_.Has(head)) return true;
    const bool joined_known = vocabulary_.Has(head, tail);
    const bool hyphen_known = vocabulary_.Has(std::string(head) + "-", tail);
    if (hyphen_known && !joined_known) return true;
    if (!joined_known && head.size() > 3 && tail.size() > 3 && vocabulary_.Has(head) &&
        vocabulary_.Has(tail)) {
      return true;
    }
    piece.resize(end);
    return true;
  }

  PdfContent& content_;
  DocumentBuilder builder_;
  Vocabulary vocabulary_;
  size_t next_page_ = 0;
};

std::string JoinLines(const PdfParagraph& p) {
  std::string s;
  for (const PdfLine* line : p.lines) s += (s.empty() ? "" : " ") + line->text;
  s = CleanInline(s);
  // Marks of a footnote behind a title are no part of it.
  for (std::string_view mark : {"*", "\u2217", "\u2020", "\u2021"}) {
    if (s.size() > mark.size() && s.ends_with(mark))
      s = CleanInline(s.substr(0, s.size() - mark.size()));
  }
  return s;
}

// The title of the file's metadata counts when page 1 spells it; many say "untitled" or a file
// name.
std::string ChooseTitle(const PdfContent& content, const std::string& largest) {
  const auto it = content.meta.find("Title");
  if (it == content.meta.end() || it->second.size() < 8) return largest;
  Vocabulary page;
  if (!content.pages.empty()) {
    for (const PdfLine& line : content.pages[0].lines) page.AddLine(line.text + " ");
  }
  int words = 0, found = 0;
  const std::string& s = it->second;
  for (size_t i = 0; i < s.size();) {
    const size_t end = std::min(s.find_first_of(" ,:;.()/", i), s.size());
    if (end - i > 2) {
      ++words;
      found += page.Has(std::string_view(s).substr(i, end - i));
    }
    i = end + 1;
  }
  const bool spelled = words >= 2 && found * 10 >= words * 8;
  if (spelled && s.size() * 2 > largest.size()) return s;
  return largest.empty() && s.find('.') == std::string::npos ? s : largest;
}

}  // namespace

namespace {

// "D:20240517123000+02'00'", which may end anywhere behind the year, as ISO 8601 ("" for anything
// else).
std::string IsoDate(std::string_view pdf) {
  if (pdf.starts_with("D:")) pdf.remove_prefix(2);
  const size_t digits = std::min(pdf.find_first_not_of("0123456789"), pdf.size());
  if (digits < 4 || digits > 14 || digits % 2 != 0) return "";
  std::string out(pdf.substr(0, 4));
  for (size_t at = 4; at + 2 <= std::min<size_t>(digits, 8); at += 2)
    absl::StrAppend(&out, "-", pdf.substr(at, 2));
  if (digits < 12) return out;  // an hour alone is no time
  absl::StrAppend(&out, "T", pdf.substr(8, 2), ":", pdf.substr(10, 2));
  if (digits == 14) absl::StrAppend(&out, ":", pdf.substr(12, 2));
  const std::string_view zone = pdf.substr(digits);
  if (zone.starts_with('Z')) return out + "Z";
  if (zone.size() < 3 || (zone[0] != '+' && zone[0] != '-')) return out;
  return absl::StrCat(out, zone.substr(0, 3), ":", zone.size() < 6 ? "00" : zone.substr(4, 2));
}

void AddFields(text::Document& document) {
  const auto meta = [&](const char* tag) {
    const auto at = document.meta.find(tag);
    return at == document.meta.end() ? std::string_view() : std::string_view(at->second);
  };
  text::AddField("author", meta("Author"), document.fields);
  text::AddField("subject", meta("Subject"), document.fields);
  text::AddFieldList("keywords", meta("Keywords"), ",;", document.fields);
  text::AddField("created", IsoDate(meta("CreationDate")), document.fields);
  text::AddField("changed", IsoDate(meta("ModDate")), document.fields);
}

}  // namespace

text::Document LayoutPdf(PdfContent content, int64_t max_text_bytes) {
  const int dropped = DropFurniture(content.pages);
  const PdfBody body = MeasureBody(content.pages);
  std::vector<PdfParagraph> paragraphs = MakeParagraphs(content.pages, body);
  const int title = Classify(paragraphs, content.pages, body);
  const std::string largest = title < 0 ? "" : JoinLines(paragraphs[static_cast<size_t>(title)]);
  JoinBroken(paragraphs);
  text::Document document = Composer(content, max_text_bytes).Run(paragraphs);
  document.title = ChooseTitle(content, largest);
  document.meta = content.meta;
  AddFields(document);
  if (dropped > 0) document.meta["furniture_lines"] = std::to_string(dropped);
  document.warnings.insert(document.warnings.begin(), content.warnings.begin(),
                           content.warnings.end());
  return document;
}

}  // namespace weir::ingest
