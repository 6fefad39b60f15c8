#include "model/template/expression_parser.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace weir::model::jinja {

bool ExpressionParser::TakeOp(std::string_view op) {
  if (!IsOp(op)) return false;
  Take();
  return true;
}

bool ExpressionParser::TakeWord(std::string_view word) {
  if (!IsWord(word)) return false;
  Take();
  return true;
}

absl::Status ExpressionParser::Bad(std::string_view what) const {
  return absl::DataLossError(absl::StrCat("template line ", now().line, ": ", what));
}

absl::Status ExpressionParser::ExpectOp(std::string_view op) {
  return TakeOp(op) ? absl::OkStatus() : Bad(absl::StrCat("expected '", op, "'"));
}

absl::StatusOr<std::string> ExpressionParser::ExpectName() {
  if (now().kind != Lex::kName) return Bad("expected a name");
  return Take().text;
}

absl::Status ExpressionParser::CheckDepth() const {
  if (left_ > 0) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("template line ", now().line, ": nested too deeply"));
}

ExprPtr ExpressionParser::New(Expr::Kind kind) const {
  auto expr = std::make_unique<Expr>();
  expr->kind = kind;
  expr->line = now().line;
  return expr;
}

absl::StatusOr<ExprPtr> ExpressionParser::Expression() {
  WEIR_RETURN_IF_ERROR(CheckDepth());
  const Level level(*this);
  WEIR_ASSIGN_OR_RETURN(ExprPtr value, Or());
  if (!TakeWord("if")) return value;
  ExprPtr expr = New(Expr::Kind::kConditional);
  expr->parts.push_back(std::move(value));
  WEIR_ASSIGN_OR_RETURN(ExprPtr condition, Or());
  expr->parts.push_back(std::move(condition));
  if (TakeWord("else")) {
    WEIR_ASSIGN_OR_RETURN(ExprPtr otherwise, Expression());
    expr->parts.push_back(std::move(otherwise));
  }
  return expr;
}

absl::StatusOr<ExprPtr> ExpressionParser::ExpressionOrTuple() {
  WEIR_ASSIGN_OR_RETURN(ExprPtr first, Expression());
  if (!IsOp(",")) return first;
  ExprPtr tuple = New(Expr::Kind::kList);
  tuple->name = "tuple";
  tuple->parts.push_back(std::move(first));
  while (TakeOp(",")) {
    if (now().kind == Lex::kBlockEnd || now().kind == Lex::kOutputEnd || IsOp(")")) break;
    WEIR_ASSIGN_OR_RETURN(ExprPtr next, Expression());
    tuple->parts.push_back(std::move(next));
  }
  return tuple;
}

absl::StatusOr<ExprPtr> ExpressionParser::Chain(
    std::initializer_list<std::string_view> ops,
    absl::StatusOr<ExprPtr> (ExpressionParser::*next)()) {
  WEIR_ASSIGN_OR_RETURN(ExprPtr first, (this->*next)());
  ExprPtr chain;
  while (true) {
    std::string_view found;
    for (const std::string_view op : ops) {
      if (IsOp(op)) found = op;
    }
    if (found.empty()) break;
    Take();
    if (chain == nullptr) {
      chain = New(Expr::Kind::kChain);
      chain->parts.push_back(std::move(first));
    }
    WEIR_ASSIGN_OR_RETURN(ExprPtr operand, (this->*next)());
    chain->ops.emplace_back(found);
    chain->parts.push_back(std::move(operand));
  }
  if (chain == nullptr) return first;
  return chain;
}

absl::StatusOr<ExprPtr> ExpressionParser::Words(
    std::string_view word, Expr::Kind kind, absl::StatusOr<ExprPtr> (ExpressionParser::*next)()) {
  WEIR_ASSIGN_OR_RETURN(ExprPtr first, (this->*next)());
  if (!IsWord(word)) return first;
  ExprPtr expr = New(kind);
  expr->parts.push_back(std::move(first));
  while (TakeWord(word)) {
    WEIR_ASSIGN_OR_RETURN(ExprPtr operand, (this->*next)());
    expr->parts.push_back(std::move(operand));
  }
  return expr;
}

absl::StatusOr<ExprPtr> ExpressionParser::Or() {
  return Words("or", Expr::Kind::kOr, &ExpressionParser::And);
}
absl::StatusOr<ExprPtr> ExpressionParser::And() {
  return Words("and", Expr::Kind::kAnd, &ExpressionParser::Not);
}

absl::StatusOr<ExprPtr> ExpressionParser::Not() {
  if (!IsWord("not")) return Compare();
  WEIR_RETURN_IF_ERROR(CheckDepth());
  const Level level(*this);
  ExprPtr expr = New(Expr::Kind::kNot);
  Take();
  WEIR_ASSIGN_OR_RETURN(ExprPtr operand, Not());
  expr->parts.push_back(std::move(operand));
  return expr;
}

absl::StatusOr<ExprPtr> ExpressionParser::Compare() {
  WEIR_ASSIGN_OR_RETURN(ExprPtr first, Sum());
  ExprPtr expr;
  while (true) {
    std::string op;
    for (const std::string_view o : {"==", "!=", "<", "<=", ">", ">="}) {
      if (IsOp(o)) op = o;
    }
    if (IsWord("in")) op = "in";
    if (IsWord("not") && ahead().kind == Lex::kName && ahead().text == "in") {
      Take();
      op = "not in";
    }
    if (op.empty()) break;
    Take();
    if (expr == nullptr) {
      expr = New(Expr::Kind::kCompare);
      expr->parts.push_back(std::move(first));
    }
    WEIR_ASSIGN_OR_RETURN(ExprPtr operand, Sum());
    expr->ops.push_back(std::move(op));
    expr->parts.push_back(std::move(operand));
  }
  if (expr == nullptr) return first;
  return expr;
}

absl::StatusOr<ExprPtr> ExpressionParser::Sum() {
  return Chain({"+", "-"}, &ExpressionParser::Concat);
}
absl::StatusOr<ExprPtr> ExpressionParser::Concat() {
  return Chain({"~"}, &ExpressionParser::Product);
}
absl::StatusOr<ExprPtr> ExpressionParser::Product() {
  return Chain({"*", "/", "//", "%"}, &ExpressionParser::FilteredUnary);
}
absl::StatusOr<ExprPtr> ExpressionParser::FilteredUnary() { return Unary(true); }

absl::StatusOr<ExprPtr> ExpressionParser::Unary(bool filters) {
  WEIR_RETURN_IF_ERROR(CheckDepth());
  const Level level(*this);
  ExprPtr expr;
  if (IsOp("-") || IsOp("+")) {
    expr = New(IsOp("-") ? Expr::Kind::kNegate : Expr::Kind::kPlus);
    Take();
    WEIR_ASSIGN_OR_RETURN(ExprPtr operand, Unary(false));
    expr->parts.push_back(std::move(operand));
  } else {
    WEIR_ASSIGN_OR_RETURN(expr, Primary());
  }
  return Postfixes(std::move(expr), filters);
}

absl::StatusOr<ExprPtr> ExpressionParser::Literal(Value value) {
  ExprPtr expr = New(Expr::Kind::kLiteral);
  expr->literal = std::move(value);
  return expr;
}

absl::StatusOr<ExprPtr> ExpressionParser::Primary() {
  const Token token = now();
  switch (token.kind) {
    case Lex::kName: {
      Take();
      if (token.text == "true" || token.text == "True") return Literal(true);
      if (token.text == "false" || token.text == "False") return Literal(false);
      if (token.text == "none" || token.text == "None") return Literal(None{});
      ExprPtr expr = New(Expr::Kind::kName);
      expr->name = token.text;
      return expr;
    }
    case Lex::kString: {
      std::string text;
      while (now().kind == Lex::kString) text += Take().text;  // neighbours join, as in Python
      return Literal(std::move(text));
    }
    case Lex::kInteger: {
      int64_t number = 0;
      if (!absl::SimpleAtoi(token.text, &number)) return Bad("integer out of range");
      Take();
      return Literal(number);
    }
    case Lex::kReal: {
      double number = 0;
      if (!absl::SimpleAtod(token.text, &number)) return Bad("number");
      Take();
      return Literal(number);
    }
    default:
      break;
  }
  if (TakeOp("(")) {
    if (TakeOp(")")) {
      ExprPtr empty = New(Expr::Kind::kList);
      empty->name = "tuple";
      return empty;
    }
    WEIR_ASSIGN_OR_RETURN(ExprPtr inside, ExpressionOrTuple());
    WEIR_RETURN_IF_ERROR(ExpectOp(")"));
    return inside;
  }
  if (TakeOp("[")) return Sequence(Expr::Kind::kList, "]");
  if (TakeOp("{")) return Sequence(Expr::Kind::kDict, "}");
  return Bad("expected an expression");
}

absl::StatusOr<ExprPtr> ExpressionParser::Sequence(Expr::Kind kind, std::string_view close) {
  ExprPtr expr = New(kind);
  while (!TakeOp(close)) {
    if (!expr->parts.empty()) {
      WEIR_RETURN_IF_ERROR(ExpectOp(","));
      if (TakeOp(close)) break;
    }
    WEIR_ASSIGN_OR_RETURN(ExprPtr item, Expression());
    expr->parts.push_back(std::move(item));
    if (kind != Expr::Kind::kDict) continue;
    WEIR_RETURN_IF_ERROR(ExpectOp(":"));
    WEIR_ASSIGN_OR_RETURN(ExprPtr value, Expression());
    expr->parts.push_back(std::move(value));
  }
  return expr;
}

absl::StatusOr<ExprPtr> ExpressionParser::Postfixes(ExprPtr base, bool filters) {
  ExprPtr expr;
  const auto add = [&](Postfix postfix) {
    if (expr == nullptr) {
      expr = New(Expr::Kind::kPostfix);
      expr->parts.push_back(std::move(base));
    }
    expr->postfixes.push_back(std::move(postfix));
  };
  bool filtered = false;  // after a filter or test only calls, filters and tests may follow
  while (true) {
    if (!filtered && TakeOp(".")) {
      Postfix p(Postfix::Kind::kAttribute);
      if (now().kind == Lex::kInteger) {  // Jinja2 reads x.0 as x[0]
        p.kind = Postfix::Kind::kIndex;
        WEIR_ASSIGN_OR_RETURN(p.parts[0], Primary());
      } else {
        WEIR_ASSIGN_OR_RETURN(p.name, ExpectName());
      }
      add(std::move(p));
    } else if (!filtered && TakeOp("[")) {
      WEIR_ASSIGN_OR_RETURN(Postfix p, Subscript());
      add(std::move(p));
    } else if (TakeOp("(")) {
      Postfix p(Postfix::Kind::kCall);
      WEIR_ASSIGN_OR_RETURN(p.arguments, CallArguments());
      add(std::move(p));
    } else if (filters && TakeOp("|")) {
      WEIR_ASSIGN_OR_RETURN(Postfix p, Filter());
      add(std::move(p));
      filtered = true;
    } else if (filters && TakeWord("is")) {
      WEIR_ASSIGN_OR_RETURN(Postfix p, Test());
      add(std::move(p));
      filtered = true;
    } else {
      break;
    }
  }
  return expr == nullptr ? std::move(base) : std::move(expr);
}

absl::StatusOr<Postfix> ExpressionParser::Subscript() {
  Postfix p(Postfix::Kind::kIndex);
  int part = 0;
  while (!IsOp("]")) {
    if (TakeOp(":")) {
      p.kind = Postfix::Kind::kSlice;
      if (++part > 2) return Bad("slice of more than three parts");
      continue;
    }
    if (p.parts[part] != nullptr) return Bad("expected ']'");
    WEIR_ASSIGN_OR_RETURN(p.parts[part], Expression());
  }
  WEIR_RETURN_IF_ERROR(ExpectOp("]"));
  if (p.kind == Postfix::Kind::kIndex && p.parts[0] == nullptr) return Bad("expected an index");
  return p;
}

absl::StatusOr<Arguments> ExpressionParser::CallArguments() {
  Arguments arguments;
  bool first = true;
  while (!TakeOp(")")) {
    if (!first) {
      WEIR_RETURN_IF_ERROR(ExpectOp(","));
      if (TakeOp(")")) break;
    }
    first = false;
    if (IsOp("*") || IsOp("**")) {
      return absl::UnimplementedError(
          absl::StrCat("template line ", now().line, ": unpacking of arguments"));
    }
    std::string name;
    if (now().kind == Lex::kName && ahead().kind == Lex::kOperator && ahead().text == "=") {
      name = Take().text;
      Take();
    }
    WEIR_ASSIGN_OR_RETURN(ExprPtr value, Expression());
    if (!name.empty()) {
      arguments.named.emplace_back(std::move(name), std::move(value));
    } else if (!arguments.named.empty()) {
      return Bad("positional argument after a named one");
    } else {
      arguments.positional.push_back(std::move(value));
    }
  }
  return arguments;
}

absl::StatusOr<Postfix> ExpressionParser::Filter() {
  Postfix p(Postfix::Kind::kFilter);
  WEIR_ASSIGN_OR_RETURN(p.name, ExpectName());
  if (TakeOp("(")) {
    WEIR_ASSIGN_OR_RETURN(p.arguments, CallArguments());
  }
  return p;
}

absl::StatusOr<Postfix> ExpressionParser::Test() {
  Postfix p(Postfix::Kind::kTest);
  p.negated = TakeWord("not");
  WEIR_ASSIGN_OR_RETURN(p.name, ExpectName());
  if (TakeOp("(")) {
    WEIR_ASSIGN_OR_RETURN(p.arguments, CallArguments());
    return p;
  }
  const bool word = now().kind == Lex::kName && !IsWord("else") && !IsWord("or") &&
                    !IsWord("and") && !IsWord("if") && !IsWord("is") && !IsWord("in") &&
                    !IsWord("not");
  if (word || now().kind == Lex::kString || now().kind == Lex::kInteger ||
      now().kind == Lex::kReal || IsOp("[") || IsOp("{")) {
    WEIR_ASSIGN_OR_RETURN(ExprPtr argument, Unary(false));
    p.arguments.positional.push_back(std::move(argument));
  }
  return p;
}

}  // namespace weir::model::jinja
