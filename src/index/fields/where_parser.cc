#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "index/fields/where.h"
#include "text/fields.h"
#include "text/unicode.h"

namespace weir::index {
namespace {

enum class TokenKind { kEnd, kWord, kQuoted, kOpen, kClose, kComma, kOperator };

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text;  // of a quoted one: what is inside
  size_t at = 0;
};

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

constexpr std::string_view kMarks = "(),!=<>~\"'";

class Tokens {
 public:
  explicit Tokens(std::string_view text) : text_(text) {}

  absl::Status Split(std::vector<Token>& out) {
    for (size_t at = 0; at < text_.size();) {
      if (IsSpace(text_[at])) {
        ++at;
        continue;
      }
      Token token;
      token.at = at;
      if (text_[at] == '"' || text_[at] == '\'') {
        WEIR_RETURN_IF_ERROR(Quoted(at, token));
      } else if (kMarks.find(text_[at]) == kMarks.npos) {
        token.kind = TokenKind::kWord;
        while (at < text_.size() && !IsSpace(text_[at]) && kMarks.find(text_[at]) == kMarks.npos)
          token.text.push_back(text_[at++]);
      } else {
        WEIR_RETURN_IF_ERROR(Mark(at, token));
      }
      out.push_back(std::move(token));
    }
    out.push_back({TokenKind::kEnd, "", text_.size()});
    return absl::OkStatus();
  }

 private:
  absl::Status Quoted(size_t& at, Token& token) {
    const size_t begin = at;
    const char quote = text_[at++];
    token.kind = TokenKind::kQuoted;
    for (; at < text_.size() && text_[at] != quote; ++at) {
      const bool escape = text_[at] == '\\' && at + 1 < text_.size() &&
                          (text_[at + 1] == quote || text_[at + 1] == '\\');
      at += escape;
      token.text.push_back(text_[at]);
    }
    if (at >= text_.size()) return WhereError(text_, begin, "this quote is not closed");
    ++at;
    return absl::OkStatus();
  }

  absl::Status Mark(size_t& at, Token& token) {
    const char c = text_[at];
    const bool equals = at + 1 < text_.size() && text_[at + 1] == '=';
    token.kind = c == '(' ? TokenKind::kOpen
               : c == ')' ? TokenKind::kClose
               : c == ',' ? TokenKind::kComma
                          : TokenKind::kOperator;
    if (c == '!' && !equals)
      return WhereError(text_, at, "\"!\" alone means nothing here; expected != or not");
    const size_t length = equals && (c == '!' || c == '<' || c == '>') ? 2 : 1;
    token.text = std::string(text_.substr(at, length));
    at += length;
    return absl::OkStatus();
  }

  std::string_view text_;
};

class Parser {
 public:
  Parser(std::string_view text, std::vector<Token> tokens)
      : text_(text), tokens_(std::move(tokens)) {
    where_.text = std::string(text);
  }

  absl::StatusOr<Where> Run() {
    if (tokens_.size() == 1) return Error(tokens_[0], "the expression is empty");
    WEIR_RETURN_IF_ERROR(Any(0).status());
    if (Next().kind == TokenKind::kClose)
      return Error(Next(), "this parenthesis closes none");
    if (Next().kind != TokenKind::kEnd)
      return Error(Next(), absl::StrCat("expected and, or, or the end", Found()));
    return std::move(where_);
  }

 private:
  const Token& Next() const { return tokens_[at_]; }
  Token Take() {
    Token token = tokens_[at_];
    if (token.kind != TokenKind::kEnd) ++at_;
    return token;
  }
  bool IsWord(const Token& token, std::string_view word) const {
    return token.kind == TokenKind::kWord && absl::EqualsIgnoreCase(token.text, word);
  }
  bool TakeWord(std::string_view word) {
    if (!IsWord(Next(), word)) return false;
    ++at_;
    return true;
  }
  absl::Status Error(const Token& token, std::string_view message) const {
    return WhereError(text_, token.at, message);
  }
  std::string Found() const {
    if (Next().kind == TokenKind::kEnd) return "; found the end";
    return absl::StrCat("; found \"", text::CutUtf8(Next().text, 40), "\"");
  }
  size_t Add(WhereNode node) {
    where_.nodes.push_back(std::move(node));
    return where_.nodes.size() - 1;
  }

  absl::StatusOr<size_t> Joined(int depth, bool any) {
    WhereNode node{any ? WhereNode::Kind::kAny : WhereNode::Kind::kAll, 0, {}};
    do {
      WEIR_ASSIGN_OR_RETURN(const size_t child, any ? Joined(depth, false) : One(depth));
      node.children.push_back(child);
    } while (TakeWord(any ? "or" : "and"));
    return node.children.size() == 1 ? node.children[0] : Add(std::move(node));
  }
  absl::StatusOr<size_t> Any(int depth) { return Joined(depth, true); }

  absl::StatusOr<size_t> One(int depth) {
    if (depth >= kMaxWhereDepth) {
      return Error(Next(),
                   absl::StrCat("more than ", kMaxWhereDepth, " levels in each other"));
    }
    if (TakeWord("not")) {
      WEIR_ASSIGN_OR_RETURN(const size_t child, One(depth + 1));
      return Add({WhereNode::Kind::kNot, 0, {child}});
    }
    if (Next().kind == TokenKind::kOpen) {
      const Token open = Take();
      WEIR_ASSIGN_OR_RETURN(const size_t inside, Any(depth + 1));
      if (Next().kind == TokenKind::kEnd) return Error(open, "this parenthesis is not closed");
      if (Next().kind != TokenKind::kClose)
        return Error(Next(), absl::StrCat("expected and, or, or \")\"", Found()));
      Take();
      return inside;
    }
    return Test();
  }

  absl::Status Name(WhereTest& test) {
    const Token name = Next();
    if (name.kind != TokenKind::kWord && name.kind != TokenKind::kQuoted)
      return Error(name, absl::StrCat("expected the name of a field", Found()));
    test.at = name.at;
    test.field = text::FieldName(name.text);
    if (test.field.empty()) return Error(name, "no field has such a name");
    Take();
    return absl::OkStatus();
  }

  absl::StatusOr<size_t> Test() {
    if (where_.tests.size() >= kMaxWhereTests)
      return Error(Next(), absl::StrCat("more than ", kMaxWhereTests, " tests"));
    WhereTest test;
    bool negated = false;
    SplitAtColon();
    const bool has = IsWord(Next(), "has") && tokens_[at_ + 1].kind != TokenKind::kOperator;
    if (has) Take();
    WEIR_RETURN_IF_ERROR(Name(test));
    test.operator_at = Next().at;
    if (!has) WEIR_RETURN_IF_ERROR(Comparison(test, negated));
    where_.tests.push_back(std::move(test));
    size_t node = Add({WhereNode::Kind::kTest, where_.tests.size() - 1, {}});
    if (negated) node = Add({WhereNode::Kind::kNot, 0, {node}});
    return node;
  }

  bool IsOperator(const Token& token) const {
    return token.kind == TokenKind::kOperator || IsWord(token, "in") || IsWord(token, "not");
  }
  // "title:weir" and "title :weir" as three words; names before another operator keep colons.
  void SplitAtColon() {
    size_t word = at_;
    if (Next().kind == TokenKind::kQuoted) ++word;
    if (Next().kind == TokenKind::kWord && Next().text.find(':') == std::string::npos) ++word;
    if (tokens_[word].kind != TokenKind::kWord) return;
    const Token whole = tokens_[word];
    const size_t colon = whole.text.find(':');
    if (colon == std::string::npos || (word > at_ && colon > 0)) return;
    if (word == at_ && (colon == 0 || IsOperator(tokens_[word + 1])) &&
        !(colon + 1 == whole.text.size() && tokens_[word + 1].kind == TokenKind::kOperator)) {
      return;
    }
    std::vector<Token> parts;
    if (colon > 0) parts.push_back({TokenKind::kWord, whole.text.substr(0, colon), whole.at});
    parts.push_back({TokenKind::kOperator, ":", whole.at + colon});
    if (colon + 1 < whole.text.size()) {
      parts.push_back(
          {TokenKind::kWord, whole.text.substr(colon + 1), whole.at + colon + 1});
    }
    const auto at = tokens_.erase(tokens_.begin() + static_cast<long>(word));
    tokens_.insert(at, parts.begin(), parts.end());
  }

  absl::Status Comparison(WhereTest& test, bool& negated) {
    if (IsWord(Next(), "in") || (IsWord(Next(), "not") && IsWord(tokens_[at_ + 1], "in"))) {
      negated = TakeWord("not");
      TakeWord("in");
      return List(test);
    }
    if (Next().kind != TokenKind::kOperator) {
      return Error(Next(), absl::StrCat("expected = != < <= > >= ~ or in behind the field \"",
                                        test.field, "\"", Found()));
    }
    std::string op = Take().text;
    if (op == ":" && Next().kind == TokenKind::kOperator) op = Take().text;
    negated = op == "!=";
    test.op = op == "<"    ? WhereOperator::kLess
              : op == "<=" ? WhereOperator::kLessEqual
              : op == ">"  ? WhereOperator::kGreater
              : op == ">=" ? WhereOperator::kGreaterEqual
              : op == "~"  ? WhereOperator::kContains
              : op == ":"  ? WhereOperator::kWords
                           : WhereOperator::kEqual;
    return Value(test);
  }

  absl::Status List(WhereTest& test) {
    test.op = WhereOperator::kEqual;
    const Token open = Take();
    if (open.kind != TokenKind::kOpen) return Error(open, "expected \"(\" behind in");
    do {
      WEIR_RETURN_IF_ERROR(Value(test));
      if (Next().kind == TokenKind::kEnd) return Error(open, "this parenthesis is not closed");
      if (Next().kind != TokenKind::kComma && Next().kind != TokenKind::kClose)
        return Error(Next(), absl::StrCat("expected \",\" or \")\"", Found()));
    } while (Take().kind == TokenKind::kComma);
    return absl::OkStatus();
  }

  absl::Status Value(WhereTest& test) {
    const Token token = Next();
    if (token.kind != TokenKind::kWord && token.kind != TokenKind::kQuoted)
      return Error(token, absl::StrCat("expected a value", Found()));
    if (++values_ > kMaxWhereValues)
      return Error(token, absl::StrCat("more than ", kMaxWhereValues, " values"));
    Take();
    WhereRange range;
    const size_t dots = token.kind == TokenKind::kWord ? token.text.find("..") : token.text.npos;
    const bool text = test.op == WhereOperator::kContains ||
                      (test.op == WhereOperator::kWords &&
                       token.text.find_first_not_of("0123456789.-+:TZ") != token.text.npos);
    if (dots == token.text.npos || text) {
      range.low = range.high = Read(token.text, token.kind == TokenKind::kQuoted, token.at);
      range.single = true;
    } else {
      const std::string low = token.text.substr(0, dots), high = token.text.substr(dots + 2);
      if (test.op != WhereOperator::kEqual && test.op != WhereOperator::kWords)
        return Error(token, "a range goes with =, != and in only");
      if ((low.empty() && high.empty()) || high.starts_with('.') ||
          high.find("..") != high.npos) {
        return Error(token, "expected a range as 1..2, 1.. or ..2; quote text with dots");
      }
      if (!low.empty()) range.low = Read(low, false, token.at);
      if (!high.empty()) range.high = Read(high, false, token.at + dots + 2);
    }
    test.values.push_back(std::move(range));
    return absl::OkStatus();
  }

  static WhereValue Read(const std::string& text, bool quoted, size_t at) {
    WhereValue out{text, ReadValue(text), "", quoted, at};
    if (const auto date = ParseDate(text); !date.ok()) out.problem = date.status().message();
    // Quotes ask for text. A date with a space in it needs them.
    if (quoted && out.value.number.has_value()) out.value.date.reset();
    if (quoted) out.value.number.reset();
    return out;
  }

  std::string_view text_;
  std::vector<Token> tokens_;
  size_t at_ = 0, values_ = 0;
  Where where_;
};

}  // namespace

absl::Status WhereError(std::string_view text, size_t at, std::string_view message) {
  constexpr size_t kBefore = 48, kShown = 96;  // bytes of the expression
  size_t begin = at > kBefore ? at - kBefore : 0;
  while (begin > 0 && begin < text.size() && (text[begin] & 0xC0) == 0x80) ++begin;
  std::string shown(text::CutUtf8(text.substr(begin), kShown));
  size_t column = 0;  // in code points
  for (size_t i = begin; i < at && i < text.size(); ++i) column += (text[i] & 0xC0) != 0x80;
  for (char& c : shown) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return absl::InvalidArgumentError(
      absl::StrCat("where: ", message, "\n  ", shown, "\n  ", std::string(column, ' '), "^"));
}

absl::StatusOr<Where> ParseWhere(std::string_view text) {
  if (text.size() > kMaxWhereBytes) {
    return absl::InvalidArgumentError(absl::StrCat("where: an expression of ", text.size(),
                                                   " bytes; at most ", kMaxWhereBytes));
  }
  if (!text::IsValidUtf8(text)) return absl::InvalidArgumentError("where: not valid UTF-8");
  std::vector<Token> tokens;
  WEIR_RETURN_IF_ERROR(Tokens(text).Split(tokens));
  return Parser(text, std::move(tokens)).Run();
}

}  // namespace weir::index
