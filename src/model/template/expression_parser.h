// Expressions of the template language, by recursive descent (Jinja2's precedence: conditional, or,
// and, not, comparisons, + -, ~, * / // %, unary, postfix).
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "model/template/ast.h"
#include "model/template/lexer.h"

namespace weir::model::jinja {

class ExpressionParser {
 public:
  ExpressionParser(std::vector<Token> tokens, int depth)
      : tokens_(std::move(tokens)), left_(depth) {}

  absl::StatusOr<ExprPtr> Expression();  // with "x if c else y"
  absl::StatusOr<ExprPtr> ExpressionOrTuple();
  absl::StatusOr<ExprPtr> Or();          // without the conditional, for the source of a loop
  absl::StatusOr<Postfix> Filter();      // past '|'

  const Token& now() const { return tokens_[at_]; }
  const Token& ahead() const { return tokens_[at_ + 1 < tokens_.size() ? at_ + 1 : at_]; }
  Token Take() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  bool IsOp(std::string_view op) const { return now().kind == Lex::kOperator && now().text == op; }
  bool IsWord(std::string_view word) const {
    return now().kind == Lex::kName && now().text == word;
  }
  bool TakeOp(std::string_view op);
  bool TakeWord(std::string_view word);
  absl::Status ExpectOp(std::string_view op);
  absl::StatusOr<std::string> ExpectName();
  absl::Status Bad(std::string_view what) const;

  // Counts one level of nesting while it lives.
  class Level {
   public:
    explicit Level(ExpressionParser& parser) : parser_(parser) { --parser_.left_; }
    ~Level() { ++parser_.left_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    ExpressionParser& parser_;
  };
  absl::Status CheckDepth() const;

 private:
  ExprPtr New(Expr::Kind kind) const;
  // A rule whose operands are joined by any of `ops` at one precedence.
  absl::StatusOr<ExprPtr> Chain(std::initializer_list<std::string_view> ops,
                                absl::StatusOr<ExprPtr> (ExpressionParser::*next)());
  absl::StatusOr<ExprPtr> Words(std::string_view word, Expr::Kind kind,
                                absl::StatusOr<ExprPtr> (ExpressionParser::*next)());
  absl::StatusOr<ExprPtr> And();
  absl::StatusOr<ExprPtr> Not();
  absl::StatusOr<ExprPtr> Compare();
  absl::StatusOr<ExprPtr> Sum();
  absl::StatusOr<ExprPtr> Concat();
  absl::StatusOr<ExprPtr> Product();
  absl::StatusOr<ExprPtr> FilteredUnary();
  absl::StatusOr<ExprPtr> Unary(bool filters);
  absl::StatusOr<ExprPtr> Primary();
  absl::StatusOr<ExprPtr> Postfixes(ExprPtr base, bool filters);
  absl::StatusOr<Postfix> Subscript();
  absl::StatusOr<Postfix> Test();
  absl::StatusOr<Arguments> CallArguments();
  absl::StatusOr<ExprPtr> Sequence(Expr::Kind kind, std::string_view close);
  absl::StatusOr<ExprPtr> Literal(Value value);

  std::vector<Token> tokens_;
  size_t at_ = 0;
  int left_;  // levels of nesting still allowed
};

}  // namespace weir::model::jinja
