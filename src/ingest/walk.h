// The files below some paths that a reader claims, in a fixed order.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace weir::ingest {

struct WalkOptions {
  bool code = false;              // also source code, which a path that is a file always may be
  bool hidden = false;            // also names that begin with a dot
  int64_t max_files = 1'000'000;  // found and skipped together; kResourceExhausted beyond
  int64_t max_depth = 64;         // folders below a given path
};

struct SkippedFile {
  std::string path;
  std::string reason;
};

struct WalkResult {
  // sorted bytewise, each once, as spelled below its starting path
  std::vector<std::string> files;
  std::vector<SkippedFile> skipped;  // sorted by path
};

// A path that is a file is taken as given, even a hidden one; kNotFound for one that is not there.
// Below a folder: names that begin with a dot (".weir" among them, always) are passed over in
// silence; a file without a reader, an unreadable folder, or a link that leads outside, back or
// nowhere is reported. Links to files below the same starting path are followed; links to folders
// are not.
absl::StatusOr<WalkResult> WalkFiles(const std::vector<std::string>& paths,
                                     const WalkOptions& options = {});

}  // namespace weir::ingest
