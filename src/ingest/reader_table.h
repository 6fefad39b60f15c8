// The readers this build has, and which of them reads a file.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "ingest/reader.h"

namespace weir::ingest {

// One of each; the list in reader_table.cc is the only one.
std::vector<std::unique_ptr<Reader>> MakeReaders();
// The reader that claims the file most surely; null when none does.
std::unique_ptr<Reader> FindReader(std::string_view path, std::string_view head);
std::unique_ptr<Reader> FindReaderOfFormat(std::string_view format);

}  // namespace weir::ingest
