#include "base/status.h"

#include <cerrno>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace weir {
namespace {

using absl::StatusCode;
using ::testing::HasSubstr;

constexpr int kLastCode = 16;  // kUnauthenticated

TEST(Status, EveryCodeHasARowOfItsOwn) {
  EXPECT_EQ(StatusTable().size(), kLastCode + 1);
  std::set<int> documented;
  for (const ExitCodeRow& row : ExitCodes()) documented.insert(row.code);
  for (int code = 0; code <= kLastCode; ++code) {
    const StatusRow& row = RowFor(static_cast<StatusCode>(code));
    EXPECT_EQ(row.code, static_cast<StatusCode>(code));
    EXPECT_TRUE(documented.contains(row.exit_code)) << code;
    EXPECT_EQ(row.exit_code == 0, code == 0);
    EXPECT_NE(row.exit_code, kExitNothingFound);
    EXPECT_EQ(row.http_status >= 200 && row.http_status < 300, code == 0);
    EXPECT_LT(row.http_status, 600);
    EXPECT_EQ(std::string_view(row.python_class).empty(), code == 0);
  }
  EXPECT_EQ(RowFor(static_cast<StatusCode>(99)).exit_code, 70);
}

TEST(Status, CodesInUseHaveTheDocumentedExitCodes) {
  EXPECT_EQ(ExitCode(absl::OkStatus()), 0);
  EXPECT_EQ(ExitCode(absl::InvalidArgumentError("")), 64);
  EXPECT_EQ(ExitCode(absl::DataLossError("")), 65);
  EXPECT_EQ(ExitCode(absl::UnimplementedError("")), 65);
  EXPECT_EQ(ExitCode(absl::NotFoundError("")), 66);
  EXPECT_EQ(ExitCode(absl::UnavailableError("")), 69);
  EXPECT_EQ(ExitCode(absl::InternalError("")), 70);
  EXPECT_EQ(ExitCode(absl::ResourceExhaustedError("")), 71);
  EXPECT_EQ(ExitCode(absl::UnknownError("")), 74);
  EXPECT_EQ(ExitCode(absl::AbortedError("")), 75);
  EXPECT_EQ(ExitCode(absl::PermissionDeniedError("")), 77);
  EXPECT_EQ(ExitCode(absl::CancelledError("")), 130);
}

TEST(Status, DocumentShowsBothTables) {
  const std::string path = absl::StrCat(WEIR_SOURCE_DIR, "/docs/exit-codes.md");
  const absl::StatusOr<std::string> text = ReadFile(path);
  ASSERT_TRUE(text.ok()) << text.status();
  std::set<std::string> lines = absl::StrSplit(*text, '\n');
  size_t rows = 0;
  for (const std::string& line : lines) rows += line.starts_with("| ");
  for (const ExitCodeRow& row : ExitCodes()) {
    const std::string line = absl::StrCat("| ", row.code, " | ", row.meaning, " |");
    EXPECT_TRUE(lines.contains(line)) << line;
  }
  for (const StatusRow& row : StatusTable()) {
    const std::string_view python = row.python_class;
    const std::string line =
        absl::StrCat("| ", absl::StatusCodeToString(row.code), " | ", row.exit_code, " | ",
                     row.http_status, python.empty() ? " |" : " | ", python, " |");
    EXPECT_TRUE(lines.contains(line)) << line;
  }
  // Nothing else: two headings and one rule each (the rules are alike in no table, so both count).
  EXPECT_EQ(rows, ExitCodes().size() + StatusTable().size() + 4);
}

TEST(Status, AnnotatePutsTheContextBefore) {
  EXPECT_TRUE(Annotate(absl::OkStatus(), "x").ok());
  absl::Status inner = absl::DataLossError("bad magic");
  inner.SetPayload("weir/offset", absl::Cord("12"));
  const absl::Status outer = Annotate(Annotate(inner, "header"), "a.gguf");
  EXPECT_EQ(outer.code(), StatusCode::kDataLoss);
  EXPECT_EQ(outer.message(), "a.gguf: header: bad magic");
  EXPECT_EQ(outer.GetPayload("weir/offset"), absl::Cord("12"));
}

TEST(Status, ErrnoGetsTheCodeItDeserves) {
  EXPECT_EQ(ErrnoStatus(ENOENT, "open a").code(), StatusCode::kNotFound);
  EXPECT_EQ(ErrnoStatus(EACCES, "open a").code(), StatusCode::kPermissionDenied);
  EXPECT_EQ(ErrnoStatus(ENOSPC, "write a").code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrnoStatus(EAGAIN, "lock a").code(), StatusCode::kAborted);
  EXPECT_EQ(ErrnoStatus(EISDIR, "read a").code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrnoStatus(ECONNREFUSED, "a").code(), StatusCode::kUnavailable);
  EXPECT_EQ(ErrnoStatus(EIO, "read a").code(), StatusCode::kUnknown);
  EXPECT_EQ(ErrnoStatus(ENOENT, "open a").message(), "open a: No such file or directory");
}

absl::StatusOr<int> Half(int x) {
  if (x % 2 != 0) return absl::InvalidArgumentError("odd");
  return x / 2;
}

absl::StatusOr<int> Quarter(int x) {
  WEIR_ASSIGN_OR_RETURN(const int half, Half(x));
  WEIR_ASSIGN_OR_RETURN(const int quarter, Half(half));
  return quarter;
}

absl::Status CheckQuarter(int x) {
  WEIR_RETURN_IF_ERROR(Quarter(x).status());
  return absl::OkStatus();
}

TEST(Status, MacrosReturnEarly) {
  EXPECT_EQ(*Quarter(8), 2);
  EXPECT_EQ(Quarter(6).status().message(), "odd");
  EXPECT_TRUE(CheckQuarter(4).ok());
  EXPECT_THAT(std::string(CheckQuarter(3).message()), HasSubstr("odd"));
}

}  // namespace
}  // namespace weir
