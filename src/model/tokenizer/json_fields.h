// Typed reads of a tokenizer.json's fields. Absent and null are the same; another type is
// kDataLoss. For .cc files only (heavy include).
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace weir::model {

using Json = nlohmann::json;

inline absl::Status WrongField(std::string_view key, std::string_view expected) {
  return absl::DataLossError(absl::StrCat("tokenizer.json \"", key, "\": expected ", expected));
}

// nullptr when absent or null, or when `object` is no object.
inline const Json* Field(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  auto it = object.find(key);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

inline absl::StatusOr<bool> FlagField(const Json& object, const char* key, bool otherwise) {
  const Json* value = Field(object, key);
  if (value == nullptr) return otherwise;
  if (!value->is_boolean()) return WrongField(key, "true or false");
  return value->get<bool>();
}

inline absl::StatusOr<std::string> TextField(const Json& object, const char* key,
                                             std::string_view otherwise) {
  const Json* value = Field(object, key);
  if (value == nullptr) return std::string(otherwise);
  if (!value->is_string()) return WrongField(key, "a string");
  return value->get<std::string>();
}

// A whole number of 0 to `most`; `otherwise` when absent.
inline absl::StatusOr<int64_t> CountField(const Json& object, const char* key, int64_t otherwise,
                                          int64_t most) {
  const Json* value = Field(object, key);
  if (value == nullptr) return otherwise;
  if (!value->is_number_unsigned() || value->get<uint64_t>() > static_cast<uint64_t>(most)) {
    return WrongField(key, absl::StrCat("a whole number up to ", most));
  }
  return value->get<int64_t>();
}

}  // namespace weir::model
