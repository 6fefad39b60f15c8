// SQLite with errors as values. A connection and its statements belong to one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct sqlite3;
struct sqlite3_stmt;

namespace weir::index {

// A statement being run; resets itself at the end of its life.
class Statement {
 public:
  Statement(sqlite3* database, sqlite3_stmt* statement)
      : database_(database), statement_(statement) {}
  ~Statement();
  Statement(Statement&& other) noexcept : database_(other.database_), statement_(other.statement_) {
    other.statement_ = nullptr;
  }
  Statement& Bind(int64_t value);
  Statement& Bind(std::string_view value);  // text, copied
  Statement& BindBlob(std::string_view value);
  absl::StatusOr<bool> Step();  // true: a row is there
  absl::Status Run();           // to the end, rows ignored
  int64_t Int(int column) const;
  std::string Text(int column) const;  // text or blob

 private:
  sqlite3* database_;
  sqlite3_stmt* statement_;
  int next_ = 1;
};

class Sqlite {
 public:
  // Makes the file when `create`. Sets a busy timeout; foreign bytes in the file give kDataLoss.
  static absl::StatusOr<std::unique_ptr<Sqlite>> Open(const std::string& path, bool create);
  ~Sqlite();
  absl::Status Exec(const std::string& sql);
  // Compiled once for each text.
  absl::StatusOr<Statement> Prepare(const std::string& sql);
  absl::StatusOr<bool> HasTable(std::string_view name);
  int64_t changes() const;
  int64_t last_rowid() const;

 private:
  Sqlite() = default;
  std::string path_;
  sqlite3* database_ = nullptr;
  absl::flat_hash_map<std::string, sqlite3_stmt*> statements_;
};

}  // namespace weir::index
