#include "text/fields.h"

#include <algorithm>

#include "text/case_folder.h"
#include "text/unicode.h"

namespace weir::text {
namespace {

bool IsBlank(char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; }

std::string OneLine(std::string_view s) {
  std::string out;
  for (char c : s) {
    if (!IsBlank(c)) {
      out.push_back(c);
    } else if (!out.empty() && out.back() != ' ') {
      out.push_back(' ');
    }
  }
  if (out.ends_with(' ')) out.pop_back();
  return out;
}

}  // namespace

std::string FoldValue(std::string_view utf8) {
  static const absl::StatusOr<CaseFolder> folder = CaseFolder::Make();
  std::string out = OneLine(utf8);
  if (!folder.ok()) return out;
  const bool ascii =
      std::all_of(out.begin(), out.end(), [](char c) { return static_cast<signed char>(c) >= 0; });
  std::string folded;
  folder->Fold(out, ascii, folded);
  return OneLine(folded);  // some spaces are folded to plain ones
}

std::string FieldName(std::string_view utf8) {
  // A folded name may be longer than its origin, by a small factor.
  if (utf8.size() > 4 * kMaxFieldName) return "";
  std::string name = FoldValue(utf8);
  return name.size() <= kMaxFieldName ? name : "";
}

void AddField(std::string_view name, std::string_view value, std::vector<Field>& fields) {
  if (fields.size() >= kMaxFieldValues) return;
  Field field{FieldName(name), OneLine(CutUtf8(value, 4 * kMaxFieldValue))};
  field.value = OneLine(CutUtf8(field.value, kMaxFieldValue));
  if (field.name.empty() || field.value.empty()) return;
  const bool known = std::any_of(fields.begin(), fields.end(), [&](const Field& f) {
    return f.name == field.name && f.value == field.value;
  });
  if (!known) fields.push_back(std::move(field));
}

void AddFieldList(std::string_view name, std::string_view values, std::string_view separators,
                  std::vector<Field>& fields) {
  while (!values.empty()) {
    const size_t end = std::min(values.find_first_of(separators), values.size());
    AddField(name, values.substr(0, end), fields);
    values.remove_prefix(std::min(end + 1, values.size()));
  }
}

}  // namespace weir::text
