// The weighted words that documents came with (sparse/given_terms.h): a table of the catalogue,
// made with the first such document. An older weir passes it over. Format page:
// docs/formats/catalogue.md. Not thread-safe; writes belong to a Transaction of the catalogue.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "index/catalogue/sqlite.h"
#include "index/sparse/given_terms.h"

namespace weir::index {

class GivenTermsTable {
 public:
  // Borrows the catalogue's database.
  explicit GivenTermsTable(Sqlite& database) : database_(database) {}

  absl::Status Note(int64_t document, const GivenTerms& terms);
  absl::Status Forget(int64_t document);
  // Of the passage's document; nullopt where it came without.
  absl::StatusOr<std::optional<GivenTerms>> OfPassage(int64_t passage);
  absl::StatusOr<int64_t> Documents();  // that have some
  // Rows of no document, and rows that cannot be read.
  absl::StatusOr<int64_t> Dangling();
  absl::StatusOr<int64_t> Damaged();

 private:
  absl::StatusOr<bool> Exist() { return database_.HasTable("given_terms"); }
  absl::StatusOr<int64_t> Count(const std::string& sql);

  Sqlite& database_;
};

}  // namespace weir::index
