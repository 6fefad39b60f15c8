// The fields that every document has, whatever it says of itself.
#pragma once

#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "index/fields/value.h"
#include "text/records.h"

namespace weir::index {

struct BuiltInField {
  std::string_view name;
  FieldType type;
};

// path, name (of the file), folder, type ("pdf"), extension, title, language (most of its passages
// are analysed as), size (bytes of the file), modified (the file), pages.
std::span<const BuiltInField> BuiltInFields();
const BuiltInField* FindBuiltIn(std::string_view name);  // null: there is none

// A document's own field of the name of one of these is kept under this and its name.
inline constexpr std::string_view kOwnPrefix = "document.";

// Of what an owner says: kInvalidArgument for a name that is none or is that of a built-in field.
absl::Status CheckGivenFields(std::span<const text::Field> fields);

}  // namespace weir::index
