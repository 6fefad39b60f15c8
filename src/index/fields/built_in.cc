#include "index/fields/built_in.h"

#include "absl/strings/str_cat.h"
#include "text/fields.h"

namespace weir::index {

std::span<const BuiltInField> BuiltInFields() {
  static constexpr BuiltInField kFields[] = {
      {"path", FieldType::kText},     {"name", FieldType::kText},
      {"folder", FieldType::kText},   {"type", FieldType::kText},
      {"extension", FieldType::kText}, {"title", FieldType::kText},
      {"language", FieldType::kText}, {"size", FieldType::kNumber},
      {"modified", FieldType::kDate}, {"pages", FieldType::kNumber}};
  return kFields;
}

const BuiltInField* FindBuiltIn(std::string_view name) {
  for (const BuiltInField& field : BuiltInFields()) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

absl::Status CheckGivenFields(std::span<const text::Field> fields) {
  for (const text::Field& field : fields) {
    const std::string name = text::FieldName(field.name);
    if (name.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("field: a name of ", field.name.size(), " bytes; expected 1 to ",
                       text::kMaxFieldName, " bytes that can be printed"));
    }
    if (FindBuiltIn(name) != nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("field: every document has a \"", name, "\"; choose another name"));
    }
  }
  return absl::OkStatus();
}

}  // namespace weir::index
