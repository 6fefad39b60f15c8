// Methods of strings and dicts that chat templates call.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "model/quoted.h"
#include "model/template/runtime.h"

namespace weir::model::jinja {
namespace {

constexpr std::string_view kStringMethods[] = {
    "strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "startswith", "endswith",
    "upper", "lower",  "title",  "replace", "capitalize", "join", "find", "count",
    "removeprefix", "removesuffix", "isdigit"};
constexpr std::string_view kDictMethods[] = {"items", "keys", "values", "get"};

absl::StatusOr<const std::string*> OptionalText(const CallArguments& args, size_t position,
                                                std::string_view name) {
  const Value* value = args.Get(position, name);
  if (value == nullptr || value->none()) return nullptr;
  if (value->string() == nullptr) return TypeError(absl::StrCat("argument ", name), *value);
  return value->string();
}

absl::StatusOr<const std::string*> NeedText(const CallArguments& args, size_t position,
                                            std::string_view name) {
  WEIR_ASSIGN_OR_RETURN(const std::string* text, OptionalText(args, position, name));
  if (text == nullptr)
    return absl::DataLossError(absl::StrCat("template: argument ", name, " absent"));
  return text;
}

int64_t OptionalCount(const CallArguments& args, size_t position, std::string_view name) {
  const Value* value = args.Get(position, name);
  return value != nullptr && value->integer() ? value->AsInteger() : -1;
}

absl::StatusOr<bool> Affix(const std::string& text, const Value* affix, bool start) {
  if (affix == nullptr)
    return absl::DataLossError("template: startswith or endswith without argument");
  if (affix->list() != nullptr) {
    for (const Value& one : *affix->list()) {
      if (one.list() != nullptr) return TypeError("not a prefix or suffix", one);
      WEIR_ASSIGN_OR_RETURN(const bool yes, Affix(text, &one, start));
      if (yes) return true;
    }
    return false;
  }
  if (affix->string() == nullptr) return TypeError("not a prefix or suffix", *affix);
  return start ? text.starts_with(*affix->string()) : text.ends_with(*affix->string());
}

std::vector<std::string_view> LinesOf(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = text.find_first_of("\n\r\v\f");
    lines.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + (text.substr(end).starts_with("\r\n") ? 2 : 1));
  }
  return lines;
}

class StringMethods {
 public:
  StringMethods(Runtime& runtime, const std::string& self, const CallArguments& args)
      : runtime_(runtime), self_(self), args_(args) {}

  absl::StatusOr<Value> Call(const std::string& name) {
    if (name == "strip" || name == "lstrip" || name == "rstrip") {
      WEIR_ASSIGN_OR_RETURN(const std::string* set, OptionalText(args_, 0, "chars"));
      return runtime_.Text(std::string(Strip(self_, set, name != "rstrip", name != "lstrip")));
    }
    if (name == "split" || name == "rsplit") return Split(name == "rsplit");
    if (name == "splitlines") return AsList(LinesOf(self_));
    if (name == "startswith" || name == "endswith") {
      WEIR_ASSIGN_OR_RETURN(const bool yes,
                            Affix(self_, args_.Get(0, "prefix"), name == "startswith"));
      return Value(yes);
    }
    if (name == "upper") return runtime_.Text(Upper(self_));
    if (name == "lower") return runtime_.Text(Lower(self_));
    if (name == "title") return runtime_.Text(Title(self_));
    if (name == "capitalize") return runtime_.Text(Capitalize(self_));
    if (name == "replace") return Replace();
    if (name == "join") return Join();
    if (name == "isdigit") {
      return Value(!self_.empty() && std::all_of(self_.begin(), self_.end(),
                                                 [](char c) { return c >= '0' && c <= '9'; }));
    }
    WEIR_ASSIGN_OR_RETURN(const std::string* text, NeedText(args_, 0, "text"));
    if (name == "removeprefix") {
      return runtime_.Text(self_.starts_with(*text) ? self_.substr(text->size()) : self_);
    }
    if (name == "removesuffix") {
      return runtime_.Text(
          self_.ends_with(*text) ? self_.substr(0, self_.size() - text->size()) : self_);
    }
    if (name == "find") {
      const size_t at = self_.find(*text);
      if (at == std::string::npos) return Value(int64_t{-1});
      return Value(
          static_cast<int64_t>(CodePointsOf(std::string_view(self_).substr(0, at)).size()));
    }
    return Value(static_cast<int64_t>(SplitText(self_, text, -1).size()) - 1);  // count
  }

 private:
  absl::StatusOr<Value> AsList(const std::vector<std::string_view>& parts) {
    List items;
    for (const std::string_view part : parts) items.emplace_back(part);
    return runtime_.Items(std::move(items));
  }

  absl::StatusOr<Value> Split(bool from_right) {
    WEIR_ASSIGN_OR_RETURN(const std::string* separator, OptionalText(args_, 0, "sep"));
    if (separator != nullptr && separator->empty()) {
      return absl::DataLossError("template: split at an empty string");
    }
    if (from_right && separator == nullptr) {
      return absl::UnimplementedError("template: rsplit without a separator");
    }
    return AsList(SplitText(self_, separator, OptionalCount(args_, 1, "maxsplit"), from_right));
  }

  absl::StatusOr<Value> Replace() {
    WEIR_ASSIGN_OR_RETURN(const std::string* from, NeedText(args_, 0, "old"));
    WEIR_ASSIGN_OR_RETURN(const std::string* to, NeedText(args_, 1, "new"));
    const int64_t most = OptionalCount(args_, 2, "count");
    WEIR_RETURN_IF_ERROR(runtime_.CheckBytes(ReplacedSize(self_, *from, *to, most)));
    return runtime_.Text(Replaced(self_, *from, *to, most));
  }

  absl::StatusOr<Value> Join() {
    const Value* items = args_.Get(0, "iterable");
    if (items == nullptr) return absl::DataLossError("template: join without a list");
    WEIR_ASSIGN_OR_RETURN(const List parts, runtime_.Iterate(*items));
    std::string out;
    for (size_t i = 0; i < parts.size(); ++i) {
      if (parts[i].string() == nullptr) return TypeError("join of", parts[i]);
      WEIR_RETURN_IF_ERROR(runtime_.CheckBytes(
          static_cast<int64_t>(out.size() + self_.size() + parts[i].string()->size())));
      if (i > 0) out += self_;
      out += *parts[i].string();
    }
    return Value(std::move(out));
  }

  Runtime& runtime_;
  const std::string& self_;
  const CallArguments& args_;
};

}  // namespace

bool Runtime::IsMethod(const Value& self, std::string_view name) {
  if (self.string() != nullptr) {
    return std::find(std::begin(kStringMethods), std::end(kStringMethods), name) !=
           std::end(kStringMethods);
  }
  return self.dict() != nullptr && std::find(std::begin(kDictMethods), std::end(kDictMethods),
                                             name) != std::end(kDictMethods);
}

absl::StatusOr<Value> Runtime::Method(const Value& self, const std::string& name,
                                      const CallArguments& args) {
  WEIR_RETURN_IF_ERROR(Charge(1 + self.bytes() / 64));
  if (self.string() != nullptr && IsMethod(self, name)) {
    return StringMethods(*this, *self.string(), args).Call(name);
  }
  if (self.dict() == nullptr || !IsMethod(self, name)) {
    return absl::UnimplementedError(
        absl::StrCat("template: method ", Quoted(name), " of ", self.TypeName()));
  }
  if (name == "get") {
    const Value* key = args.Get(0, "key");
    const Value* otherwise = args.Get(1, "default");
    if (key == nullptr) return absl::DataLossError("template: get without a key");
    for (const auto& [k, v] : *self.dict()) {
      if (k.depth() == 0 && k == *key) return v;
    }
    return otherwise != nullptr ? *otherwise : Value(None{});
  }
  List items;
  for (const auto& [k, v] : *self.dict()) {
    if (name == "items") {
      items.push_back(Value::Tuple({k, v}));
    } else {
      items.push_back(name == "keys" ? k : v);
    }
  }
  return Items(std::move(items));
}

}  // namespace weir::model::jinja
