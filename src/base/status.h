// Errors as values: absl::Status with one table from code to exit code, HTTP status and Python
// class.
//
// Codes in use and what they mean here:
//   kInvalidArgument    the caller's options or request are wrong (a flag, a JSON field)
//   kDataLoss           bytes from outside are malformed or fail a checksum
//   kUnimplemented      well-formed, but of a kind this build does not support
//   kNotFound           a file, model, document or name does not exist
//   kResourceExhausted  a limit or the memory is used up; nothing was allocated beyond it
//   kUnknown            input/output failed (errno is in the message)
//   kUnavailable        a peer, tool or library that is needed is not there
//   kPermissionDenied, kCancelled, kDeadlineExceeded, kAborted (try again), kInternal (a bug)
// Messages read "what: value; expected", and Annotate adds where, from the inside out.
#pragma once

#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace weir {

struct StatusRow {
  absl::StatusCode code;
  int exit_code;    // sysexits, see docs/exit-codes.md
  int http_status;  // RFC 9110
  const char* python_class;
};

// The one table, a row for every code. A code that it does not know falls to kInternal's row.
std::span<const StatusRow> StatusTable();
const StatusRow& RowFor(absl::StatusCode code);
inline int ExitCode(const absl::Status& s) { return RowFor(s.code()).exit_code; }

// A search that worked and found nothing (as grep): not an error, and no status carries it.
inline constexpr int kExitNothingFound = 1;

// Every exit code a command may end with, ascending, for the man page and docs/exit-codes.md.
struct ExitCodeRow {
  int code;
  const char* meaning;
};
std::span<const ExitCodeRow> ExitCodes();

// Returns `s` with "context: " put before its message; OK stays OK.
absl::Status Annotate(const absl::Status& s, std::string_view context);

// "what: strerror(errno)" with the code that errno deserves (ENOENT -> kNotFound, ENOSPC -> ...).
absl::Status ErrnoStatus(int error_number, std::string_view what);

}  // namespace weir

#define WEIR_CONCAT_INNER_(a, b) a##b
#define WEIR_CONCAT_(a, b) WEIR_CONCAT_INNER_(a, b)

// WEIR_RETURN_IF_ERROR(expr): returns early when the Status is not OK.
#define WEIR_RETURN_IF_ERROR(expr)                        \
  do {                                                    \
    if (absl::Status weir_status_ = (expr); !weir_status_.ok()) return weir_status_; \
  } while (false)

// WEIR_ASSIGN_OR_RETURN(auto x, StatusOrExpr): unpacks or returns early.
#define WEIR_ASSIGN_OR_RETURN(lhs, expr) \
  WEIR_ASSIGN_OR_RETURN_IMPL_(WEIR_CONCAT_(weir_result_, __LINE__), lhs, expr)
#define WEIR_ASSIGN_OR_RETURN_IMPL_(result, lhs, expr) \
  auto result = (expr);                                \
  if (!result.ok()) return std::move(result).status(); \
  lhs = *std::move(result)
