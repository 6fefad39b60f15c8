// The parsed template. Trees are at most TemplateLimits::depth deep: chains of operators, postfixes
// and branches are vectors, so that only real nesting nests.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "model/template/value.h"

namespace weir::model::jinja {

using ExprPtr = std::unique_ptr<Expr>;
using NodePtr = std::unique_ptr<Node>;

struct Arguments {
  std::vector<ExprPtr> positional;
  std::vector<std::pair<std::string, ExprPtr>> named;
};

// What follows a primary: .name [index] [a:b:c] (arguments) |filter, and `is` tests.
struct Postfix {
  enum class Kind : uint8_t { kAttribute, kIndex, kSlice, kCall, kFilter, kTest };
  explicit Postfix(Kind k) : kind(k) {}
  Kind kind;
  std::string name;        // attribute, filter, test
  bool negated = false;    // is not
  ExprPtr parts[3];        // index; slice: start, stop, step (each may be null)
  Arguments arguments;
};

struct Expr {
  enum class Kind : uint8_t {
    kLiteral,
    kName,
    kList,         // parts; name is "tuple" for one in round brackets
    kDict,         // parts: key, value, key, value, ...
    kNot,          // parts[0]
    kNegate,
    kPlus,
    kChain,        // parts joined by ops (one precedence), left to right
    kCompare,      // parts joined by ops, as Python chains comparisons
    kAnd,          // parts
    kOr,
    kConditional,  // parts: value, condition, otherwise (may be absent)
    kPostfix,      // parts[0] with postfixes
  } kind;
  int line = 0;
  Value literal;
  std::string name;
  std::vector<ExprPtr> parts;
  std::vector<std::string> ops;
  std::vector<Postfix> postfixes;
};

struct Branch {
  ExprPtr condition;  // null: else
  std::vector<NodePtr> body;
};

struct Node {
  enum class Kind : uint8_t {
    kText,
    kOutput,
    kIf,
    kFor,
    kSet,       // targets = expr, or space.attribute = expr
    kSetBlock,  // targets[0] = the text of body, through filters
    kMacro,
    kBreak,
    kContinue,
  } kind;
  int line = 0;
  std::string text;                   // kText; kMacro: its name
  ExprPtr expr;                       // kOutput, kSet; kFor: what is iterated
  ExprPtr condition;                  // kFor: the `if` of the loop, may be null
  std::vector<std::string> targets;   // kFor, kSet; kMacro: parameters
  std::string attribute;              // kSet on a namespace
  std::vector<ExprPtr> defaults;      // kMacro: one a parameter, null where none
  std::vector<Branch> branches;       // kIf
  std::vector<NodePtr> body, otherwise;  // kFor, kSetBlock, kMacro; kFor's else
};

}  // namespace weir::model::jinja
