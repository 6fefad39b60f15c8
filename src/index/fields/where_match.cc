#include <algorithm>

#include "absl/strings/str_cat.h"
#include "index/fields/where.h"
#include "text/unicode.h"

namespace weir::index {
namespace {

bool InRange(const WhereRange& range, const FieldValue& value) {
  if (range.single) {
    const std::optional<int> order = Compare(value, range.low->value);
    return order.has_value() ? *order == 0 : value.folded == range.low->value.folded;
  }
  const auto beside = [&](const std::optional<WhereValue>& end, int side) {
    if (!end.has_value()) return true;
    const std::optional<int> order = Compare(value, end->value);
    return order.has_value() && *order != side;
  };
  return beside(range.low, -1) && beside(range.high, 1);
}

bool Ordered(WhereOperator op) {
  return op == WhereOperator::kLess || op == WhereOperator::kLessEqual ||
         op == WhereOperator::kGreater || op == WhereOperator::kGreaterEqual;
}

bool Comparable(const WhereValue& written, const SeenTypes& seen) {
  return (written.value.number.has_value() && seen.number) ||
         (written.value.date.has_value() && seen.date);
}

std::string Kinds(const SeenTypes& seen) {
  std::string out;
  const auto add = [&](bool has, const char* name) {
    if (has) absl::StrAppend(&out, out.empty() ? "" : " and ", name);
  };
  add(seen.number && (seen.other_number || !seen.other_date), "numbers");
  add(seen.other_date || (seen.date && !seen.number), "dates");
  add(seen.text, "text");
  return out;
}

}  // namespace

std::optional<int> Compare(const FieldValue& value, const FieldValue& written) {
  if (value.number.has_value() && written.number.has_value()) {
    return *value.number < *written.number ? -1 : *value.number > *written.number ? 1 : 0;
  }
  if (value.date.has_value() && written.date.has_value()) {
    return value.date->start < written.date->start  ? -1
           : value.date->start >= written.date->end ? 1
                                                    : 0;
  }
  return std::nullopt;
}

bool Matches(const WhereTest& test, const FieldValue& value) {
  switch (test.op) {
    case WhereOperator::kHas:
      return true;
    case WhereOperator::kContains:
      return value.folded.find(test.values[0].low->value.folded) != std::string::npos;
    case WhereOperator::kWords: {
      const WhereRange& range = test.values[0];
      if (!range.single) return InRange(range, value);
      const std::optional<int> order = Compare(value, range.low->value);
      return order.has_value() ? *order == 0
                               : value.folded.find(range.low->value.folded) != std::string::npos;
    }
    case WhereOperator::kEqual:
      return std::any_of(test.values.begin(), test.values.end(),
                         [&](const WhereRange& range) { return InRange(range, value); });
    default:
      break;
  }
  const std::optional<int> order = Compare(value, test.values[0].low->value);
  if (!order.has_value()) return false;
  return test.op == WhereOperator::kLess        ? *order < 0
         : test.op == WhereOperator::kLessEqual ? *order <= 0
         : test.op == WhereOperator::kGreater   ? *order > 0
                                                : *order >= 0;
}

absl::Status CheckTypes(std::string_view text, const WhereTest& test, const SeenTypes& seen) {
  if (test.op == WhereOperator::kHas || test.op == WhereOperator::kContains)
    return absl::OkStatus();
  for (const WhereRange& range : test.values) {
    const bool must = Ordered(test.op) || !range.single;  // text has no order here
    for (const auto& end : {range.low, range.high}) {
      if (!end.has_value() || Comparable(*end, seen)) continue;
      const std::string shown = absl::StrCat("\"", text::CutUtf8(end->text, 60), "\"");
      if (!end->problem.empty() && !end->quoted && (must || seen.date)) {
        return WhereError(text, end->at, absl::StrCat(shown, " is no date: ", end->problem));
      }
      if (must && !seen.number && !seen.date) {
        return WhereError(text, test.operator_at,
                          absl::StrCat("the field \"", test.field,
                                       "\" holds text, which has no order; expected = != ~ or in"));
      }
      if (must || !seen.text) {
        return WhereError(text, end->at,
                          absl::StrCat("the field \"", test.field, "\" holds ", Kinds(seen),
                                       "; ", shown, " is none"));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace weir::index
