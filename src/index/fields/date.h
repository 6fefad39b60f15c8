// Dates of ISO 8601 as spans of time: a year, a month or a day is all of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace weir::index {

// Microseconds since 1970 in UTC; `end` is the first moment behind.
struct DateSpan {
  int64_t start = 0, end = 0;
};

// 2024, 2024-05, 2024-05-17, and 2024-05-17T10:30, with :20 or :20.5 for seconds and Z, +02:00,
// +0200 or +02 for a zone (UTC without), T or a space before the time. nullopt for what has none
// of these forms; kOutOfRange, saying which part, for one that no calendar has (2024-13-40).
// Years 0001 to 9999, by the Gregorian calendar.
absl::StatusOr<std::optional<DateSpan>> ParseDate(std::string_view text);

// Of the day ("2024-05-17") when the moment is its first, else with the time, in UTC.
std::string DateText(int64_t microseconds);

}  // namespace weir::index
