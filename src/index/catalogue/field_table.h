// The fields of documents: three tables of the catalogue, made with the first batch that a weir
// which knows fields stores. Documents that were there before have none until they are read again;
// an older weir passes the tables over. Format page: docs/formats/catalogue.md. Not thread-safe;
// writes belong to a Transaction of the catalogue.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "index/catalogue/sqlite.h"
#include "text/records.h"

namespace weir::index {

// Of a store; what further names say is left out, so that hostile documents stay bounded.
inline constexpr int64_t kMaxFieldNames = 4096;

class FieldTable {
 public:
  // Borrows the catalogue's database.
  explicit FieldTable(Sqlite& database) : database_(database) {}

  // What a document says of itself, in place of what it said before. Values are cleaned and
  // limited as text::AddField does.
  absl::Status NoteOwn(int64_t document, std::span<const text::Field> fields);
  // What its owner says. Each name's values take the place of those given before, and hide the
  // document's own; a name with an empty value loses what was given.
  absl::Status Give(int64_t document, std::span<const text::Field> fields);
  // What was given moves to the document that replaces another.
  absl::Status Move(int64_t from, int64_t to);
  absl::Status Forget(int64_t document);
  // Whether the document was stored without a look at its fields.
  absl::StatusOr<bool> Lacks(int64_t document);
  // Of how many that is so; records, which have none, do not count.
  absl::StatusOr<int64_t> Lacking();

  // Ascending; with a tenant, of the documents that it may see.
  absl::StatusOr<std::vector<std::string>> Names(std::optional<int64_t> tenant);
  // The values of one field, by document.
  using OnValue = absl::FunctionRef<void(int64_t document, std::string_view value)>;
  absl::Status Visit(std::string_view name, OnValue on_value);
  // Fields of documents that do not exist.
  absl::StatusOr<int64_t> Dangling();

 private:
  absl::StatusOr<bool> Exist();
  absl::Status MakeTables();
  absl::StatusOr<std::optional<int64_t>> FindName(std::string_view name);
  absl::StatusOr<std::optional<int64_t>> NameId(std::string_view name);  // made if new
  absl::Status Insert(int64_t document, std::span<const text::Field> fields, bool own);

  Sqlite& database_;
};

}  // namespace weir::index
