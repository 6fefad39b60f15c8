// Values of the template language, as Python has them. Immutable but for namespaces; copying is
// cheap (shared storage). Lists and dicts know how deep they nest and how much they hold, so that
// Runtime can refuse one whose destruction would overflow the stack or whose printing would never
// end; they never hold a namespace, so that there are no cycles.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace weir::model::jinja {

struct Expr;
struct Node;
class Value;

using List = std::vector<Value>;
using Dict = std::vector<std::pair<Value, Value>>;  // in order of insertion

struct Undefined {
  std::string name;  // for messages
};
struct None {};
struct ListBox;
struct DictBox;
struct Namespace;
struct LoopState;
struct Callable {
  std::string name;             // of a built-in function, or
  const Node* macro = nullptr;  // a macro of the template
};

class Value {
 public:
  Value() : data_(Undefined{}) {}
  Value(None none) : data_(none) {}
  Value(bool b) : data_(b) {}
  Value(int64_t i) : data_(i) {}
  Value(double d) : data_(d) {}
  Value(std::string s) : data_(std::make_shared<const std::string>(std::move(s))) {}
  Value(std::string_view s) : Value(std::string(s)) {}
  Value(const char* s) : Value(std::string(s)) {}
  Value(List list);
  Value(Dict dict);
  static Value Tuple(List list);  // a list that prints with round brackets
  Value(std::shared_ptr<Namespace> n) : data_(std::move(n)) {}
  Value(std::shared_ptr<const LoopState> l) : data_(std::move(l)) {}
  Value(Callable c) : data_(std::make_shared<const Callable>(std::move(c))) {}
  static Value Missing(std::string_view name) {
    Value v;
    v.data_ = Undefined{std::string(name)};
    return v;
  }

  bool undefined() const { return std::holds_alternative<Undefined>(data_); }
  bool none() const { return std::holds_alternative<None>(data_); }
  const bool* boolean() const { return std::get_if<bool>(&data_); }
  const double* real() const { return std::get_if<double>(&data_); }
  const std::string* string() const;
  const List* list() const;
  bool tuple() const;
  const Dict* dict() const;
  Namespace* space() const;
  const LoopState* loop() const;
  const Callable* callable() const;
  bool integer() const { return std::holds_alternative<int64_t>(data_) || boolean() != nullptr; }
  bool number() const { return integer() || real() != nullptr; }
  int64_t AsInteger() const;  // REQUIRES: integer()
  double AsReal() const;      // REQUIRES: number()
  const std::string& missing_name() const { return std::get<Undefined>(data_).name; }

  bool Truthy() const;
  int depth() const;      // 0 but for lists and dicts
  int64_t bytes() const;  // about what printing takes, shared parts counted each time
  const char* TypeName() const;
  bool operator==(const Value& other) const;
  // Item of a dict by a string key; nullptr when there is none or this is no dict.
  const Value* Item(std::string_view key) const;

 private:
  explicit Value(std::shared_ptr<const ListBox> box) : data_(std::move(box)) {}
  static std::shared_ptr<const ListBox> MakeBox(List items, bool tuple);

  std::variant<Undefined, None, bool, int64_t, double, std::shared_ptr<const std::string>,
               std::shared_ptr<const ListBox>, std::shared_ptr<const DictBox>,
               std::shared_ptr<Namespace>, std::shared_ptr<const LoopState>,
               std::shared_ptr<const Callable>>
      data_;
};

struct ListBox {
  List items;
  int depth = 1;
  int64_t bytes = 2;
  bool tuple = false;
};
struct DictBox {
  Dict items;
  int depth = 1;
  int64_t bytes = 2;
};
struct Namespace {
  std::vector<std::pair<std::string, Value>> items;
};
struct LoopState {
  std::shared_ptr<const ListBox> items;
  int64_t index0 = 0;
};

// As Python's str() and repr(), and json.dumps(ensure_ascii=False) with `indent` spaces (-1: one
// line).
std::string ToText(const Value& value);
std::string ToRepr(const Value& value);
// False when the value holds what JSON has not.
bool ToJson(const Value& value, int indent, std::string& out, int level = 0);

}  // namespace weir::model::jinja
