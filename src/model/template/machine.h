// Runs a parsed template. One object is one rendering.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "model/template/ast.h"
#include "model/template/runtime.h"

namespace weir::model::jinja {

class Machine {
 public:
  Machine(const TemplateLimits& limits, std::vector<std::pair<std::string, Value>> globals);

  absl::StatusOr<std::string> Run(const std::vector<NodePtr>& body);

 private:
  enum class Flow { kOn, kBreak, kContinue };
  using Scope = absl::flat_hash_map<std::string, Value>;
  class Depth;  // counts the recursion of Eval and Exec

  absl::Status CheckDepth() const;
  absl::Status Write(const std::string& text);
  absl::StatusOr<Flow> Exec(const std::vector<NodePtr>& body);
  absl::StatusOr<Flow> ExecOne(const Node& node);
  absl::StatusOr<Flow> ExecIf(const Node& node);
  absl::StatusOr<Flow> ExecFor(const Node& node);
  absl::Status ExecSet(const Node& node);
  absl::Status ExecSetBlock(const Node& node);
  absl::Status Bind(const std::vector<std::string>& targets, const Value& value);
  // The text that `body` prints.
  absl::StatusOr<std::string> Capture(const std::vector<NodePtr>& body);

  absl::StatusOr<Value> Eval(const Expr& expr);
  absl::StatusOr<Value> EvalLogic(const Expr& expr);
  absl::StatusOr<Value> EvalCompare(const Expr& expr);
  absl::StatusOr<Value> EvalCollection(const Expr& expr);
  absl::StatusOr<Value> EvalPostfixes(const Expr& expr, Value value);
  absl::StatusOr<Value> EvalPostfix(const Postfix& postfix, const Value& value);
  absl::StatusOr<CallArguments> EvalArguments(const Arguments& arguments);
  absl::StatusOr<Value> Call(const Value& callee, const CallArguments& args);
  absl::StatusOr<Value> CallBuiltin(const std::string& name, const CallArguments& args);
  absl::StatusOr<Value> CallMacro(const Node& macro, const CallArguments& args);
  absl::StatusOr<Value> Range(const CallArguments& args);
  Value Lookup(const std::string& name) const;

  Runtime runtime_;
  std::vector<Scope> scopes_;
  // scopes from here on, and scope 0, are visible (a macro sees no caller's names)
  size_t frame_ = 0;
  std::string out_;
  int depth_ = 0;
};

}  // namespace weir::model::jinja
