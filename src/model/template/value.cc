#include "model/template/value.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace weir::model::jinja {
namespace {

template <class T, class Data>
const T* Pointee(const Data& data) {
  const auto* p = std::get_if<std::shared_ptr<const T>>(&data);
  return p == nullptr ? nullptr : p->get();
}

// Python's repr: shortest digits that read back equal; exponent below 1e-4 and from 1e16.
std::string RealText(double d) {
  if (std::isnan(d)) return "nan";
  if (std::isinf(d)) return d > 0 ? "inf" : "-inf";
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, d, std::chars_format::scientific);
  const std::string text(buffer, end.ptr);
  const size_t e = text.find('e');
  const int exponent = std::atoi(text.c_str() + e + 1);
  if (exponent < -4 || exponent >= 16) {
    std::string mantissa = text.substr(0, e);
    char tail[8];
    std::snprintf(tail, sizeof tail, "e%+03d", exponent);
    return mantissa + tail;
  }
  char fixed[400];
  const auto stop = std::to_chars(fixed, fixed + sizeof fixed, d, std::chars_format::fixed);
  std::string out(fixed, stop.ptr);
  if (out.find('.') == std::string::npos) out += ".0";
  return out;
}

std::string QuotedText(const std::string& s) {
  const bool has_single = s.find('\'') != std::string::npos;
  const char quote = has_single && s.find('"') == std::string::npos ? '"' : '\'';
  std::string out(1, quote);
  for (const char c : s) {
    if (c == quote || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (static_cast<uint8_t>(c) < 0x20 || c == 0x7F) {
      char hex[8];
      std::snprintf(hex, sizeof hex, "\\x%02x", c);
      out += hex;
    } else {
      out += c;
    }
  }
  return out + quote;
}

void JsonText(const std::string& s, std::string& out) {
  out += '"';
  for (const char c : s) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        if (static_cast<uint8_t>(c) < 0x20) {
          char hex[8];
          std::snprintf(hex, sizeof hex, "\\u%04x", c);
          out += hex;
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

void Break(int indent, int level, std::string& out) {
  if (indent < 0) return;
  out += '\n';
  out.append(static_cast<size_t>(indent) * level, ' ');
}

int64_t Sum(int64_t a, int64_t b) { return std::min<int64_t>(a + b, int64_t{1} << 50); }

}  // namespace

Value::Value(List items) : Value(MakeBox(std::move(items), false)) {}

Value Value::Tuple(List items) { return Value(MakeBox(std::move(items), true)); }

std::shared_ptr<const ListBox> Value::MakeBox(List items, bool tuple) {
  auto box = std::make_shared<ListBox>();
  box->tuple = tuple;
  for (const Value& v : items) {
    box->depth = std::max(box->depth, v.depth() + 1);
    box->bytes = Sum(box->bytes, v.bytes() + 2);
  }
  box->items = std::move(items);
  return box;
}

Value::Value(Dict items) {
  auto box = std::make_shared<DictBox>();
  for (const auto& [k, v] : items) {
    box->depth = std::max({box->depth, k.depth() + 1, v.depth() + 1});
    box->bytes = Sum(Sum(box->bytes, k.bytes() + 4), v.bytes());
  }
  box->items = std::move(items);
  data_ = std::shared_ptr<const DictBox>(std::move(box));
}

const std::string* Value::string() const { return Pointee<std::string>(data_); }
const List* Value::list() const {
  const auto* box = Pointee<ListBox>(data_);
  return box == nullptr ? nullptr : &box->items;
}
bool Value::tuple() const {
  const auto* box = Pointee<ListBox>(data_);
  return box != nullptr && box->tuple;
}
const Dict* Value::dict() const {
  const auto* box = Pointee<DictBox>(data_);
  return box == nullptr ? nullptr : &box->items;
}
Namespace* Value::space() const {
  const auto* p = std::get_if<std::shared_ptr<Namespace>>(&data_);
  return p == nullptr ? nullptr : p->get();
}
const LoopState* Value::loop() const { return Pointee<LoopState>(data_); }
const Callable* Value::callable() const { return Pointee<Callable>(data_); }

int64_t Value::AsInteger() const {
  const bool* b = boolean();
  return b != nullptr ? *b : std::get<int64_t>(data_);
}

double Value::AsReal() const {
  return real() != nullptr ? *real() : static_cast<double>(AsInteger());
}

bool Value::Truthy() const {
  if (undefined() || none()) return false;
  if (integer()) return AsInteger() != 0;
  if (real() != nullptr) return *real() != 0;
  if (string() != nullptr) return !string()->empty();
  if (list() != nullptr) return !list()->empty();
  if (dict() != nullptr) return !dict()->empty();
  return true;
}

int Value::depth() const {
  if (const auto* box = Pointee<ListBox>(data_)) return box->depth;
  if (const auto* box = Pointee<DictBox>(data_)) return box->depth;
  return 0;
}

int64_t Value::bytes() const {
  if (const auto* box = Pointee<ListBox>(data_)) return box->bytes;
  if (const auto* box = Pointee<DictBox>(data_)) return box->bytes;
  return string() != nullptr ? static_cast<int64_t>(string()->size()) + 2 : 8;
}

const char* Value::TypeName() const {
  if (undefined()) return "an undefined value";
  if (none()) return "none";
  if (boolean() != nullptr) return "a boolean";
  if (integer()) return "an integer";
  if (real() != nullptr) return "a float";
  if (string() != nullptr) return "a string";
  if (list() != nullptr) return "a list";
  if (dict() != nullptr) return "a mapping";
  if (space() != nullptr) return "a namespace";
  if (loop() != nullptr) return "a loop";
  return "a function";
}

bool Value::operator==(const Value& other) const {
  if (number() && other.number()) {
    if (integer() && other.integer()) return AsInteger() == other.AsInteger();
    return AsReal() == other.AsReal();
  }
  if (data_.index() != other.data_.index()) return false;
  if (undefined() || none()) return true;
  if (string() != nullptr) return *string() == *other.string();
  if (list() != nullptr) return *list() == *other.list();
  if (const Dict* mine = dict(); mine != nullptr) {
    const Dict& theirs = *other.dict();
    return mine->size() == theirs.size() && std::all_of(mine->begin(), mine->end(), [&](auto& a) {
      return std::any_of(theirs.begin(), theirs.end(),
                         [&](auto& b) { return a.first == b.first && a.second == b.second; });
    });
  }
  return space() == other.space() && loop() == other.loop() && callable() == other.callable();
}

const Value* Value::Item(std::string_view key) const {
  if (dict() == nullptr) return nullptr;
  for (const auto& [k, v] : *dict()) {
    if (k.string() != nullptr && *k.string() == key) return &v;
  }
  return nullptr;
}

std::string ToRepr(const Value& v) {
  if (v.string() != nullptr) return QuotedText(*v.string());
  if (const List* list = v.list(); list != nullptr) {
    std::string out = v.tuple() ? "(" : "[";
    for (const Value& item : *list) out += (out.size() > 1 ? ", " : "") + ToRepr(item);
    if (v.tuple() && list->size() == 1) out += ",";
    return out + (v.tuple() ? ")" : "]");
  }
  if (const Dict* dict = v.dict(); dict != nullptr) {
    std::string out = "{";
    for (const auto& [k, item] : *dict) {
      out += (out.size() > 1 ? ", " : "") + ToRepr(k) + ": " + ToRepr(item);
    }
    return out + "}";
  }
  if (v.undefined()) return "Undefined";
  return ToText(v);
}

std::string ToText(const Value& v) {
  if (v.string() != nullptr) return *v.string();
  if (v.undefined()) return "";
  if (v.none()) return "None";
  if (v.boolean() != nullptr) return *v.boolean() ? "True" : "False";
  if (v.integer()) return std::to_string(v.AsInteger());
  if (v.real() != nullptr) return RealText(*v.real());
  if (v.list() != nullptr || v.dict() != nullptr) return ToRepr(v);
  return std::string("<") + v.TypeName() + ">";
}

bool ToJson(const Value& v, int indent, std::string& out, int level) {
  if (v.string() != nullptr) {
    JsonText(*v.string(), out);
  } else if (v.none()) {
    out += "null";
  } else if (v.boolean() != nullptr) {
    out += *v.boolean() ? "true" : "false";
  } else if (v.number()) {
    const bool odd = v.real() != nullptr && !std::isfinite(*v.real());
    out += !odd                    ? ToText(v)
           : std::isnan(*v.real()) ? "NaN"
           : *v.real() > 0         ? "Infinity"
                                   : "-Infinity";
  } else if (const List* list = v.list(); list != nullptr) {
    out += '[';
    for (size_t i = 0; i < list->size(); ++i) {
      if (i > 0) out += indent < 0 ? ", " : ",";
      Break(indent, level + 1, out);
      if (!ToJson((*list)[i], indent, out, level + 1)) return false;
    }
    if (!list->empty()) Break(indent, level, out);
    out += ']';
  } else if (const Dict* dict = v.dict(); dict != nullptr) {
    out += '{';
    for (size_t i = 0; i < dict->size(); ++i) {
      if (i > 0) out += indent < 0 ? ", " : ",";
      Break(indent, level + 1, out);
      const Value& key = (*dict)[i].first;
      if (key.string() == nullptr && !key.number() && !key.none()) return false;
      std::string name;
      ToJson(key, -1, name);
      if (key.string() != nullptr) {
        out += name;
      } else {
        JsonText(name, out);
      }
      out += ": ";
      if (!ToJson((*dict)[i].second, indent, out, level + 1)) return false;
    }
    if (!dict->empty()) Break(indent, level, out);
    out += '}';
  } else {
    return false;
  }
  return true;
}

}  // namespace weir::model::jinja
