// What a document says of itself, or what its owner says of it: an author, a date, tags. A field
// is a name with one or more values; all values are text, and what reads as a number or a date also
// counts as one (index/fields/value.h).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "text/records.h"

namespace weir::text {

// A hostile document fills no store. What is longer is cut, further values are left out.
inline constexpr size_t kMaxFieldName = 64;     // bytes; longer names are no names
inline constexpr size_t kMaxFieldValue = 1000;  // bytes
inline constexpr size_t kMaxFieldValues = 256;  // of a document

// Text as it is compared: case and compatibility variants folded (NFKC), white space runs one
// space, ends trimmed. REQUIRES: valid UTF-8.
std::string FoldValue(std::string_view utf8);

// A name as it is stored and looked up: FoldValue of it, or "" when it is empty, too long, or has
// control characters.
std::string FieldName(std::string_view utf8);

// Appends a value, cleaned: control characters and white space runs become a space, ends are
// trimmed. Drops what is empty, repeated, without a name, or over the limits. REQUIRES: valid
// UTF-8.
void AddField(std::string_view name, std::string_view value, std::vector<Field>& fields);

// The same for each part of a list in one text ("weirs, fish; rivers").
void AddFieldList(std::string_view name, std::string_view values, std::string_view separators,
                  std::vector<Field>& fields);

}  // namespace weir::text
