#include "base/option_text.h"

#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace weir {
namespace {

std::string Bound(double value) { return absl::StrCat(value); }

size_t CodePoints(std::string_view text) {
  size_t count = 0;
  for (const unsigned char c : text) count += (c & 0xC0) != 0x80;
  return count;
}

}  // namespace

bool OnByDefault(const OptionField& field) {
  return field.type_name() == "bool" && field.default_text() == "true";
}

std::string_view ValueName(const OptionField& field) {
  const std::string_view type = field.type_name();
  if (type == "bool") return "";
  if (type == "integer") return "N";
  if (type == "number") return "X";
  if (type == "list") return "A,B";
  return field.spec().choices.empty() ? "TEXT" : "NAME";
}

std::string FlagText(const OptionField& field) {
  const std::string_view value = ValueName(field);
  return absl::StrCat(OnByDefault(field) ? "--[no-]" : "--", field.spec().name,
                      value.empty() ? "" : " ", value);
}

std::string ValueText(const OptionField& field) {
  const OptionSpec& spec = field.spec();
  std::string text = field.type_name() == "bool" ? "switch" : std::string(field.type_name());
  if (!spec.choices.empty()) {
    text = absl::StrCat(field.type_name() == "list" ? "any of " : "one of ",
                        absl::StrJoin(spec.choices, ", "));
  }
  const bool low = std::isfinite(spec.min);
  const bool high = std::isfinite(spec.max);
  if (low && high) absl::StrAppend(&text, " from ", Bound(spec.min), " to ", Bound(spec.max));
  if (low && !high) absl::StrAppend(&text, " of at least ", Bound(spec.min));
  if (!low && high) absl::StrAppend(&text, " of at most ", Bound(spec.max));
  const std::string_view unit_space = spec.unit.empty() ? "" : " ";
  if (field.default_text().empty()) {
    absl::StrAppend(&text, unit_space, spec.unit, ", no default");
  } else if (field.type_name() == "bool") {
    absl::StrAppend(&text, ", default ", OnByDefault(field) ? "on" : "off");
  } else {
    absl::StrAppend(&text, ", default ", field.default_text(), unit_space, spec.unit);
  }
  return text;
}

std::string_view ShortHelp(const OptionField& field) {
  std::string_view help = field.spec().help;
  if (!help.empty() && help.back() == '.') help.remove_suffix(1);
  return help;
}

std::string Wrap(std::string_view text, size_t indent, size_t width) {
  std::string out;
  size_t column = 0;
  for (const std::string_view word :
       absl::StrSplit(text, absl::ByAnyChar(" \n"), absl::SkipEmpty())) {
    const size_t length = CodePoints(word);
    if (column != 0 && column + 1 + length > width) {
      out += '\n';
      column = 0;
    }
    if (column == 0) {
      out.append(indent, ' ');
      column = indent;
    } else {
      out += ' ';
      ++column;
    }
    absl::StrAppend(&out, word);
    column += length;
  }
  if (column != 0) out += '\n';
  return out;
}

}  // namespace weir
