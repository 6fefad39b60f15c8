#include "base/registry.h"

#include "absl/strings/str_cat.h"

namespace weir {

absl::StatusOr<const Registry::Entry*> Registry::Find(std::type_index type,
                                                      std::string_view name) const {
  std::vector<std::string> names;
  for (const Entry& entry : entries_) {
    if (entry.type != type) continue;
    if (entry.name == name) return &entry;
    names.push_back(entry.name);
  }
  std::string message = absl::StrCat("technique: \"", name, "\"; ");
  const std::string nearest = NearestName(name, names);
  if (!nearest.empty()) {
    absl::StrAppend(&message, "did you mean \"", nearest, "\"?");
  } else if (names.empty()) {
    absl::StrAppend(&message, "this build has none of this kind");
  } else {
    absl::StrAppend(&message, "expected one of");
    for (const std::string& known : names) absl::StrAppend(&message, " ", known);
  }
  return absl::NotFoundError(message);
}

}  // namespace weir
