#include "index/catalogue/sqlite.h"

#include <sqlite3.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "index/catalogue/sealed_vfs.h"

namespace weir::index {
namespace {

constexpr int kBusyMilliseconds = 5000;

absl::Status SqliteStatus(sqlite3* database, int code, std::string_view what) {
  if (code == SQLITE_IOERR_DATA) {
    return absl::DataLossError(absl::StrCat("catalogue.sqlite: page at offset ", LastDamagedPage(),
                                            ": checksum does not match"));
  }
  std::string message =
      absl::StrCat("catalogue: ", what, ": ",
                   database != nullptr ? sqlite3_errmsg(database) : sqlite3_errstr(code));
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return absl::DataLossError(message);
    case SQLITE_FULL:
    case SQLITE_NOMEM: return absl::ResourceExhaustedError(message);
    case SQLITE_CANTOPEN: return absl::NotFoundError(message);
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return absl::AbortedError(message);
    case SQLITE_PERM:
    case SQLITE_READONLY: return absl::PermissionDeniedError(message);
    case SQLITE_IOERR: return absl::UnknownError(message);
    case SQLITE_ERROR: return absl::DataLossError(message);  // a table that should be there is not
    default: return absl::InternalError(message);
  }
}

}  // namespace

Statement::~Statement() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

Statement& Statement::Bind(int64_t value) {
  sqlite3_bind_int64(statement_, next_++, value);
  return *this;
}

Statement& Statement::Bind(std::string_view value) {
  sqlite3_bind_text64(statement_, next_++, value.data() == nullptr ? "" : value.data(),
                      value.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  return *this;
}

Statement& Statement::BindBlob(std::string_view value) {
  sqlite3_bind_blob64(statement_, next_++, value.data(), value.size(), SQLITE_TRANSIENT);
  return *this;
}

absl::StatusOr<bool> Statement::Step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return SqliteStatus(database_, code, sqlite3_sql(statement_));
}

absl::Status Statement::Run() {
  while (true) {
    WEIR_ASSIGN_OR_RETURN(const bool row, Step());
    if (!row) return absl::OkStatus();
  }
}

int64_t Statement::Int(int column) const { return sqlite3_column_int64(statement_, column); }

std::string Statement::Text(int column) const {
  const void* bytes = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return bytes == nullptr ? std::string()
                          : std::string(static_cast<const char*>(bytes), static_cast<size_t>(size));
}

absl::StatusOr<std::unique_ptr<Sqlite>> Sqlite::Open(const std::string& path, bool create) {
  auto out = std::unique_ptr<Sqlite>(new Sqlite());
  out->path_ = path;
  const int flags = SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0) | SQLITE_OPEN_NOMUTEX;
  WEIR_ASSIGN_OR_RETURN(const char* const vfs, SealedVfs());
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  const int code = sqlite3_open_v2(path.c_str(), &out->database_, flags, vfs);
  if (code != SQLITE_OK) return SqliteStatus(out->database_, code, path);
  if (create && (error || size == 0)) {
    int reserved = kSealBytes;
    sqlite3_file_control(out->database_, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved);
  }
  sqlite3_busy_timeout(out->database_, kBusyMilliseconds);
  sqlite3_extended_result_codes(out->database_, 1);
  // The file may be hostile: no functions of views or triggers, no shadow writes.
  sqlite3_db_config(out->database_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(out->database_, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  return out;
}

Sqlite::~Sqlite() {
  for (auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  if (database_ != nullptr) sqlite3_close(database_);
}

absl::Status Sqlite::Exec(const std::string& sql) {
  const int code = sqlite3_exec(database_, sql.c_str(), nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : SqliteStatus(database_, code, sql);
}

absl::StatusOr<Statement> Sqlite::Prepare(const std::string& sql) {
  auto [at, fresh] = statements_.try_emplace(sql, nullptr);
  if (at->second == nullptr) {
    const int code = sqlite3_prepare_v3(database_, sql.c_str(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &at->second, nullptr);
    if (code != SQLITE_OK) {
      absl::Status status = SqliteStatus(database_, code, sql);
      statements_.erase(at);
      return status;
    }
  }
  return Statement(database_, at->second);
}

absl::StatusOr<bool> Sqlite::HasTable(std::string_view name) {
  WEIR_ASSIGN_OR_RETURN(Statement s,
                        Prepare("SELECT 1 FROM sqlite_schema WHERE type='table' AND name=?"));
  return s.Bind(name).Step();
}

int64_t Sqlite::changes() const { return sqlite3_changes64(database_); }
int64_t Sqlite::last_rowid() const { return sqlite3_last_insert_rowid(database_); }

}  // namespace weir::index
