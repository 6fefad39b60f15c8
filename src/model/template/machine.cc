#include "model/template/machine.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "model/quoted.h"

namespace weir::model::jinja {
namespace {

constexpr int64_t kMaxRange = 100'000;  // as Jinja2's sandbox

}  // namespace

class Machine::Depth {
 public:
  explicit Depth(Machine& machine) : machine_(machine) { ++machine_.depth_; }
  ~Depth() { --machine_.depth_; }
  Depth(const Depth&) = delete;
  Depth& operator=(const Depth&) = delete;

 private:
  Machine& machine_;
};

Machine::Machine(const TemplateLimits& limits, std::vector<std::pair<std::string, Value>> globals)
    : runtime_(limits), scopes_(1) {
  for (const char* name : {"range", "namespace", "dict", "raise_exception", "strftime_now"}) {
    scopes_[0][name] = Value(Callable{name, nullptr});
  }
  for (auto& [name, value] : globals) scopes_[0][name] = std::move(value);
}

absl::Status Machine::CheckDepth() const {
  // A tree is at most limits.depth deep; macros that call macros add to it.
  if (depth_ <= 4 * runtime_.limits().depth) return absl::OkStatus();
  return absl::ResourceExhaustedError("template: calls nested too deeply");
}

absl::Status Machine::Write(const std::string& text) {
  if (static_cast<int64_t>(out_.size() + text.size()) > runtime_.limits().output_bytes) {
    return runtime_.CheckBytes(runtime_.limits().output_bytes + 1);
  }
  WEIR_RETURN_IF_ERROR(runtime_.Charge(static_cast<int64_t>(text.size()) / 64));
  out_ += text;
  return absl::OkStatus();
}

absl::StatusOr<std::string> Machine::Run(const std::vector<NodePtr>& body) {
  absl::StatusOr<Flow> flow = Exec(body);
  if (!flow.ok()) return flow.status();
  return std::move(out_);
}

absl::StatusOr<std::string> Machine::Capture(const std::vector<NodePtr>& body) {
  std::string outer = std::move(out_);
  out_.clear();
  absl::StatusOr<Flow> flow = Exec(body);
  std::string inner = std::move(out_);
  out_ = std::move(outer);
  if (!flow.ok()) return flow.status();
  return inner;
}

absl::StatusOr<Machine::Flow> Machine::Exec(const std::vector<NodePtr>& body) {
  WEIR_RETURN_IF_ERROR(CheckDepth());
  const Depth depth(*this);
  for (const NodePtr& node : body) {
    WEIR_RETURN_IF_ERROR(runtime_.Charge(1));
    WEIR_ASSIGN_OR_RETURN(const Flow flow, ExecOne(*node));
    if (flow != Flow::kOn) return flow;
  }
  return Flow::kOn;
}

absl::StatusOr<Machine::Flow> Machine::ExecOne(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kText:
      WEIR_RETURN_IF_ERROR(Write(node.text));
      return Flow::kOn;
    case Node::Kind::kOutput: {
      WEIR_ASSIGN_OR_RETURN(const Value value, Eval(*node.expr));
      WEIR_ASSIGN_OR_RETURN(const std::string text, runtime_.Print(value));
      WEIR_RETURN_IF_ERROR(Write(text));
      return Flow::kOn;
    }
    case Node::Kind::kIf:
      return ExecIf(node);
    case Node::Kind::kFor:
      return ExecFor(node);
    case Node::Kind::kSet:
      WEIR_RETURN_IF_ERROR(ExecSet(node));
      return Flow::kOn;
    case Node::Kind::kSetBlock:
      WEIR_RETURN_IF_ERROR(ExecSetBlock(node));
      return Flow::kOn;
    case Node::Kind::kMacro:
      scopes_.back()[node.text] = Value(Callable{node.text, &node});
      return Flow::kOn;
    case Node::Kind::kBreak:
      return Flow::kBreak;
    case Node::Kind::kContinue:
      return Flow::kContinue;
  }
  return absl::InternalError("template: unknown node");
}

absl::StatusOr<Machine::Flow> Machine::ExecIf(const Node& node) {
  for (const Branch& branch : node.branches) {
    if (branch.condition != nullptr) {
      WEIR_ASSIGN_OR_RETURN(const Value value, Eval(*branch.condition));
      if (!value.Truthy()) continue;
    }
    return Exec(branch.body);
  }
  return Flow::kOn;
}

absl::Status Machine::Bind(const std::vector<std::string>& targets, const Value& value) {
  if (targets.size() == 1) {
    scopes_.back()[targets[0]] = value;
    return absl::OkStatus();
  }
  WEIR_ASSIGN_OR_RETURN(const List parts, runtime_.Iterate(value));
  if (parts.size() != targets.size()) {
    return absl::DataLossError(absl::StrCat("template: ", parts.size(), " values for ",
                                            targets.size(), " names"));
  }
  for (size_t i = 0; i < parts.size(); ++i) scopes_.back()[targets[i]] = parts[i];
  return absl::OkStatus();
}

absl::StatusOr<Machine::Flow> Machine::ExecFor(const Node& node) {
  WEIR_ASSIGN_OR_RETURN(const Value source, Eval(*node.expr));
  WEIR_ASSIGN_OR_RETURN(List items, runtime_.Iterate(source));
  scopes_.emplace_back();
  struct Pop {
    std::vector<Scope>& scopes;
    size_t size;
    ~Pop() { scopes.resize(size); }
  } pop{scopes_, scopes_.size() - 1};
  if (node.condition != nullptr) {
    List kept;
    for (Value& item : items) {
      WEIR_RETURN_IF_ERROR(Bind(node.targets, item));
      WEIR_ASSIGN_OR_RETURN(const Value yes, Eval(*node.condition));
      if (yes.Truthy()) kept.push_back(std::move(item));
    }
    items = std::move(kept);
  }
  auto shared = std::make_shared<ListBox>();
  shared->items = std::move(items);
  for (size_t i = 0; i < shared->items.size(); ++i) {
    WEIR_RETURN_IF_ERROR(runtime_.Charge(1));
    scopes_.back().clear();
    auto loop = std::make_shared<LoopState>();
    loop->items = shared;
    loop->index0 = static_cast<int64_t>(i);
    scopes_.back()["loop"] = Value(std::shared_ptr<const LoopState>(std::move(loop)));
    WEIR_RETURN_IF_ERROR(Bind(node.targets, shared->items[i]));
    WEIR_ASSIGN_OR_RETURN(const Flow flow, Exec(node.body));
    if (flow == Flow::kBreak) break;
  }
  if (!shared->items.empty()) return Flow::kOn;
  scopes_.back().clear();
  return Exec(node.otherwise);
}

absl::Status Machine::ExecSet(const Node& node) {
  WEIR_ASSIGN_OR_RETURN(const Value value, Eval(*node.expr));
  if (node.attribute.empty()) return Bind(node.targets, value);
  const Value target = Lookup(node.targets[0]);
  Namespace* space = target.space();
  if (space == nullptr) return TypeError("only a namespace has attributes to set, not", target);
  if (value.space() != nullptr || value.loop() != nullptr) {
    return TypeError("a namespace cannot hold this", value);
  }
  WEIR_RETURN_IF_ERROR(runtime_.Charge(static_cast<int64_t>(space->items.size()) / 16));
  for (auto& [name, item] : space->items) {
    if (name != node.attribute) continue;
    item = value;
    return absl::OkStatus();
  }
  space->items.emplace_back(node.attribute, value);
  return absl::OkStatus();
}

absl::Status Machine::ExecSetBlock(const Node& node) {
  scopes_.emplace_back();
  absl::StatusOr<std::string> text = Capture(node.body);
  scopes_.pop_back();
  if (!text.ok()) return text.status();
  WEIR_ASSIGN_OR_RETURN(Value value, runtime_.Text(*std::move(text)));
  WEIR_ASSIGN_OR_RETURN(value, EvalPostfixes(*node.expr, std::move(value)));
  return Bind(node.targets, value);
}

Value Machine::Lookup(const std::string& name) const {
  for (size_t i = scopes_.size(); i-- > frame_;) {
    if (auto it = scopes_[i].find(name); it != scopes_[i].end()) return it->second;
  }
  if (auto it = scopes_[0].find(name); it != scopes_[0].end()) return it->second;
  return Value::Missing(name);
}

absl::StatusOr<Value> Machine::Eval(const Expr& expr) {
  WEIR_RETURN_IF_ERROR(runtime_.Charge(1));
  WEIR_RETURN_IF_ERROR(CheckDepth());
  const Depth depth(*this);
  switch (expr.kind) {
    case Expr::Kind::kLiteral:
      return expr.literal;
    case Expr::Kind::kName:
      return Lookup(expr.name);
    case Expr::Kind::kList:
    case Expr::Kind::kDict:
      return EvalCollection(expr);
    case Expr::Kind::kNegate:
    case Expr::Kind::kPlus: {
      WEIR_ASSIGN_OR_RETURN(const Value value, Eval(*expr.parts[0]));
      if (expr.kind == Expr::Kind::kNegate) return runtime_.Negate(value);
      return value.number() ? absl::StatusOr<Value>(value) : TypeError("unary '+' of", value);
    }
    case Expr::Kind::kChain: {
      WEIR_ASSIGN_OR_RETURN(Value value, Eval(*expr.parts[0]));
      for (size_t i = 0; i < expr.ops.size(); ++i) {
        WEIR_ASSIGN_OR_RETURN(const Value operand, Eval(*expr.parts[i + 1]));
        WEIR_ASSIGN_OR_RETURN(value, runtime_.Binary(expr.ops[i], value, operand));
      }
      return value;
    }
    case Expr::Kind::kCompare:
      return EvalCompare(expr);
    case Expr::Kind::kNot:
    case Expr::Kind::kAnd:
    case Expr::Kind::kOr:
    case Expr::Kind::kConditional:
      return EvalLogic(expr);
    case Expr::Kind::kPostfix: {
      WEIR_ASSIGN_OR_RETURN(Value value, Eval(*expr.parts[0]));
      return EvalPostfixes(expr, std::move(value));
    }
  }
  return absl::InternalError("template: unknown expression");
}

absl::StatusOr<Value> Machine::EvalLogic(const Expr& expr) {
  if (expr.kind == Expr::Kind::kNot) {
    WEIR_ASSIGN_OR_RETURN(const Value value, Eval(*expr.parts[0]));
    return Value(!value.Truthy());
  }
  if (expr.kind == Expr::Kind::kConditional) {
    WEIR_ASSIGN_OR_RETURN(const Value condition, Eval(*expr.parts[1]));
    if (condition.Truthy()) return Eval(*expr.parts[0]);
    return expr.parts.size() > 2 ? Eval(*expr.parts[2]) : Value::Missing("else");
  }
  Value value;
  for (const ExprPtr& part : expr.parts) {
    WEIR_ASSIGN_OR_RETURN(value, Eval(*part));
    if (value.Truthy() == (expr.kind == Expr::Kind::kOr)) break;
  }
  return value;
}

absl::StatusOr<Value> Machine::EvalCompare(const Expr& expr) {
  WEIR_ASSIGN_OR_RETURN(Value left, Eval(*expr.parts[0]));
  for (size_t i = 0; i < expr.ops.size(); ++i) {
    WEIR_ASSIGN_OR_RETURN(Value right, Eval(*expr.parts[i + 1]));
    WEIR_ASSIGN_OR_RETURN(const bool yes, runtime_.Compare(expr.ops[i], left, right));
    if (!yes) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

absl::StatusOr<Value> Machine::EvalCollection(const Expr& expr) {
  std::vector<Value> parts;
  for (const ExprPtr& part : expr.parts) {
    WEIR_ASSIGN_OR_RETURN(Value value, Eval(*part));
    parts.push_back(std::move(value));
  }
  if (expr.kind == Expr::Kind::kList) return runtime_.Items(std::move(parts), expr.name == "tuple");
  Dict entries;
  for (size_t i = 0; i + 1 < parts.size(); i += 2) {
    WEIR_RETURN_IF_ERROR(runtime_.Charge(static_cast<int64_t>(entries.size()) / 16));
    auto same = std::find_if(entries.begin(), entries.end(), [&](const auto& entry) {
      return entry.first.depth() == 0 && parts[i].depth() == 0 && entry.first == parts[i];
    });
    if (same == entries.end()) {
      entries.emplace_back(parts[i], parts[i + 1]);
    } else {
      same->second = parts[i + 1];
    }
  }
  return runtime_.Entries(std::move(entries));
}

absl::StatusOr<CallArguments> Machine::EvalArguments(const Arguments& arguments) {
  CallArguments args;
  for (const ExprPtr& expr : arguments.positional) {
    WEIR_ASSIGN_OR_RETURN(Value value, Eval(*expr));
    args.positional.push_back(std::move(value));
  }
  for (const auto& [name, expr] : arguments.named) {
    WEIR_ASSIGN_OR_RETURN(Value value, Eval(*expr));
    args.named.emplace_back(name, std::move(value));
  }
  return args;
}

absl::StatusOr<Value> Machine::EvalPostfixes(const Expr& expr, Value value) {
  for (size_t i = 0; i < expr.postfixes.size(); ++i) {
    const Postfix& postfix = expr.postfixes[i];
    const bool called = i + 1 < expr.postfixes.size() &&
                        expr.postfixes[i + 1].kind == Postfix::Kind::kCall;
    // As in Jinja2, a method hides an item of the same name when it is called.
    if (postfix.kind == Postfix::Kind::kAttribute && called && value.space() == nullptr &&
        (Runtime::IsMethod(value, postfix.name) || value.string() != nullptr)) {
      WEIR_ASSIGN_OR_RETURN(const CallArguments args,
                            EvalArguments(expr.postfixes[++i].arguments));
      WEIR_ASSIGN_OR_RETURN(value, runtime_.Method(value, postfix.name, args));
      continue;
    }
    WEIR_ASSIGN_OR_RETURN(value, EvalPostfix(postfix, value));
  }
  return value;
}

absl::StatusOr<Value> Machine::EvalPostfix(const Postfix& postfix, const Value& value) {
  Value parts[3];
  for (int i = 0; i < 3; ++i) {
    if (postfix.parts[i] == nullptr) continue;
    WEIR_ASSIGN_OR_RETURN(parts[i], Eval(*postfix.parts[i]));
  }
  switch (postfix.kind) {
    case Postfix::Kind::kAttribute:
      return runtime_.Attribute(value, postfix.name);
    case Postfix::Kind::kIndex:
      return runtime_.Index(value, parts[0]);
    case Postfix::Kind::kSlice:
      return runtime_.Slice(value, parts[0], parts[1], parts[2]);
    default:
      break;
  }
  WEIR_ASSIGN_OR_RETURN(const CallArguments args, EvalArguments(postfix.arguments));
  if (postfix.kind == Postfix::Kind::kCall) return Call(value, args);
  if (postfix.kind == Postfix::Kind::kFilter) return runtime_.Filter(postfix.name, value, args);
  WEIR_ASSIGN_OR_RETURN(const bool yes, runtime_.Test(postfix.name, value, args));
  return Value(yes != postfix.negated);
}

absl::StatusOr<Value> Machine::Call(const Value& callee, const CallArguments& args) {
  const Callable* callable = callee.callable();
  if (callable == nullptr) return TypeError("cannot be called", callee);
  return callable->macro != nullptr ? CallMacro(*callable->macro, args)
                                    : CallBuiltin(callable->name, args);
}

absl::StatusOr<Value> Machine::CallMacro(const Node& macro, const CallArguments& args) {
  if (args.positional.size() > macro.targets.size()) {
    return absl::DataLossError(
        absl::StrCat("template: too many arguments of ", Quoted(macro.text)));
  }
  Scope scope;
  for (size_t i = 0; i < macro.targets.size(); ++i) {
    const Value* given = args.Get(i, macro.targets[i]);
    if (given != nullptr) {
      scope[macro.targets[i]] = *given;
    } else if (macro.defaults[i] != nullptr) {
      WEIR_ASSIGN_OR_RETURN(scope[macro.targets[i]], Eval(*macro.defaults[i]));
    } else {
      scope[macro.targets[i]] = Value::Missing(macro.targets[i]);
    }
  }
  const size_t frame = std::exchange(frame_, scopes_.size());
  scopes_.push_back(std::move(scope));
  absl::StatusOr<std::string> text = Capture(macro.body);
  scopes_.resize(frame_);
  frame_ = frame;
  if (!text.ok()) return text.status();
  return runtime_.Text(*std::move(text));
}

absl::StatusOr<Value> Machine::Range(const CallArguments& args) {
  int64_t bounds[3] = {0, 0, 1};  // start, stop, step
  const size_t n = args.positional.size();
  if (n < 1 || n > 3) return absl::DataLossError("template: range needs one to three integers");
  for (size_t i = 0; i < n; ++i) {
    if (!args.positional[i].integer()) return TypeError("range of", args.positional[i]);
    bounds[n == 1 ? 1 : i] = args.positional[i].AsInteger();
  }
  const auto [start, stop, step] = bounds;
  if (step == 0) return absl::DataLossError("template: range step of zero");
  List items;
  for (__int128 i = start; step > 0 ? i < stop : i > stop; i += step) {
    if (static_cast<int64_t>(items.size()) >= kMaxRange) {
      return absl::ResourceExhaustedError(
          absl::StrCat("template: range of more than ", kMaxRange, " items"));
    }
    items.emplace_back(static_cast<int64_t>(i));
  }
  return runtime_.Items(std::move(items));
}

absl::StatusOr<Value> Machine::CallBuiltin(const std::string& name, const CallArguments& args) {
  WEIR_RETURN_IF_ERROR(runtime_.Charge(1));
  if (name == "range") return Range(args);
  if (name == "raise_exception") {
    const Value* message = args.Get(0, "message");
    return absl::InvalidArgumentError(absl::StrCat(
        "the chat template refuses: ",
        Quoted(message != nullptr && message->string() != nullptr ? *message->string() : "")));
  }
  if (name == "namespace" || name == "dict") {
    if (!args.positional.empty()) {
      return absl::UnimplementedError(absl::StrCat("template: positional argument of ", name));
    }
    if (name == "dict") {
      Dict entries;
      for (const auto& [key, value] : args.named) entries.emplace_back(Value(key), value);
      return runtime_.Entries(std::move(entries));
    }
    auto space = std::make_shared<Namespace>();
    for (const auto& [key, value] : args.named) {
      if (value.space() != nullptr) return TypeError("a namespace cannot hold this", value);
      space->items.emplace_back(key, value);
    }
    return Value(std::move(space));
  }
  // The same conversation gives the same prompt: templates get no clock.
  return absl::UnimplementedError(absl::StrCat("template: function ", Quoted(name)));
}

}  // namespace weir::model::jinja
