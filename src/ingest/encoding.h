// Bytes of unknown encoding to UTF-8.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace weir::ingest {

// Order: byte order mark (UTF-8, UTF-16, UTF-32), `declared` (an HTML meta charset, "" for none),
// valid UTF-8, else windows-1252 with a warning. Always returns valid UTF-8 without NUL. `encoding`
// gets the name of what was used.
std::string ToUtf8(std::string_view bytes, std::string_view declared, std::string& encoding,
                   std::vector<std::string>& warnings);

}  // namespace weir::ingest
