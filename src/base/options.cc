#include "base/options.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"

namespace weir {
namespace {

// The shortest text that parses back to the same number.
std::string NumberText(double value) {
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return std::string(buffer, end);
}

absl::StatusOr<bool> ParseBool(std::string_view text) {
  const std::string word = absl::AsciiStrToLower(text);
  if (word == "true" || word == "1" || word == "on" || word == "yes") return true;
  if (word == "false" || word == "0" || word == "off" || word == "no") return false;
  return absl::InvalidArgumentError("expected true or false");
}

std::string RangeText(const OptionSpec& spec) {
  const bool low = std::isfinite(spec.min);
  const bool high = std::isfinite(spec.max);
  if (low && high) {
    return absl::StrCat(" from ", NumberText(spec.min), " to ", NumberText(spec.max));
  }
  if (low) return absl::StrCat(" of at least ", NumberText(spec.min));
  if (high) return absl::StrCat(" of at most ", NumberText(spec.max));
  return "";
}

// Writes the current value as text.
struct TextOf {
  std::string operator()(const bool* value) const { return *value ? "true" : "false"; }
  std::string operator()(const int64_t* value) const { return absl::StrCat(*value); }
  std::string operator()(const double* value) const { return NumberText(*value); }
  std::string operator()(const std::string* value) const { return *value; }
  std::string operator()(const std::vector<std::string>* value) const { return ListText(*value); }
};

// Parses `text` into the member, or says what was expected; the member then keeps its value.
struct ParseInto {
  std::string_view text;
  const OptionSpec& spec;

  absl::Status operator()(bool* value) const {
    WEIR_ASSIGN_OR_RETURN(*value, ParseBool(text));
    return absl::OkStatus();
  }
  absl::Status operator()(int64_t* value) const {
    int64_t parsed;
    if (!absl::SimpleAtoi(text, &parsed) || !InRange(static_cast<double>(parsed))) {
      return absl::InvalidArgumentError(absl::StrCat("expected an integer", RangeText(spec)));
    }
    WEIR_RETURN_IF_ERROR(CheckChoice(text));
    *value = parsed;
    return absl::OkStatus();
  }
  absl::Status operator()(double* value) const {
    double parsed;
    if (!absl::SimpleAtod(text, &parsed) || std::isnan(parsed) || !InRange(parsed)) {
      return absl::InvalidArgumentError(absl::StrCat("expected a number", RangeText(spec)));
    }
    *value = parsed;
    return absl::OkStatus();
  }
  absl::Status operator()(std::string* value) const {
    WEIR_RETURN_IF_ERROR(CheckChoice(text));
    *value = std::string(text);
    return absl::OkStatus();
  }
  absl::Status operator()(std::vector<std::string>* value) const {
    std::vector<std::string> parsed = ParseList(text);
    for (const std::string& item : parsed) WEIR_RETURN_IF_ERROR(CheckChoice(item));
    *value = std::move(parsed);
    return absl::OkStatus();
  }

  bool InRange(double number) const { return number >= spec.min && number <= spec.max; }

  absl::Status CheckChoice(std::string_view word) const {
    if (spec.choices.empty()) return absl::OkStatus();
    std::vector<std::string> names(spec.choices.begin(), spec.choices.end());
    if (std::find(names.begin(), names.end(), word) != names.end()) return absl::OkStatus();
    std::string message = absl::StrCat("expected one of ", absl::StrJoin(names, ", "));
    const std::string nearest = NearestName(word, names);
    if (!nearest.empty()) absl::StrAppend(&message, "; did you mean \"", nearest, "\"?");
    return absl::InvalidArgumentError(message);
  }
};

size_t EditDistance(std::string_view a, std::string_view b) {
  // Two rows of the table; swapped neighbours count as two edits, which is near enough.
  std::vector<size_t> above(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) above[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = above[j - 1] + (a[i - 1] != b[j - 1]);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, change});
    }
    std::swap(above, row);
  }
  return above[b.size()];
}

}  // namespace

std::string ListText(const std::vector<std::string>& items) {
  std::string text;
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) text += ',';
    if (items[i].empty()) text += "\\e";
    for (const char c : items[i]) {
      if (c == ',' || c == '\\') text += '\\';
      text += c;
    }
  }
  return text;
}

std::vector<std::string> ParseList(std::string_view text) {
  std::vector<std::string> items;
  if (text.empty()) return items;
  items.emplace_back();
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ',') {
      items.emplace_back();
    } else if (text[i] == '\\' && i + 1 < text.size() &&
               (text[i + 1] == ',' || text[i + 1] == '\\' || text[i + 1] == 'e')) {
      ++i;
      if (text[i] != 'e') items.back() += text[i];
    } else {
      items.back() += text[i];
    }
  }
  return items;
}

OptionField::OptionField(OptionTarget target, OptionSpec spec)
    : target_(target), spec_(std::move(spec)), default_text_(Get()) {}

std::string_view OptionField::type_name() const {
  constexpr std::string_view kNames[] = {"bool", "integer", "number", "string", "list"};
  return kNames[target_.index()];
}

std::string OptionField::Get() const { return std::visit(TextOf(), target_); }

absl::Status OptionField::Set(std::string_view text) {
  const absl::Status status = std::visit(ParseInto{text, spec_}, target_);
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat("option ", spec_.name, ": \"", text, "\"; ",
                                                  status.message()));
}

OptionField* OptionTable::Find(std::string_view name) {
  for (OptionField& field : fields_) {
    if (field.spec().name == name) return &field;
  }
  return nullptr;
}

const OptionField* OptionTable::Find(std::string_view name) const {
  return const_cast<OptionTable*>(this)->Find(name);
}

absl::Status OptionTable::Set(std::string_view name, std::string_view text) {
  if (OptionField* field = Find(name); field != nullptr) return field->Set(text);
  std::vector<std::string> names;
  for (const OptionField& field : fields_) names.emplace_back(field.spec().name);
  const std::string nearest = NearestName(name, names);
  return absl::InvalidArgumentError(
      absl::StrCat("option ", name, ": unknown",
                   nearest.empty() ? "" : absl::StrCat("; did you mean \"", nearest, "\"?")));
}

absl::Status OptionTable::CopyValuesTo(OptionTable& target) const {
  for (const OptionField& field : fields_) {
    if (OptionField* same = target.Find(field.spec().name); same != nullptr) {
      WEIR_RETURN_IF_ERROR(same->Set(field.Get()));
    }
  }
  return absl::OkStatus();
}

std::string OptionTable::Fingerprint() const {
  std::vector<std::string> parts;
  for (const OptionField& field : fields_) {
    if (!field.spec().fingerprint) continue;
    std::string part = absl::StrCat(field.spec().name, "=");
    for (const char c : field.Get()) {
      if (c == ';' || c == '\\') part += '\\';
      part += c;
    }
    parts.push_back(std::move(part));
  }
  std::sort(parts.begin(), parts.end());
  return absl::StrJoin(parts, ";");
}

void OptionTable::Append(OptionTable other) {
  for (OptionField& field : other.fields_) fields_.push_back(std::move(field));
  for (auto& owned : other.owned_) owned_.push_back(std::move(owned));
}

std::string NearestName(std::string_view word, const std::vector<std::string>& candidates) {
  constexpr size_t kLongest = 128;  // longer words come from no keyboard; the cost stays bounded
  if (word.size() > kLongest) return "";
  size_t best = (word.size() + 2) / 3 + 1;
  std::string nearest;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kLongest) continue;
    const size_t distance = EditDistance(word, candidate);
    if (distance < best) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

}  // namespace weir
