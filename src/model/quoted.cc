#include "model/quoted.h"

#include "absl/strings/escaping.h"

namespace weir::model {

std::string Quoted(std::string_view name) {
  constexpr size_t kLongest = 80;
  const std::string_view head = name.substr(0, kLongest);
  return "'" + absl::Utf8SafeCHexEscape({head.data(), head.size()}) +
         (name.size() > kLongest ? "...'" : "'");
}

}  // namespace weir::model
