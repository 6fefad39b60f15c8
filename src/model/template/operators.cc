// Operators and access, as Python and Jinja2 have them, with checked integers.
#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "model/quoted.h"
#include "model/template/runtime.h"

namespace weir::model::jinja {
namespace {

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

absl::Status Overflow() { return absl::ResourceExhaustedError("template: integer out of range"); }

absl::Status NoOperator(std::string_view op, const Value& a, const Value& b) {
  return TypeError(absl::StrCat("'", op, "' between ", a.TypeName(), " and"),
                   a.undefined() ? a : b);
}

// The position of `index` in a sequence of n, from the end when negative; -1 when outside.
int64_t Position(int64_t index, int64_t n) {
  if (index < 0) index += n;
  return index >= 0 && index < n ? index : -1;
}

}  // namespace

absl::StatusOr<Value> Runtime::Sum(const Value& a, const Value& b) {
  if (a.string() != nullptr && b.string() != nullptr) {
    WEIR_RETURN_IF_ERROR(CheckBytes(static_cast<int64_t>(a.string()->size() + b.string()->size())));
    return Value(*a.string() + *b.string());
  }
  if (a.list() != nullptr && b.list() != nullptr) {
    WEIR_RETURN_IF_ERROR(Charge(static_cast<int64_t>(a.list()->size() + b.list()->size())));
    List items = *a.list();
    items.insert(items.end(), b.list()->begin(), b.list()->end());
    return Items(std::move(items));
  }
  return Arithmetic("+", a, b);
}

absl::StatusOr<Value> Runtime::Product(const Value& a, const Value& b) {
  const bool a_many = a.string() != nullptr || a.list() != nullptr;
  if (!a_many && (b.string() != nullptr || b.list() != nullptr)) return Product(b, a);
  if (!a_many) return Arithmetic("*", a, b);
  if (!b.integer()) return NoOperator("*", a, b);
  const int64_t times = std::max<int64_t>(b.AsInteger(), 0);
  const int64_t size = a.string() != nullptr ? static_cast<int64_t>(a.string()->size()) : a.bytes();
  if (size > 0 && times > limits_.output_bytes / size) return CheckBytes(kMost);
  if (a.string() != nullptr) {
    WEIR_RETURN_IF_ERROR(CheckBytes(size * times));
    std::string text;
    for (int64_t i = 0; size > 0 && i < times; ++i) text += *a.string();
    return Value(std::move(text));
  }
  WEIR_RETURN_IF_ERROR(Charge(times * static_cast<int64_t>(a.list()->size())));
  List items;
  for (int64_t i = 0; !a.list()->empty() && i < times; ++i) {
    items.insert(items.end(), a.list()->begin(), a.list()->end());
  }
  return Items(std::move(items));
}

absl::StatusOr<Value> Runtime::Arithmetic(std::string_view op, const Value& a, const Value& b) {
  if (!a.number() || !b.number()) return NoOperator(op, a, b);
  const bool divides = op == "/" || op == "//" || op == "%";
  if (divides && b.AsReal() == 0) return absl::DataLossError("template: division by zero");
  if (op == "/") return Value(a.AsReal() / b.AsReal());
  if (!a.integer() || !b.integer()) {
    const double x = a.AsReal(), y = b.AsReal();
    if (op == "+") return Value(x + y);
    if (op == "-") return Value(x - y);
    if (op == "*") return Value(x * y);
    if (op == "//") return Value(std::floor(x / y));
    const double rest = std::fmod(x, y);
    return Value(rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest);
  }
  const int64_t x = a.AsInteger(), y = b.AsInteger();
  int64_t result = 0;
  if (op == "+")
    return __builtin_add_overflow(x, y, &result) ? Overflow() : absl::StatusOr<Value>(result);
  if (op == "-")
    return __builtin_sub_overflow(x, y, &result) ? Overflow() : absl::StatusOr<Value>(result);
  if (op == "*")
    return __builtin_mul_overflow(x, y, &result) ? Overflow() : absl::StatusOr<Value>(result);
  if (y == -1) {
    if (op == "%") return Value(int64_t{0});
    return __builtin_sub_overflow(int64_t{0}, x, &result) ? Overflow()
                                                          : absl::StatusOr<Value>(result);
  }
  const int64_t quotient = x / y - ((x % y != 0 && (x < 0) != (y < 0)) ? 1 : 0);
  return op == "//" ? Value(quotient) : Value(x - quotient * y);
}

absl::StatusOr<Value> Runtime::Binary(std::string_view op, const Value& a, const Value& b) {
  WEIR_RETURN_IF_ERROR(Charge(1));
  if (op == "~") {
    WEIR_ASSIGN_OR_RETURN(const std::string left, Print(a));
    WEIR_ASSIGN_OR_RETURN(const std::string right, Print(b));
    return Text(left + right);
  }
  if (op == "+") return Sum(a, b);
  if (op == "*") return Product(a, b);
  if (op == "%" && a.string() != nullptr) {
    return absl::UnimplementedError("template: '%' formatting of strings");
  }
  return Arithmetic(op, a, b);
}

absl::StatusOr<Value> Runtime::Negate(const Value& a) {
  return Arithmetic("-", Value(int64_t{0}), a);
}

absl::StatusOr<bool> Runtime::Equal(const Value& a, const Value& b) {
  const bool deep = a.depth() > 0 && b.depth() > 0;
  const int64_t cost = deep ? (a.bytes() / 64 + 1) * (b.bytes() / 64 + 1)
                            : std::min(a.bytes(), b.bytes()) / 64 + 1;
  WEIR_RETURN_IF_ERROR(Charge(cost));
  return a == b;
}

absl::StatusOr<bool> Runtime::Contains(const Value& container, const Value& item) {
  if (const std::string* text = container.string(); text != nullptr) {
    if (item.string() == nullptr) return TypeError("'in' a string needs a string, not", item);
    WEIR_RETURN_IF_ERROR(Charge(static_cast<int64_t>(text->size()) / 64 + 1));
    return text->find(*item.string()) != std::string::npos;
  }
  WEIR_ASSIGN_OR_RETURN(const List items, Iterate(container));
  for (const Value& candidate : items) {
    WEIR_ASSIGN_OR_RETURN(const bool equal, Equal(candidate, item));
    if (equal) return true;
  }
  return false;
}

absl::StatusOr<bool> Runtime::Compare(std::string_view op, const Value& a, const Value& b) {
  WEIR_RETURN_IF_ERROR(Charge(1));
  if (op == "==") return Equal(a, b);
  if (op == "!=") {
    WEIR_ASSIGN_OR_RETURN(const bool equal, Equal(a, b));
    return !equal;
  }
  if (op == "in") return Contains(b, a);
  if (op == "not in") {
    WEIR_ASSIGN_OR_RETURN(const bool inside, Contains(b, a));
    return !inside;
  }
  int order = 0;
  if (a.number() && b.number()) {
    if (a.integer() && b.integer()) {
      order = a.AsInteger() < b.AsInteger() ? -1 : a.AsInteger() > b.AsInteger();
    } else {
      const double x = a.AsReal(), y = b.AsReal();
      if (std::isnan(x) || std::isnan(y)) return false;
      order = x < y ? -1 : x > y;
    }
  } else if (a.string() != nullptr && b.string() != nullptr) {
    WEIR_RETURN_IF_ERROR(Charge(std::min(a.bytes(), b.bytes()) / 64));
    order = a.string()->compare(*b.string());
  } else {
    return NoOperator(op, a, b);
  }
  if (op == "<") return order < 0;
  if (op == "<=") return order <= 0;
  if (op == ">") return order > 0;
  return order >= 0;
}

absl::StatusOr<List> Runtime::Iterate(const Value& value) {
  List items;
  if (value.undefined()) return items;
  if (const List* list = value.list(); list != nullptr) {
    WEIR_RETURN_IF_ERROR(Charge(static_cast<int64_t>(list->size())));
    return *list;
  }
  if (const Dict* dict = value.dict(); dict != nullptr) {
    WEIR_RETURN_IF_ERROR(Charge(static_cast<int64_t>(dict->size())));
    for (const auto& [key, item] : *dict) items.push_back(key);
    return items;
  }
  if (const std::string* text = value.string(); text != nullptr) {
    WEIR_RETURN_IF_ERROR(Charge(static_cast<int64_t>(text->size())));
    for (const std::string_view c : CodePointsOf(*text)) items.emplace_back(c);
    return items;
  }
  return TypeError("cannot be iterated", value);
}

absl::StatusOr<int64_t> Runtime::Length(const Value& value) {
  if (value.undefined()) return 0;
  if (value.list() != nullptr) return static_cast<int64_t>(value.list()->size());
  if (value.dict() != nullptr) return static_cast<int64_t>(value.dict()->size());
  if (const std::string* text = value.string(); text != nullptr) {
    WEIR_RETURN_IF_ERROR(Charge(static_cast<int64_t>(text->size()) / 64));
    return std::count_if(text->begin(), text->end(),
                         [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; });
  }
  if (value.loop() != nullptr) return static_cast<int64_t>(value.loop()->items->items.size());
  return TypeError("has no length", value);
}

absl::StatusOr<Value> Runtime::Index(const Value& base, const Value& index) {
  WEIR_RETURN_IF_ERROR(Charge(1));
  if (base.undefined()) return TypeError("cannot be indexed", base);
  if (index.integer() && base.list() != nullptr) {
    const int64_t at = Position(index.AsInteger(), static_cast<int64_t>(base.list()->size()));
    return at < 0 ? Value::Missing("index") : (*base.list())[at];
  }
  if (index.integer() && base.string() != nullptr) {
    WEIR_RETURN_IF_ERROR(Charge(static_cast<int64_t>(base.string()->size()) / 16));
    const auto points = CodePointsOf(*base.string());
    const int64_t at = Position(index.AsInteger(), static_cast<int64_t>(points.size()));
    return at < 0 ? Value::Missing("index") : Value(points[at]);
  }
  if (base.dict() != nullptr) {
    WEIR_RETURN_IF_ERROR(Charge(static_cast<int64_t>(base.dict()->size()) / 16));
    for (const auto& [key, item] : *base.dict()) {
      if (key.depth() == 0 && key == index) return item;
    }
  }
  if (index.string() != nullptr) return Attribute(base, *index.string());
  return Value::Missing("index");
}

absl::StatusOr<Value> Runtime::Slice(const Value& base, const Value& start, const Value& stop,
                                     const Value& step) {
  std::vector<std::string_view> points;
  int64_t n = 0;
  if (base.string() != nullptr) {
    WEIR_RETURN_IF_ERROR(Charge(static_cast<int64_t>(base.string()->size()) / 16));
    points = CodePointsOf(*base.string());
    n = static_cast<int64_t>(points.size());
  } else if (base.list() != nullptr) {
    n = static_cast<int64_t>(base.list()->size());
    WEIR_RETURN_IF_ERROR(Charge(n));
  } else {
    return TypeError("cannot be sliced", base);
  }
  const auto part = [](const Value& v, int64_t otherwise) {
    return v.integer() ? std::clamp<int64_t>(v.AsInteger(), -kMost / 4, kMost / 4) : otherwise;
  };
  for (const Value* v : {&start, &stop, &step}) {
    if (!v->integer() && !v->undefined() && !v->none()) return TypeError("not a slice bound", *v);
  }
  const int64_t by = part(step, 1);
  if (by == 0) return absl::DataLossError("template: slice step of zero");
  const auto bound = [&](const Value& v, int64_t otherwise) {
    int64_t at = part(v, otherwise);
    if (v.integer() && at < 0) at += n;
    return by > 0 ? std::clamp<int64_t>(at, 0, n) : std::clamp<int64_t>(at, -1, n - 1);
  };
  const int64_t from = bound(start, by > 0 ? 0 : n - 1), to = bound(stop, by > 0 ? n : -1);
  std::string text;
  List items;
  for (int64_t i = from; by > 0 ? i < to : i > to; i += by) {
    if (base.string() != nullptr) {
      text += points[i];
    } else {
      items.push_back((*base.list())[i]);
    }
  }
  return base.string() != nullptr ? Text(std::move(text)) : Items(std::move(items));
}

absl::StatusOr<Value> Runtime::Attribute(const Value& base, const std::string& name) {
  WEIR_RETURN_IF_ERROR(Charge(1));
  if (base.undefined()) return TypeError(absl::StrCat("no attribute ", Quoted(name), " of"), base);
  if (base.dict() != nullptr) {
    WEIR_RETURN_IF_ERROR(Charge(static_cast<int64_t>(base.dict()->size()) / 16));
    if (const Value* item = base.Item(name); item != nullptr) return *item;
  }
  if (const Namespace* space = base.space(); space != nullptr) {
    for (const auto& [key, item] : space->items) {
      if (key == name) return item;
    }
  }
  if (const LoopState* loop = base.loop(); loop != nullptr) {
    const List& items = loop->items->items;
    const int64_t n = static_cast<int64_t>(items.size()), i = loop->index0;
    if (name == "index") return Value(i + 1);
    if (name == "index0") return Value(i);
    if (name == "revindex") return Value(n - i);
    if (name == "revindex0") return Value(n - i - 1);
    if (name == "first") return Value(i == 0);
    if (name == "last") return Value(i + 1 == n);
    if (name == "length") return Value(n);
    if (name == "previtem" && i > 0) return items[i - 1];
    if (name == "nextitem" && i + 1 < n) return items[i + 1];
  }
  // Python's own attributes are the way out of a sandbox; here is nothing behind them.
  if (name.starts_with("__") || name.ends_with("__")) {
    return absl::UnimplementedError(
        absl::StrCat("template: attribute ", Quoted(name), " of ", base.TypeName()));
  }
  return Value::Missing(name);
}

}  // namespace weir::model::jinja
