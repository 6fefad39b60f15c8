// The JSON header of a safetensors file as a list, before anything is compared with the data.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace weir::model {

struct SafetensorsEntry {
  std::string name;
  std::string type;
  std::vector<uint64_t> shape;
  uint64_t begin = 0, end = 0;  // bytes of the data section
};

// Errors: kDataLoss (not JSON, another structure, a name or field twice, above a
// limit).
absl::StatusOr<std::vector<SafetensorsEntry>> ParseSafetensorsHeader(std::string_view json);

}  // namespace weir::model
