// A value of a field, read in every way that it can be compared in.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "index/fields/date.h"

namespace weir::index {

// "2020" is text, a number and a date (the year); "2020-05" text and a date; "weir" text.
struct FieldValue {
  std::string folded;            // text::FoldValue of the text
  std::optional<double> number;  // finite
  std::optional<DateSpan> date;
};

// The way in which a field's values are compared; one that every document has may have one only.
enum class FieldType { kText, kNumber, kDate };
std::string_view FieldTypeName(FieldType type);

// REQUIRES: valid UTF-8.
FieldValue ReadValue(std::string_view text);
// Of a field whose values are all of one type: that reading alone.
FieldValue ReadValueAs(FieldType type, std::string_view text);

// A decimal number and nothing else; nullopt also for one that no double holds.
std::optional<double> ParseNumber(std::string_view text);

// Which types the values of a field have been.
struct SeenTypes {
  bool text = false, number = false, date = false;
  bool other_date = false, other_number = false;  // that is no year
  void Add(const FieldValue& value) {
    number |= value.number.has_value();
    date |= value.date.has_value();
    other_date |= value.date.has_value() && !value.number.has_value();
    other_number |= value.number.has_value() && !value.date.has_value();
    text |= !value.number.has_value() && !value.date.has_value();
  }
  // What all values have in common.
  FieldType Common() const {
    if (text || (other_number && other_date)) return FieldType::kText;
    return other_date ? FieldType::kDate : number ? FieldType::kNumber : FieldType::kText;
  }
};

}  // namespace weir::index
