// Checksums of the catalogue's pages. SQLite notices broken structure, not a changed number in a
// row; with a VFS between it and the file each page of the database ends with the XXH3 of what
// stands before it, written when a page is, and compared when it is read. Pages in the write-ahead
// log have SQLite's own checksums until they move into the file. Format page:
// docs/formats/catalogue.md.
//
// A file is sealed when its header reserves kSealBytes of each page, or says a user_version from
// kSealedVersion on; others pass through.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"

namespace weir::index {

inline constexpr int kSealBytes = 8;
inline constexpr int kSealedVersion = 2;

// The name of the VFS, registered by the first call. Thread-safe.
absl::StatusOr<const char*> SealedVfs();

// Offset of the page of which this thread read a wrong checksum last.
int64_t LastDamagedPage();

}  // namespace weir::index
