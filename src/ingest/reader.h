// One reader a format, run in a process of its own: no network, a system-call filter, limits on
// memory, time and output. The parent receives a serialised Document over a pipe and checks it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "text/records.h"

namespace weir::ingest {

struct ReadLimits {
  int64_t memory_mb = 512;
  int64_t seconds = 60;
  int64_t file_mb = 256;
  int64_t text_mb = 64;
  int64_t pages = 5000;
  template <class V> void Visit(V& v) {
    v(memory_mb, {.name = "reader-memory",
                  .help = "Memory a reader process may use.",
                  .unit = "MB",
                  .min = 64,
                  .max = 65536});
    v(seconds, {.name = "reader-time",
                .help = "Time a reader may take for one file.",
                .unit = "s",
                .min = 1,
                .max = 3600});
    v(file_mb, {.name = "reader-file",
                .help = "Largest file that is read.",
                .unit = "MB",
                .min = 1,
                .max = 65536});
    v(text_mb, {.name = "reader-text",
                .help = "Most text taken from one file.",
                .unit = "MB",
                .min = 1,
                .max = 1024});
    v(pages, {.name = "reader-pages",
              .help = "Most pages taken from one file.",
              .unit = "pages",
              .min = 1,
              .max = 1000000});
  }
};

// A parser of one format; runs inside the sandbox. `bytes` is the whole file. Must fill text,
// blocks and pages; path and sha256 are the caller's.
class Reader {
 public:
  virtual ~Reader() = default;
  virtual std::string_view format() const = 0;
  // 0: not mine; higher is surer. Sees the path and up to the first 4 KiB.
  virtual int Claims(std::string_view path, std::string_view head) const = 0;
  // Called in the child before the sandbox closes (opens shared libraries, fonts).
  virtual absl::Status Prepare() { return absl::OkStatus(); }
  virtual absl::StatusOr<text::Document> Read(std::string_view bytes, const ReadLimits& limits) = 0;
};

// Reads a file in a sandboxed child. Errors: kNotFound, kUnimplemented (no reader claims it),
// kDataLoss (the reader refused or crashed), kResourceExhausted (a limit), kDeadlineExceeded.
absl::StatusOr<text::Document> ReadDocument(const std::string& path, const ReadLimits& limits,
                                            const Context& context);
// The same on the calling process, for tests and fuzzing.
absl::StatusOr<text::Document> ReadInProcess(std::string_view path, std::string_view bytes,
                                             const ReadLimits& limits);
// True when some reader claims the path by its name (directory walks).
bool Readable(std::string_view path);
// True when the name is that of source code.
bool IsSourceCode(std::string_view path);

}  // namespace weir::ingest
