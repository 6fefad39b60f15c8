#include "model/template/lexer.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "text/unicode.h"

namespace weir::model::jinja {
namespace {

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsNameStart(char c) {
  return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c & 0x80) != 0;
}

// CR and CRLF become LF, and one newline at the end goes, as in Jinja2.
std::string Lines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out += source[i];
    }
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

int Hex(char c) {
  if (IsDigit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

class Lexer {
 public:
  explicit Lexer(std::string source) : s_(std::move(source)) {}

  absl::StatusOr<std::vector<Token>> Run() {
    while (at_ < s_.size()) {
      const size_t open = FindOpen(at_);
      if (open == std::string::npos) {
        Text(at_, s_.size());
        break;
      }
      WEIR_RETURN_IF_ERROR(Tag(open));
    }
    Add(Lex::kEnd, "");
    return std::move(tokens_);
  }

 private:
  void Add(Lex kind, std::string text) { tokens_.push_back({kind, std::move(text), line_}); }

  void Advance(size_t to) {
    line_ += static_cast<int>(std::count(s_.begin() + at_, s_.begin() + to, '\n'));
    at_ = to;
  }

  absl::Status Bad(std::string_view what) const {
    return absl::DataLossError(absl::StrCat("template line ", line_, ": ", what));
  }

  size_t FindOpen(size_t from) const {
    for (size_t i = s_.find('{', from); i != std::string::npos; i = s_.find('{', i + 1)) {
      if (i + 1 < s_.size() && (s_[i + 1] == '{' || s_[i + 1] == '%' || s_[i + 1] == '#')) return i;
    }
    return std::string::npos;
  }

  void Text(size_t begin, size_t end) {
    if (begin < end) Add(Lex::kText, s_.substr(begin, end - begin));
  }

  // The text before a tag at `open`, less what the tag strips.
  void TextBefore(size_t open, char kind, char sign) {
    size_t end = open;
    if (sign == '-') {
      while (end > at_ && IsSpace(s_[end - 1])) --end;
    } else if (sign != '+' && kind != '{') {
      size_t line = end;
      while (line > at_ && s_[line - 1] != '\n') --line;
      const bool starts_line = line > at_ || line_starting_;
      const bool blank = std::all_of(s_.begin() + line, s_.begin() + end, IsSpace);
      if (starts_line && blank) end = line;
    }
    Text(at_, end);
  }

  // Past the closing mark at `end` (two bytes), and what it strips.
  void Close(size_t end, bool minus, bool plus, bool trims) {
    size_t next = end + 2;
    if (minus) {
      while (next < s_.size() && IsSpace(s_[next])) ++next;
    } else if (trims && !plus && next < s_.size() && s_[next] == '\n') {
      ++next;
    }
    line_starting_ = s_[next - 1] == '\n';
    Advance(next);
  }

  absl::Status Tag(size_t open) {
    const char kind = s_[open + 1];
    const char sign = open + 2 < s_.size() && (s_[open + 2] == '-' || s_[open + 2] == '+')
                          ? s_[open + 2]
                          : ' ';
    TextBefore(open, kind, sign);
    Advance(open + (sign == ' ' ? 2 : 3));
    if (kind == '#') return Comment();
    if (kind == '%' && StartsRaw()) return Raw();
    Add(kind == '{' ? Lex::kOutputBegin : Lex::kBlockBegin, "");
    return Inside(kind);
  }

  absl::Status Comment() {
    const size_t end = s_.find("#}", at_);
    if (end == std::string::npos) return Bad("comment without end");
    Close(end, end > at_ && s_[end - 1] == '-', end > at_ && s_[end - 1] == '+', true);
    return absl::OkStatus();
  }

  // The end of "raw [-+]%}" at `from`, or npos; `word` is raw or endraw.
  size_t WordTagEnd(size_t from, std::string_view word) const {
    while (from < s_.size() && IsSpace(s_[from])) ++from;
    if (s_.compare(from, word.size(), word) != 0) return std::string::npos;
    from += word.size();
    while (from < s_.size() && IsSpace(s_[from])) ++from;
    if (from < s_.size() && (s_[from] == '-' || s_[from] == '+')) ++from;
    return s_.compare(from, 2, "%}") == 0 ? from : std::string::npos;
  }

  bool StartsRaw() const { return WordTagEnd(at_, "raw") != std::string::npos; }

  absl::Status Raw() {
    const size_t end = WordTagEnd(at_, "raw");
    Close(end, s_[end - 1] == '-', s_[end - 1] == '+', true);
    for (size_t i = s_.find("{%", at_); i != std::string::npos; i = s_.find("{%", i + 2)) {
      const bool signed_tag = i + 2 < s_.size() && (s_[i + 2] == '-' || s_[i + 2] == '+');
      const size_t close = WordTagEnd(i + (signed_tag ? 3 : 2), "endraw");
      if (close == std::string::npos) continue;
      TextBefore(i, '%', signed_tag ? s_[i + 2] : ' ');
      Advance(close);
      Close(close, s_[close - 1] == '-', s_[close - 1] == '+', true);
      return absl::OkStatus();
    }
    return Bad("raw without endraw");
  }

  absl::Status Inside(char kind) {
    const std::string_view close = kind == '{' ? "}}" : "%}";
    std::string brackets;
    while (true) {
      size_t next = at_;
      while (next < s_.size() && IsSpace(s_[next])) ++next;
      Advance(next);
      if (at_ >= s_.size()) return Bad("tag without end");
      if (brackets.empty()) {
        const bool sign = s_[at_] == '-' || (s_[at_] == '+' && kind == '%');
        const size_t mark = at_ + (sign ? 1 : 0);
        if (s_.compare(mark, 2, close) == 0) {
          Add(kind == '{' ? Lex::kOutputEnd : Lex::kBlockEnd, "");
          Close(mark, sign && s_[at_] == '-', sign && s_[at_] == '+', kind == '%');
          return absl::OkStatus();
        }
      }
      WEIR_RETURN_IF_ERROR(One(brackets));
    }
  }

  absl::Status One(std::string& brackets) {
    const char c = s_[at_];
    if (IsNameStart(c)) {
      size_t end = at_;
      while (end < s_.size() && (IsNameStart(s_[end]) || IsDigit(s_[end]))) ++end;
      Add(Lex::kName, s_.substr(at_, end - at_));
      Advance(end);
      return absl::OkStatus();
    }
    if (IsDigit(c)) return Number();
    if (c == '\'' || c == '"') return String(c);
    for (const std::string_view op : {"//", "**", "==", "!=", ">=", "<="}) {
      if (s_.compare(at_, 2, op) == 0) {
        Add(Lex::kOperator, std::string(op));
        Advance(at_ + 2);
        return absl::OkStatus();
      }
    }
    if (std::string_view("+-/*%~[](){}<>=.:|,").find(c) == std::string_view::npos) {
      return Bad("unexpected character");
    }
    if (c == '(' || c == '[' || c == '{') brackets += c;
    if (c == ')' || c == ']' || c == '}') {
      const char want = c == ')' ? '(' : c == ']' ? '[' : '{';
      if (brackets.empty() || brackets.back() != want) return Bad("unbalanced bracket");
      brackets.pop_back();
    }
    Add(Lex::kOperator, std::string(1, c));
    Advance(at_ + 1);
    return absl::OkStatus();
  }

  absl::Status Number() {
    size_t end = at_;
    bool real = false;
    while (end < s_.size() && (IsDigit(s_[end]) || s_[end] == '_')) ++end;
    if (end + 1 < s_.size() && s_[end] == '.' && IsDigit(s_[end + 1])) {
      real = true;
      ++end;
      while (end < s_.size() && IsDigit(s_[end])) ++end;
    }
    if (end < s_.size() && (s_[end] == 'e' || s_[end] == 'E')) {
      size_t digits = end + 1;
      if (digits < s_.size() && (s_[digits] == '+' || s_[digits] == '-')) ++digits;
      if (digits < s_.size() && IsDigit(s_[digits])) {
        real = true;
        end = digits;
        while (end < s_.size() && IsDigit(s_[end])) ++end;
      }
    }
    std::string text = s_.substr(at_, end - at_);
    std::erase(text, '_');
    Add(real ? Lex::kReal : Lex::kInteger, std::move(text));
    Advance(end);
    return absl::OkStatus();
  }

  absl::Status String(char quote) {
    std::string value;
    size_t i = at_ + 1;
    while (i < s_.size() && s_[i] != quote) {
      if (s_[i] != '\\') {
        value += s_[i++];
        continue;
      }
      if (i + 1 >= s_.size()) return Bad("string without end");
      WEIR_RETURN_IF_ERROR(Escape(i, value));
    }
    if (i >= s_.size()) return Bad("string without end");
    Add(Lex::kString, std::move(value));
    Advance(i + 1);
    return absl::OkStatus();
  }

  // The escape at i, as in a Python string; moves i past it.
  absl::Status Escape(size_t& i, std::string& value) {
    const char c = s_[i + 1];
    i += 2;
    constexpr std::string_view kPlain = "\\'\"abfnrtv\n";
    constexpr std::string_view kMeaning = "\\'\"\a\b\f\n\r\t\v";
    const size_t at = kPlain.find(c);
    if (at != std::string_view::npos) {
      if (c != '\n') value += kMeaning[at];
      return absl::OkStatus();
    }
    const int digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (digits > 0) {
      uint32_t code = 0;
      for (int k = 0; k < digits; ++k, ++i) {
        const int h = i < s_.size() ? Hex(s_[i]) : -1;
        if (h < 0) return Bad("incomplete escape");
        code = code << 4 | static_cast<uint32_t>(h);
      }
      text::AppendUtf8(code, value);
      return absl::OkStatus();
    }
    if (c >= '0' && c <= '7') {
      uint32_t code = c - '0';
      for (int k = 0; k < 2 && i < s_.size() && s_[i] >= '0' && s_[i] <= '7'; ++k) {
        code = code * 8 + (s_[i++] - '0');
      }
      text::AppendUtf8(code, value);
      return absl::OkStatus();
    }
    value += '\\';
    value += c;
    return absl::OkStatus();
  }

  std::string s_;
  size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

absl::StatusOr<std::vector<Token>> Tokenize(std::string_view source) {
  return Lexer(Lines(source)).Run();
}

}  // namespace weir::model::jinja
