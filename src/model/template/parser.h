// Tokens to a tree. kDataLoss: syntax; kUnimplemented: a statement we do not know;
// kResourceExhausted: nested deeper than `depth`.
#pragma once

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "model/template/ast.h"

namespace weir::model::jinja {

absl::StatusOr<std::vector<NodePtr>> Parse(std::string_view source, int depth);

}  // namespace weir::model::jinja
