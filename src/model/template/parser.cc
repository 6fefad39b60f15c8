#include "model/template/parser.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "model/quoted.h"
#include "model/template/expression_parser.h"
#include "model/template/lexer.h"

namespace weir::model::jinja {
namespace {

class Parser {
 public:
  Parser(std::vector<Token> tokens, int depth) : in_(std::move(tokens), depth) {}

  absl::StatusOr<std::vector<NodePtr>> Run() {
    WEIR_ASSIGN_OR_RETURN(std::vector<NodePtr> body, Body({}));
    if (in_.now().kind != Lex::kEnd) return in_.Bad("unexpected end tag");
    return body;
  }

 private:
  using Ends = std::initializer_list<std::string_view>;

  NodePtr New(Node::Kind kind) const {
    auto node = std::make_unique<Node>();
    node->kind = kind;
    node->line = in_.now().line;
    return node;
  }

  bool AtEnd(Ends ends) const {
    if (in_.now().kind != Lex::kBlockBegin || in_.ahead().kind != Lex::kName) return false;
    for (const std::string_view end : ends) {
      if (in_.ahead().text == end) return true;
    }
    return false;
  }

  // Nodes up to one of the block tags `ends` (not taken) or the end of the source.
  absl::StatusOr<std::vector<NodePtr>> Body(Ends ends) {
    WEIR_RETURN_IF_ERROR(in_.CheckDepth());
    const ExpressionParser::Level level(in_);
    std::vector<NodePtr> nodes;
    while (in_.now().kind != Lex::kEnd && !AtEnd(ends)) {
      if (in_.now().kind == Lex::kText) {
        NodePtr node = New(Node::Kind::kText);
        node->text = in_.Take().text;
        nodes.push_back(std::move(node));
      } else if (in_.now().kind == Lex::kOutputBegin) {
        NodePtr node = New(Node::Kind::kOutput);
        in_.Take();
        WEIR_ASSIGN_OR_RETURN(node->expr, in_.ExpressionOrTuple());
        if (in_.now().kind != Lex::kOutputEnd) return in_.Bad("expected '}}'");
        in_.Take();
        nodes.push_back(std::move(node));
      } else if (in_.now().kind == Lex::kBlockBegin) {
        WEIR_RETURN_IF_ERROR(Statement(nodes));
      } else {
        return in_.Bad("unexpected token");
      }
    }
    return nodes;
  }

  absl::Status BlockEnd() {
    if (in_.now().kind != Lex::kBlockEnd) return in_.Bad("expected '%}'");
    in_.Take();
    return absl::OkStatus();
  }

  // "{% word %}"
  absl::Status Closing(std::string_view word) {
    if (in_.now().kind != Lex::kBlockBegin) return in_.Bad(absl::StrCat("expected ", word));
    in_.Take();
    if (!in_.TakeWord(word)) return in_.Bad(absl::StrCat("expected ", word));
    return BlockEnd();
  }

  absl::Status Statement(std::vector<NodePtr>& nodes) {
    in_.Take();
    NodePtr node = New(Node::Kind::kIf);
    WEIR_ASSIGN_OR_RETURN(const std::string word, in_.ExpectName());
    if (word == "if") {
      WEIR_RETURN_IF_ERROR(If(*node));
    } else if (word == "for") {
      WEIR_RETURN_IF_ERROR(For(*node));
    } else if (word == "set") {
      WEIR_RETURN_IF_ERROR(Set(*node));
    } else if (word == "macro") {
      WEIR_RETURN_IF_ERROR(Macro(*node));
    } else if (word == "break" || word == "continue") {
      if (loops_ == 0) return in_.Bad(absl::StrCat(word, " outside a loop"));
      node->kind = word == "break" ? Node::Kind::kBreak : Node::Kind::kContinue;
      WEIR_RETURN_IF_ERROR(BlockEnd());
    // marks what a model wrote, for training; the text is the same
    } else if (word == "generation") {
      WEIR_RETURN_IF_ERROR(BlockEnd());
      WEIR_ASSIGN_OR_RETURN(std::vector<NodePtr> body, Body({"endgeneration"}));
      for (NodePtr& inner : body) nodes.push_back(std::move(inner));
      return Closing("endgeneration");
    } else if (word.starts_with("end") || word == "else" || word == "elif") {
      return in_.Bad(absl::StrCat("unexpected ", Quoted(word)));
    } else {
      return absl::UnimplementedError(
          absl::StrCat("template line ", node->line, ": statement ", Quoted(word)));
    }
    nodes.push_back(std::move(node));
    return absl::OkStatus();
  }

  absl::Status If(Node& node) {
    while (true) {
      Branch branch;
      WEIR_ASSIGN_OR_RETURN(branch.condition, in_.ExpressionOrTuple());
      WEIR_RETURN_IF_ERROR(BlockEnd());
      WEIR_ASSIGN_OR_RETURN(branch.body, Body({"elif", "else", "endif"}));
      node.branches.push_back(std::move(branch));
      if (!AtEnd({"elif"})) break;
      in_.Take();
      in_.Take();
    }
    if (AtEnd({"else"})) {
      WEIR_RETURN_IF_ERROR(Closing("else"));
      Branch branch;
      WEIR_ASSIGN_OR_RETURN(branch.body, Body({"endif"}));
      node.branches.push_back(std::move(branch));
    }
    return Closing("endif");
  }

  absl::Status Targets(Node& node) {
    const bool bracket = in_.TakeOp("(");
    do {
      WEIR_ASSIGN_OR_RETURN(std::string name, in_.ExpectName());
      node.targets.push_back(std::move(name));
    } while (in_.TakeOp(","));
    return bracket ? in_.ExpectOp(")") : absl::OkStatus();
  }

  absl::Status For(Node& node) {
    node.kind = Node::Kind::kFor;
    WEIR_RETURN_IF_ERROR(Targets(node));
    if (!in_.TakeWord("in")) return in_.Bad("expected in");
    WEIR_ASSIGN_OR_RETURN(node.expr, in_.Or());
    if (in_.TakeWord("if")) {
      WEIR_ASSIGN_OR_RETURN(node.condition, in_.Expression());
    }
    if (in_.IsWord("recursive")) {
      return absl::UnimplementedError(
          absl::StrCat("template line ", node.line, ": recursive loop"));
    }
    WEIR_RETURN_IF_ERROR(BlockEnd());
    ++loops_;
    absl::StatusOr<std::vector<NodePtr>> body = Body({"else", "endfor"});
    --loops_;
    if (!body.ok()) return body.status();
    node.body = *std::move(body);
    if (AtEnd({"else"})) {
      WEIR_RETURN_IF_ERROR(Closing("else"));
      WEIR_ASSIGN_OR_RETURN(node.otherwise, Body({"endfor"}));
    }
    return Closing("endfor");
  }

  absl::Status Set(Node& node) {
    node.kind = Node::Kind::kSet;
    WEIR_RETURN_IF_ERROR(Targets(node));
    if (in_.TakeOp(".")) {
      if (node.targets.size() != 1) return in_.Bad("one target of a namespace");
      WEIR_ASSIGN_OR_RETURN(node.attribute, in_.ExpectName());
    }
    if (in_.TakeOp("=")) {
      WEIR_ASSIGN_OR_RETURN(node.expr, in_.ExpressionOrTuple());
      return BlockEnd();
    }
    node.kind = Node::Kind::kSetBlock;
    if (node.targets.size() != 1) return in_.Bad("expected '='");
    // The filters of {% set x | trim %} apply to a literal that the machine replaces by the block's
    // text.
    node.expr = std::make_unique<Expr>();
    node.expr->kind = Expr::Kind::kPostfix;
    while (in_.TakeOp("|")) {
      WEIR_ASSIGN_OR_RETURN(Postfix filter, in_.Filter());
      node.expr->postfixes.push_back(std::move(filter));
    }
    WEIR_RETURN_IF_ERROR(BlockEnd());
    WEIR_ASSIGN_OR_RETURN(node.body, Body({"endset"}));
    return Closing("endset");
  }

  absl::Status Macro(Node& node) {
    node.kind = Node::Kind::kMacro;
    WEIR_ASSIGN_OR_RETURN(node.text, in_.ExpectName());
    WEIR_RETURN_IF_ERROR(in_.ExpectOp("("));
    while (!in_.TakeOp(")")) {
      if (!node.targets.empty()) WEIR_RETURN_IF_ERROR(in_.ExpectOp(","));
      WEIR_ASSIGN_OR_RETURN(std::string name, in_.ExpectName());
      node.targets.push_back(std::move(name));
      node.defaults.emplace_back();
      if (in_.TakeOp("=")) {
        WEIR_ASSIGN_OR_RETURN(node.defaults.back(), in_.Expression());
      }
    }
    WEIR_RETURN_IF_ERROR(BlockEnd());
    const int loops = std::exchange(loops_, 0);
    absl::StatusOr<std::vector<NodePtr>> body = Body({"endmacro"});
    loops_ = loops;
    if (!body.ok()) return body.status();
    node.body = *std::move(body);
    return Closing("endmacro");
  }

  ExpressionParser in_;
  int loops_ = 0;  // around this place
};

}  // namespace

absl::StatusOr<std::vector<NodePtr>> Parse(std::string_view source, int depth) {
  WEIR_ASSIGN_OR_RETURN(std::vector<Token> tokens, Tokenize(source));
  return Parser(std::move(tokens), depth).Run();
}

}  // namespace weir::model::jinja
