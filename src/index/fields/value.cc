#include "index/fields/value.h"

#include <cmath>

#include "absl/strings/numbers.h"
#include "text/fields.h"

namespace weir::index {

std::string_view FieldTypeName(FieldType type) {
  return type == FieldType::kText ? "text" : type == FieldType::kNumber ? "number" : "date";
}

std::optional<double> ParseNumber(std::string_view text) {
  // absl also takes "inf", "nan", hexadecimal digits and white space around.
  if (text.empty() || text.find_first_not_of("0123456789+-.eE") != text.npos) return std::nullopt;
  double value = 0;
  if (!absl::SimpleAtod(text, &value) || !std::isfinite(value)) return std::nullopt;
  return value;
}

FieldValue ReadValue(std::string_view text) {
  FieldValue out;
  out.folded = text::FoldValue(text);
  out.number = ParseNumber(text);
  if (const auto date = ParseDate(text); date.ok()) out.date = *date;
  return out;
}

FieldValue ReadValueAs(FieldType type, std::string_view text) {
  FieldValue out = ReadValue(text);
  if (type != FieldType::kNumber) out.number.reset();
  if (type != FieldType::kDate) out.date.reset();
  return out;
}

}  // namespace weir::index
