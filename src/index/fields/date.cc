#include "index/fields/date.h"

#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status.h"

namespace weir::index {
namespace {

constexpr int64_t kSecond = 1'000'000, kMinute = 60 * kSecond, kDay = 24 * 60 * kMinute;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Takes exactly `digits` digits off the start.
bool TakeNumber(std::string_view& s, size_t digits, int& out) {
  if (s.size() < digits) return false;
  out = 0;
  for (size_t i = 0; i < digits; ++i) {
    if (!IsDigit(s[i])) return false;
    out = out * 10 + (s[i] - '0');
  }
  s.remove_prefix(digits);
  return true;
}

bool TakeChar(std::string_view& s, char c) {
  if (!s.starts_with(c)) return false;
  s.remove_prefix(1);
  return true;
}

absl::Status CheckRange(std::string_view what, int value, int least, int most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return absl::OutOfRangeError(absl::StrCat(what, " ", value, "; expected ", least, " to ", most));
}

int64_t DayStart(int year, int month, int day) {
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  return int64_t{std::chrono::sys_days(date).time_since_epoch().count()} * kDay;
}

int DaysOfMonth(int year, int month) {
  const std::chrono::year_month_day_last last{
      std::chrono::year(year),
      std::chrono::month_day_last(std::chrono::month(static_cast<unsigned>(month)))};
  return static_cast<int>(static_cast<unsigned>(last.day()));
}

// "+02:00", "+0200", "+02", "Z" or nothing, up to the end; minutes before UTC.
absl::StatusOr<bool> TakeZone(std::string_view s, int& minutes) {
  minutes = 0;
  if (s.empty() || s == "Z" || s == "z") return true;
  (void)TakeChar(s, ' ');
  const bool east = s.starts_with('+');
  if (!east && !s.starts_with('-')) return false;
  s.remove_prefix(1);
  int hour = 0, minute = 0;
  if (!TakeNumber(s, 2, hour)) return false;
  (void)TakeChar(s, ':');
  if (!s.empty() && !TakeNumber(s, 2, minute)) return false;
  if (!s.empty()) return false;
  WEIR_RETURN_IF_ERROR(CheckRange("zone hour", hour, 0, 23));
  WEIR_RETURN_IF_ERROR(CheckRange("zone minute", minute, 0, 59));
  minutes = (east ? 1 : -1) * (hour * 60 + minute);
  return true;
}

struct TimeOfDay {
  int64_t start = 0, length = 0;  // microseconds; the start in UTC, so it may be below 0
};

// What follows T. nullopt when it has another form.
absl::StatusOr<std::optional<TimeOfDay>> TakeTime(std::string_view s) {
  int hour = 0, minute = 0, second = 0, zone = 0;
  if (!TakeNumber(s, 2, hour) || !TakeChar(s, ':') || !TakeNumber(s, 2, minute))
    return std::nullopt;
  int64_t length = kMinute, fraction = 0;
  if (TakeChar(s, ':')) {
    if (!TakeNumber(s, 2, second)) return std::nullopt;
    length = kSecond;
    if (s.size() > 1 && s[0] == '.' && IsDigit(s[1])) {
      s.remove_prefix(1);
      for (length = kSecond; !s.empty() && IsDigit(s[0]); s.remove_prefix(1)) {
        if (length == 1) continue;  // finer than a microsecond
        length /= 10;
        fraction += length * (s[0] - '0');
      }
    }
  }
  WEIR_ASSIGN_OR_RETURN(const bool zoned, TakeZone(s, zone));
  if (!zoned) return std::nullopt;
  WEIR_RETURN_IF_ERROR(CheckRange("hour", hour, 0, 23));
  WEIR_RETURN_IF_ERROR(CheckRange("minute", minute, 0, 59));
  WEIR_RETURN_IF_ERROR(CheckRange("second", second, 0, 59));
  return TimeOfDay{int64_t{hour * 60 + minute - zone} * kMinute + second * kSecond + fraction,
                   length};
}

}  // namespace

absl::StatusOr<std::optional<DateSpan>> ParseDate(std::string_view s) {
  int year = 0, month = 1, day = 1;
  if (!TakeNumber(s, 4, year)) return std::nullopt;
  const bool with_month = !s.empty();
  if (with_month && (!TakeChar(s, '-') || !TakeNumber(s, 2, month))) return std::nullopt;
  const bool with_day = !s.empty();
  if (with_day && (!TakeChar(s, '-') || !TakeNumber(s, 2, day))) return std::nullopt;
  std::optional<TimeOfDay> time;
  if (!s.empty()) {
    if (s[0] != 'T' && s[0] != 't' && s[0] != ' ') return std::nullopt;
    WEIR_ASSIGN_OR_RETURN(time, TakeTime(s.substr(1)));
    if (!time.has_value()) return std::nullopt;
  }
  WEIR_RETURN_IF_ERROR(CheckRange("year", year, 1, 9999));
  WEIR_RETURN_IF_ERROR(CheckRange("month", month, 1, 12));
  WEIR_RETURN_IF_ERROR(CheckRange("day", day, 1, DaysOfMonth(year, month)));
  const int64_t start = DayStart(year, month, day);
  if (time.has_value()) {
    return DateSpan{start + time->start, start + time->start + time->length};
  }
  if (with_day) return DateSpan{start, start + kDay};
  if (with_month) return DateSpan{start, start + DaysOfMonth(year, month) * kDay};
  return DateSpan{start, DayStart(year + 1, 1, 1)};
}

std::string DateText(int64_t microseconds) {
  int64_t day = microseconds / kDay, rest = microseconds % kDay;
  if (rest < 0) {
    rest += kDay;
    --day;
  }
  const std::chrono::year_month_day date{
      std::chrono::sys_days(std::chrono::days(static_cast<int>(day)))};
  std::string out = absl::StrFormat("%04d-%02d-%02d", static_cast<int>(date.year()),
                                    static_cast<unsigned>(date.month()),
                                    static_cast<unsigned>(date.day()));
  if (rest == 0) return out;
  const int64_t second = rest / kSecond;
  absl::StrAppendFormat(&out, "T%02d:%02d:%02dZ", second / 3600, second / 60 % 60, second % 60);
  return out;
}

}  // namespace weir::index
