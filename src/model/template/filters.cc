// Filters (value|name) and tests (value is name).
#include <algorithm>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "model/quoted.h"
#include "model/template/runtime.h"

namespace weir::model::jinja {
namespace {

std::string TitleFilter(std::string_view text) {  // each word's first letter, unlike str.title
  std::string out;
  size_t begin = 0;
  const auto word = [&](size_t end) {
    const auto points = CodePointsOf(text.substr(begin, end - begin));
    if (points.empty()) return;
    out += Upper(points[0]);
    out += Lower(text.substr(begin + points[0].size(), end - begin - points[0].size()));
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (std::string_view("-([{< \t\n\r\v\f").find(text[i]) == std::string_view::npos) continue;
    word(i);
    out += text[i];
    begin = i + 1;
  }
  word(text.size());
  return out;
}

// Text that the filter may take: anything but undefined prints as itself.
std::string Indented(std::string_view text, const std::string& by, bool first, bool blank) {
  std::string out = first ? by : "";
  while (true) {
    const size_t end = text.find('\n');
    out += text.substr(0, end);
    if (end == std::string_view::npos) return out;
    out += '\n';
    text.remove_prefix(end + 1);
    if (blank || (!text.empty() && text.front() != '\n')) out += by;
  }
}

absl::StatusOr<int64_t> ToInteger(const Value& in, int64_t otherwise) {
  if (in.integer()) return in.AsInteger();
  double real = 0;
  if (in.real() != nullptr) {
    real = *in.real();
  } else if (in.string() != nullptr) {
    int64_t number = 0;
    const std::string_view text = Strip(*in.string(), nullptr, true, true);
    if (absl::SimpleAtoi(text, &number)) return number;
    if (!absl::SimpleAtod(text, &real)) return otherwise;
  } else {
    return otherwise;
  }
  if (!(std::abs(real) < 9e18)) return otherwise;
  return static_cast<int64_t>(real);
}

double ToReal(const Value& in, double otherwise) {
  if (in.number()) return in.AsReal();
  double real = 0;
  if (in.string() != nullptr && absl::SimpleAtod(Strip(*in.string(), nullptr, true, true), &real)) {
    return real;
  }
  return otherwise;
}

std::vector<std::string> Path(const Value& attribute) {  // "a.b" or 0
  std::vector<std::string> path;
  const std::string dot = ".";
  const std::string text = ToText(attribute);
  for (const std::string_view part : SplitText(text, &dot, -1)) path.emplace_back(part);
  return path;
}

absl::StatusOr<Value> Follow(Runtime& runtime, Value value, const std::vector<std::string>& path) {
  for (const std::string& name : path) {
    int64_t index = 0;
    absl::StatusOr<Value> next = absl::SimpleAtoi(name, &index)
                                     ? runtime.Index(value, Value(index))
                                     : runtime.Index(value, Value(name));
    if (!next.ok()) return next.status();
    value = *std::move(next);
  }
  return value;
}

CallArguments Rest(const CallArguments& args, size_t from) {
  CallArguments rest;
  for (size_t i = from; i < args.positional.size(); ++i)
    rest.positional.push_back(args.positional[i]);
  rest.named = args.named;
  return rest;
}

}  // namespace

absl::StatusOr<Value> Runtime::TextFilter(const std::string& name, const Value& in,
                                          const CallArguments& args, bool& known) {
  WEIR_ASSIGN_OR_RETURN(const std::string text, Print(in));
  if (name == "upper") return Text(Upper(text));
  if (name == "lower") return Text(Lower(text));
  if (name == "title") return Text(TitleFilter(text));
  if (name == "capitalize") return Text(Capitalize(text));
  if (name == "string" || name == "safe") return Text(text);
  if (name == "trim") {
    const Value* set = args.Get(0, "chars");
    if (set != nullptr && set->string() == nullptr && !set->none())
      return TypeError("trim of", *set);
    return Text(std::string(Strip(text, set == nullptr ? nullptr : set->string(), true, true)));
  }
  if (name == "replace") {
    const Value* from = args.Get(0, "old");
    const Value* to = args.Get(1, "new");
    const Value* count = args.Get(2, "count");
    if (from == nullptr || to == nullptr || from->string() == nullptr || to->string() == nullptr) {
      return absl::DataLossError("template: replace needs two strings");
    }
    const int64_t most = count != nullptr && count->integer() ? count->AsInteger() : -1;
    WEIR_RETURN_IF_ERROR(CheckBytes(ReplacedSize(text, *from->string(), *to->string(), most)));
    return Text(Replaced(text, *from->string(), *to->string(), most));
  }
  if (name == "indent") {
    const Value* width = args.Get(0, "width");
    const Value* first = args.Get(1, "first");
    const Value* blank = args.Get(2, "blank");
    std::string by(4, ' ');
    if (width != nullptr && width->string() != nullptr) by = *width->string();
    if (width != nullptr && width->integer()) {
      by = std::string(static_cast<size_t>(std::clamp<int64_t>(width->AsInteger(), 0, 1000)), ' ');
    }
    const int64_t lines = std::count(text.begin(), text.end(), '\n') + 1;
    WEIR_RETURN_IF_ERROR(
        CheckBytes(static_cast<int64_t>(text.size()) + lines * static_cast<int64_t>(by.size())));
    return Text(Indented(text, by, first != nullptr && first->Truthy(),
                         blank != nullptr && blank->Truthy()));
  }
  known = false;
  return Value();
}

absl::StatusOr<Value> Runtime::MapFilter(const Value& in, const CallArguments& args) {
  WEIR_ASSIGN_OR_RETURN(const List items, Iterate(in));
  const Value* attribute = args.Get(args.positional.size(), "attribute");
  const Value* otherwise = args.Get(args.positional.size(), "default");
  List out;
  for (const Value& item : items) {
    absl::StatusOr<Value> made;
    if (attribute != nullptr) {
      made = Follow(*this, item, Path(*attribute));
      if (made.ok() && made->undefined() && otherwise != nullptr) made = *otherwise;
    } else if (!args.positional.empty() && args.positional[0].string() != nullptr) {
      made = Filter(*args.positional[0].string(), item, Rest(args, 1));
    } else {
      return absl::DataLossError("template: map needs a filter or an attribute");
    }
    if (!made.ok()) return made.status();
    out.push_back(*std::move(made));
  }
  return Items(std::move(out));
}

// select, reject, selectattr, rejectattr
absl::StatusOr<Value> Runtime::Select(const std::string& name, const Value& in,
                                      const CallArguments& args) {
  const bool by_attribute = name.ends_with("attr"), keep = name.starts_with("select");
  if (by_attribute && args.positional.empty()) {
    return absl::DataLossError("template: selectattr without an attribute");
  }
  const size_t test_at = by_attribute ? 1 : 0;
  WEIR_ASSIGN_OR_RETURN(const List items, Iterate(in));
  List out;
  for (const Value& item : items) {
    Value tested = item;
    if (by_attribute) {
      WEIR_ASSIGN_OR_RETURN(tested, Follow(*this, item, Path(args.positional[0])));
    }
    bool yes = tested.Truthy();
    if (args.positional.size() > test_at) {
      const std::string* test = args.positional[test_at].string();
      if (test == nullptr) return TypeError("not the name of a test", args.positional[test_at]);
      WEIR_ASSIGN_OR_RETURN(yes, Test(*test, tested, Rest(args, test_at + 1)));
    }
    if (yes == keep) out.push_back(item);
  }
  return Items(std::move(out));
}

absl::StatusOr<Value> Runtime::ListFilter(const std::string& name, const Value& in,
                                          const CallArguments& args, bool& known) {
  if (name == "map") return MapFilter(in, args);
  if (name == "select" || name == "reject" || name == "selectattr" || name == "rejectattr") {
    return Select(name, in, args);
  }
  if (name == "items") {
    if (in.undefined()) return Items({});
    return in.dict() != nullptr ? Method(in, "items", {}) : TypeError("items of", in);
  }
  if (name == "reverse" && in.string() != nullptr) {
    return Slice(in, Value(), Value(), Value(int64_t{-1}));
  }
  if (name != "join" && name != "first" && name != "last" && name != "list" && name != "reverse" &&
      name != "unique") {
    known = false;
    return Value();
  }
  WEIR_ASSIGN_OR_RETURN(List items, Iterate(in));
  if (name == "first") return items.empty() ? Value::Missing("first") : items.front();
  if (name == "last") return items.empty() ? Value::Missing("last") : items.back();
  if (name == "reverse") std::reverse(items.begin(), items.end());
  if (name == "unique") {
    List seen;
    for (const Value& item : items) {
      bool found = false;
      for (const Value& other : seen) {
        WEIR_ASSIGN_OR_RETURN(const bool equal, Equal(item, other));
        found = found || equal;
      }
      if (!found) seen.push_back(item);
    }
    items = std::move(seen);
  }
  if (name != "join") return Items(std::move(items));
  const Value* separator = args.Get(0, "d");
  const Value* attribute = args.Get(1, "attribute");
  const std::string between = separator == nullptr ? "" : ToText(*separator);
  std::string out;
  for (size_t i = 0; i < items.size(); ++i) {
    Value item = items[i];
    if (attribute != nullptr) {
      WEIR_ASSIGN_OR_RETURN(item, Follow(*this, item, Path(*attribute)));
    }
    WEIR_ASSIGN_OR_RETURN(const std::string text, Print(item));
    WEIR_RETURN_IF_ERROR(
        CheckBytes(static_cast<int64_t>(out.size() + between.size() + text.size())));
    if (i > 0) out += between;
    out += text;
  }
  return Value(std::move(out));
}

absl::StatusOr<Value> Runtime::Filter(const std::string& name, const Value& in,
                                      const CallArguments& args) {
  WEIR_RETURN_IF_ERROR(Charge(1 + in.bytes() / 64));
  if (name == "default" || name == "d") {
    const Value* otherwise = args.Get(0, "default_value");
    const Value* falsy = args.Get(1, "boolean");
    const bool missing = in.undefined() || (falsy != nullptr && falsy->Truthy() && !in.Truthy());
    return !missing ? in : otherwise != nullptr ? *otherwise : Value("");
  }
  if (name == "length" || name == "count") {
    WEIR_ASSIGN_OR_RETURN(const int64_t length, Length(in));
    return Value(length);
  }
  if (name == "tojson") {
    const Value* indent = args.Get(0, "indent");
    const int by = indent != nullptr && indent->integer()
                       ? static_cast<int>(std::clamp<int64_t>(indent->AsInteger(), 0, 16))
                       : -1;
    // Escapes take up to six bytes a character, indenting up to 16 * depth a line.
    WEIR_RETURN_IF_ERROR(CheckBytes(in.bytes() * (by < 0 ? 1 : 8)));
    std::string out;
    if (!ToJson(in, by, out)) return TypeError("no JSON for", in);
    return Text(std::move(out));
  }
  if (name == "int") {
    const Value* otherwise = args.Get(0, "default");
    WEIR_ASSIGN_OR_RETURN(const int64_t number,
                          ToInteger(in, otherwise != nullptr && otherwise->integer()
                                            ? otherwise->AsInteger()
                                            : 0));
    return Value(number);
  }
  if (name == "float") return Value(ToReal(in, 0));
  if (name == "abs") {
    if (in.integer()) return in.AsInteger() < 0 ? Negate(in) : Value(in.AsInteger());
    if (in.real() != nullptr) return Value(std::abs(*in.real()));
    return TypeError("abs of", in);
  }
  bool known = true;
  absl::StatusOr<Value> out = ListFilter(name, in, args, known);
  if (known) return out;
  known = true;
  out = TextFilter(name, in, args, known);
  if (known) return out;
  return absl::UnimplementedError(absl::StrCat("template: filter ", Quoted(name)));
}

absl::StatusOr<bool> Runtime::Test(const std::string& name, const Value& in,
                                   const CallArguments& args) {
  WEIR_RETURN_IF_ERROR(Charge(1));
  if (name == "defined") return !in.undefined();
  if (name == "undefined") return in.undefined();
  if (name == "none") return in.none();
  if (name == "string") return in.string() != nullptr;
  if (name == "mapping") return in.dict() != nullptr;
  if (name == "iterable") return in.string() != nullptr || in.list() != nullptr ||
                                 in.dict() != nullptr || in.undefined();
  if (name == "sequence") return in.string() != nullptr || in.list() != nullptr ||
                                 in.dict() != nullptr;
  if (name == "number") return in.number();
  if (name == "integer") return in.integer() && in.boolean() == nullptr;
  if (name == "float") return in.real() != nullptr;
  if (name == "boolean") return in.boolean() != nullptr;
  if (name == "true") return in.boolean() != nullptr && *in.boolean();
  if (name == "false") return in.boolean() != nullptr && !*in.boolean();
  if (name == "callable") return in.callable() != nullptr;
  if (name == "lower") return in.string() != nullptr && Lower(*in.string()) == *in.string();
  if (name == "upper") return in.string() != nullptr && Upper(*in.string()) == *in.string();
  if (name == "odd" || name == "even" || name == "divisibleby") {
    const Value* by = args.Get(0, "num");
    const Value divisor = name == "divisibleby" && by != nullptr ? *by : Value(int64_t{2});
    WEIR_ASSIGN_OR_RETURN(const Value rest, Arithmetic("%", in, divisor));
    return rest.Truthy() == (name == "odd");
  }
  constexpr std::pair<std::string_view, std::string_view> kComparisons[] = {
      {"equalto", "=="}, {"eq", "=="}, {"==", "=="}, {"ne", "!="},          {"!=", "!="},
      {"lt", "<"},       {"<", "<"},   {"le", "<="}, {"<=", "<="},          {"gt", ">"},
      {">", ">"},        {"ge", ">="}, {">=", ">="}, {"lessthan", "<"},     {"greaterthan", ">"},
      {"in", "in"},      {"sameas", "=="}};
  for (const auto& [test, op] : kComparisons) {
    if (name != test) continue;
    const Value* other = args.Get(0, "other");
    if (other == nullptr) return absl::DataLossError("template: test without its argument");
    return Compare(op, in, *other);
  }
  return absl::UnimplementedError(absl::StrCat("template: test ", Quoted(name)));
}

}  // namespace weir::model::jinja
