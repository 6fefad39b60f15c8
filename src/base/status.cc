#include "base/status.h"

#include <array>
#include <cerrno>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace weir {
namespace {

using absl::StatusCode;

constexpr std::array kRows = {
    StatusRow{StatusCode::kOk, 0, 200, ""},
    StatusRow{StatusCode::kCancelled, 130, 503, "KeyboardInterrupt"},
    StatusRow{StatusCode::kUnknown, 74, 500, "OSError"},
    StatusRow{StatusCode::kInvalidArgument, 64, 400, "ValueError"},
    StatusRow{StatusCode::kDeadlineExceeded, 75, 504, "TimeoutError"},
    StatusRow{StatusCode::kNotFound, 66, 404, "FileNotFoundError"},
    StatusRow{StatusCode::kAlreadyExists, 64, 409, "FileExistsError"},
    StatusRow{StatusCode::kPermissionDenied, 77, 403, "PermissionError"},
    StatusRow{StatusCode::kResourceExhausted, 71, 429, "MemoryError"},
    StatusRow{StatusCode::kFailedPrecondition, 64, 409, "ValueError"},
    StatusRow{StatusCode::kAborted, 75, 409, "weir.TryAgain"},
    StatusRow{StatusCode::kOutOfRange, 64, 400, "IndexError"},
    StatusRow{StatusCode::kUnimplemented, 65, 501, "NotImplementedError"},
    StatusRow{StatusCode::kInternal, 70, 500, "RuntimeError"},
    StatusRow{StatusCode::kUnavailable, 69, 503, "ConnectionError"},
    StatusRow{StatusCode::kDataLoss, 65, 422, "weir.DataError"},
    StatusRow{StatusCode::kUnauthenticated, 77, 401, "PermissionError"},
};

constexpr std::array kExitCodes = {
    ExitCodeRow{0, "done"},
    ExitCodeRow{kExitNothingFound, "nothing found"},
    ExitCodeRow{64, "usage: a flag, an argument or a setting is wrong"},
    ExitCodeRow{65, "bad input data: malformed, damaged or of an unsupported kind"},
    ExitCodeRow{66, "no input: a file, model, document or name does not exist"},
    ExitCodeRow{69, "unavailable: a peer, tool or library that is needed is not there"},
    ExitCodeRow{70, "internal error: a bug in Weir"},
    ExitCodeRow{71, "out of memory or quota"},
    ExitCodeRow{74, "input or output failed"},
    ExitCodeRow{75, "try again: a conflict or a time limit"},
    ExitCodeRow{77, "refused: not permitted"},
    ExitCodeRow{130, "interrupted"},
};

StatusCode CodeOfErrno(int error_number) {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
      return StatusCode::kNotFound;
    case EACCES:
    case EPERM:
    case EROFS:
      return StatusCode::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
    case EFBIG:
      return StatusCode::kResourceExhausted;
    case EAGAIN:
    case EINTR:
    case EBUSY:
      return StatusCode::kAborted;
    case EEXIST:
      return StatusCode::kAlreadyExists;
    case EINVAL:
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
      return StatusCode::kInvalidArgument;
    case ECONNREFUSED:
    case ECONNRESET:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EADDRINUSE:
    case EPIPE:
      return StatusCode::kUnavailable;
    case ETIMEDOUT:
      return StatusCode::kDeadlineExceeded;
    default:
      return StatusCode::kUnknown;
  }
}

}  // namespace

std::span<const StatusRow> StatusTable() { return kRows; }

std::span<const ExitCodeRow> ExitCodes() { return kExitCodes; }

const StatusRow& RowFor(StatusCode code) {
  const StatusRow* internal = nullptr;
  for (const StatusRow& row : kRows) {
    if (row.code == code) return row;
    if (row.code == StatusCode::kInternal) internal = &row;
  }
  return *internal;
}

absl::Status Annotate(const absl::Status& s, std::string_view context) {
  if (s.ok()) return s;
  absl::Status result(s.code(), absl::StrCat(context, ": ", s.message()));
  s.ForEachPayload([&result](auto url, const auto& payload) { result.SetPayload(url, payload); });
  return result;
}

absl::Status ErrnoStatus(int error_number, std::string_view what) {
  // std::strerror may share a buffer between threads; the category's message does not.
  return absl::Status(CodeOfErrno(error_number),
                      absl::StrCat(what, ": ", std::generic_category().message(error_number)));
}

}  // namespace weir
