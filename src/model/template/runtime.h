// The limits of one rendering, and the operators, filters, tests and methods that count against
// them. Every string, list or dict that a template makes goes through Text, Items or Entries.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "model/chat_template.h"
#include "model/template/value.h"

namespace weir::model::jinja {

struct CallArguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
  // By position or by name; nullptr when absent.
  const Value* Get(size_t position, std::string_view name) const;
};

class Runtime {
 public:
  explicit Runtime(const TemplateLimits& limits) : limits_(limits) {}

  // kResourceExhausted once the steps are used up.
  absl::Status Charge(int64_t steps);
  absl::Status CheckBytes(int64_t bytes);  // of one value or of the output; charges 1 step per 64
  absl::StatusOr<Value> Text(std::string text);
  absl::StatusOr<Value> Items(List items, bool tuple = false);
  absl::StatusOr<Value> Entries(Dict entries);
  // What {{ value }} prints.
  absl::StatusOr<std::string> Print(const Value& value);
  const TemplateLimits& limits() const { return limits_; }

  // operators.cc
  absl::StatusOr<Value> Binary(std::string_view op, const Value& a, const Value& b);
  absl::StatusOr<bool> Compare(std::string_view op, const Value& a, const Value& b);
  absl::StatusOr<Value> Negate(const Value& a);
  absl::StatusOr<bool> Equal(const Value& a, const Value& b);
  absl::StatusOr<bool> Contains(const Value& container, const Value& item);
  absl::StatusOr<Value> Index(const Value& base, const Value& index);
  // Absent parts are undefined.
  absl::StatusOr<Value> Slice(const Value& base, const Value& start, const Value& stop,
                              const Value& step);
  absl::StatusOr<Value> Attribute(const Value& base, const std::string& name);
  // What a loop walks: items of a list, keys of a dict, code points of a string.
  absl::StatusOr<List> Iterate(const Value& value);
  absl::StatusOr<int64_t> Length(const Value& value);

  // filters.cc, methods.cc
  absl::StatusOr<Value> Filter(const std::string& name, const Value& in, const CallArguments& args);
  absl::StatusOr<bool> Test(const std::string& name, const Value& in, const CallArguments& args);
  absl::StatusOr<Value> Method(const Value& self, const std::string& name,
                               const CallArguments& args);
  static bool IsMethod(const Value& self, std::string_view name);

 private:
  absl::StatusOr<Value> Sum(const Value& a, const Value& b);
  absl::StatusOr<Value> Product(const Value& a, const Value& b);
  absl::StatusOr<Value> Arithmetic(std::string_view op, const Value& a, const Value& b);
  absl::StatusOr<Value> TextFilter(const std::string& name, const Value& in,
                                   const CallArguments& args, bool& known);
  absl::StatusOr<Value> ListFilter(const std::string& name, const Value& in,
                                   const CallArguments& args, bool& known);
  absl::StatusOr<Value> Select(const std::string& name, const Value& in, const CallArguments& args);
  absl::StatusOr<Value> MapFilter(const Value& in, const CallArguments& args);

  TemplateLimits limits_;
  int64_t steps_ = 0;
};

absl::Status TypeError(std::string_view what, const Value& value);

// strings.cc: as Python's str methods; positions count code points.
std::vector<std::string_view> CodePointsOf(std::string_view text);
std::string_view Strip(std::string_view text, const std::string* characters, bool left, bool right);
std::string Upper(std::string_view text);
std::string Lower(std::string_view text);
std::string Title(std::string_view text);
std::string Capitalize(std::string_view text);
// Cut at white space when `separator` is null; at most `most` cuts, all when negative.
std::vector<std::string_view> SplitText(std::string_view text, const std::string* separator,
                                        int64_t most, bool from_right = false);
// Bytes of `text` after replacing, so that callers can refuse before it is made.
int64_t ReplacedSize(std::string_view text, std::string_view from, std::string_view to,
                     int64_t most);
std::string Replaced(std::string_view text, std::string_view from, std::string_view to,
                     int64_t most);

}  // namespace weir::model::jinja
