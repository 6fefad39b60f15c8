#include "model/template/runtime.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace weir::model::jinja {

const Value* CallArguments::Get(size_t position, std::string_view name) const {
  if (position < positional.size()) return &positional[position];
  for (const auto& [key, value] : named) {
    if (key == name) return &value;
  }
  return nullptr;
}

absl::Status TypeError(std::string_view what, const Value& value) {
  const std::string name = value.undefined() ? absl::StrCat(" (", value.missing_name(), ")") : "";
  return absl::DataLossError(absl::StrCat("template: ", what, ": ", value.TypeName(), name));
}

absl::Status Runtime::Charge(int64_t steps) {
  steps_ += steps;
  if (steps_ <= limits_.steps && steps >= 0) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("template: more than ", limits_.steps, " steps"));
}

absl::Status Runtime::CheckBytes(int64_t bytes) {
  if (bytes > limits_.output_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("template: a value or output of more than ", limits_.output_bytes, " bytes"));
  }
  return Charge(1 + bytes / 64);
}

absl::StatusOr<Value> Runtime::Text(std::string text) {
  WEIR_RETURN_IF_ERROR(CheckBytes(static_cast<int64_t>(text.size())));
  return Value(std::move(text));
}

absl::StatusOr<Value> Runtime::Items(List items, bool tuple) {
  for (const Value& item : items) {
    if (item.space() != nullptr) return TypeError("a list cannot hold this", item);
  }
  WEIR_RETURN_IF_ERROR(Charge(static_cast<int64_t>(items.size())));
  Value value = tuple ? Value::Tuple(std::move(items)) : Value(std::move(items));
  if (value.depth() > limits_.depth)
    return absl::ResourceExhaustedError("template: nested too deeply");
  WEIR_RETURN_IF_ERROR(CheckBytes(value.bytes()));
  return value;
}

absl::StatusOr<Value> Runtime::Entries(Dict entries) {
  for (const auto& [key, item] : entries) {
    if (item.space() != nullptr) return TypeError("a mapping cannot hold this", item);
    if (key.string() == nullptr && !key.number() && !key.none()) {
      return TypeError("not a key of a mapping", key);
    }
  }
  WEIR_RETURN_IF_ERROR(Charge(static_cast<int64_t>(entries.size())));
  Value value(std::move(entries));
  if (value.depth() > limits_.depth)
    return absl::ResourceExhaustedError("template: nested too deeply");
  WEIR_RETURN_IF_ERROR(CheckBytes(value.bytes()));
  return value;
}

absl::StatusOr<std::string> Runtime::Print(const Value& value) {
  if (value.list() != nullptr || value.dict() != nullptr) {
    WEIR_RETURN_IF_ERROR(CheckBytes(value.bytes()));
  }
  return ToText(value);
}

}  // namespace weir::model::jinja
