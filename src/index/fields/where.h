// The filter language of --where (docs/filters.md): tests of fields, joined by and, or, not and
// parentheses.
//
//   expression = all { "or" all }        all = one { "and" one }
//   one        = "not" one | "(" expression ")" | "has" NAME | NAME test
//   test       = ":" (value | ("<" | ...) VALUE) | ("=" | "!=" | "~") value | ("<" | "<=" | ">" |
//     ">=") VALUE
//              | ["not"] "in" "(" value { "," value } ")"
//   value      = VALUE | [VALUE] ".." [VALUE]
//
// A NAME or VALUE is a word without white space and ( ) , ! = < > ~ " ', or any text in single or
// double quotes, with \ before a quote or a backslash. NAME:VALUE may be one word; a NAME with a
// colon is followed by another operator, or quoted. Words of the language are not case-sensitive.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/fields/value.h"

namespace weir::index {

inline constexpr size_t kMaxWhereBytes = 16 << 10;
inline constexpr int kMaxWhereDepth = 64;       // parentheses and "not" in each other
inline constexpr size_t kMaxWhereTests = 256;
inline constexpr size_t kMaxWhereValues = 2048;  // of all tests

struct WhereValue {
  std::string text;  // as written, without quotes
  FieldValue value;  // of quoted text: no number
  std::string problem;  // what makes it no date, though it has the form of one
  bool quoted = false;
  size_t at = 0;  // byte in the expression
};

// A value or a range; one end of a range may be open.
struct WhereRange {
  std::optional<WhereValue> low, high;
  bool single = false;  // then both are the value
};

enum class WhereOperator {
  kEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kContains,
  kWords,  // ":", of text: has these words in this order, as the search analyses them
  kHas
};

struct WhereTest {
  std::string field;  // text::FieldName of what was written
  WhereOperator op = WhereOperator::kHas;
  // One of those must match. kEqual alone may have several, it and kWords ranges; kHas has none.
  std::vector<WhereRange> values;
  size_t at = 0, operator_at = 0;  // bytes in the expression
};

struct WhereNode {
  enum class Kind { kTest, kNot, kAll, kAny };
  Kind kind = Kind::kTest;
  size_t test = 0;               // of kTest
  std::vector<size_t> children;  // nodes; of kNot one
};

struct Where {
  std::string text;
  std::vector<WhereTest> tests;
  std::vector<WhereNode> nodes;  // children before parents; the last one is the root
};

// kInvalidArgument with the place of the mistake.
absl::StatusOr<Where> ParseWhere(std::string_view text);

// "where: MESSAGE", then the part of the expression around byte `at` and a caret below it.
absl::Status WhereError(std::string_view text, size_t at, std::string_view message);

// Whether one of a field's values passes the test. Text is compared without regard to case; a
// number with a number, else a date with a date, else text. Of dates, what is written in an
// expression is a span ("2024-05" is the month) and what a document has counts by its beginning.
// kWords of text is kContains here; who has analysers does better (filter.h).
bool Matches(const WhereTest& test, const FieldValue& value);

// How a value and what is written compare: -1, 0 or 1 as the value is before, in or behind what is
// written; nullopt for text.
std::optional<int> Compare(const FieldValue& value, const FieldValue& written);

// Mistakes that show once it is known what the field's values are.
absl::Status CheckTypes(std::string_view text, const WhereTest& test, const SeenTypes& seen);

}  // namespace weir::index
