// The process a reader runs in. The parent opens the file and a pipe and starts its own program
// again with a hidden verb; the child maps the file, prepares the reader, gives up its rights
// (sandbox.h), parses, and writes one reply (wire.h). The parent enforces the wall clock and checks
// the reply.
//
//   int main(int argc, char** argv) {
//     if (std::optional<int> code = weir::ingest::ReaderMain(argc, argv)) return *code;
//     ...
//
// A program that does not call ReaderMain (a test of another room) still reads, through fork, as
// long as it has one thread; a program of many threads must call it or name one that does
// (UseReaderProgram).
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "ingest/reader.h"

namespace weir::ingest {

inline constexpr char kReaderVerb[] = "__weir-reader";

// Serves one file and returns the exit code when argv[1] is the hidden verb; else remembers that
// this program answers to it and returns nothing. Call it first in main.
std::optional<int> ReaderMain(int argc, char** argv);

// For programs that are not Weir's own (Python): start `program` for readers instead of this one.
void UseReaderProgram(const std::string& program);

// The limits on a reader's command line: program verb format name=value...
absl::StatusOr<ReadLimits> ReaderLimits(int argc, char** argv);

// The child's part: serves the file on descriptor 0, replies on 1 and ends the process at once
// (nothing that runs at exit, in libraries or sanitizers, is made for the sandbox).
[[noreturn]] void ServeReader(Reader& reader, const ReadLimits& limits);

// The parent's part: runs `program verb format limits...` on the open file. "" as program: fork and
// serve `format` here. Used by ReadDocument; tests pass a verb of their own.
absl::StatusOr<text::Document> ReadInChild(int file, const std::string& program,
                                           const std::string& verb, const std::string& format,
                                           const ReadLimits& limits, const Context& context);

}  // namespace weir::ingest
