// Names out of hostile files, made safe for messages and terminals: quoted, escaped, cut at 80
// bytes.
#pragma once

#include <string>
#include <string_view>

namespace weir::model {

std::string Quoted(std::string_view name);

}  // namespace weir::model
