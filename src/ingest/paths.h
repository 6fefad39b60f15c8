// Names of files, without touching the disk.
#pragma once

#include <string>
#include <string_view>

namespace weir::ingest {

std::string_view FileName(std::string_view path);
// Lower case, without the dot: "pdf" of "a/B.PDF"; "" if none.
std::string Extension(std::string_view path);

}  // namespace weir::ingest
