#include "index/catalogue/given_terms_table.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace weir::index {
namespace {

constexpr char kTable[] =
    "CREATE TABLE IF NOT EXISTS given_terms(document INTEGER PRIMARY KEY, terms BLOB NOT NULL)";

}  // namespace

absl::Status GivenTermsTable::Note(int64_t document, const GivenTerms& terms) {
  WEIR_RETURN_IF_ERROR(database_.Exec(kTable));
  WEIR_ASSIGN_OR_RETURN(Statement s,
                        database_.Prepare("INSERT OR REPLACE INTO given_terms VALUES(?,?)"));
  return s.Bind(document).BindBlob(PackTerms(terms)).Run();
}

absl::Status GivenTermsTable::Forget(int64_t document) {
  WEIR_ASSIGN_OR_RETURN(const bool exist, Exist());
  if (!exist) return absl::OkStatus();
  WEIR_ASSIGN_OR_RETURN(Statement s,
                        database_.Prepare("DELETE FROM given_terms WHERE document=?"));
  return s.Bind(document).Run();
}

absl::StatusOr<std::optional<GivenTerms>> GivenTermsTable::OfPassage(int64_t passage) {
  WEIR_ASSIGN_OR_RETURN(const bool exist, Exist());
  if (!exist) return std::nullopt;
  WEIR_ASSIGN_OR_RETURN(
      Statement s, database_.Prepare("SELECT terms FROM given_terms WHERE document="
                                     "(SELECT document FROM passages WHERE id=?)"));
  WEIR_ASSIGN_OR_RETURN(const bool found, s.Bind(passage).Step());
  if (!found) return std::nullopt;
  absl::StatusOr<GivenTerms> terms = UnpackTerms(s.Text(0));
  if (!terms.ok()) return Annotate(terms.status(), absl::StrCat("passage ", passage));
  return *std::move(terms);
}

absl::StatusOr<int64_t> GivenTermsTable::Count(const std::string& sql) {
  WEIR_ASSIGN_OR_RETURN(const bool exist, Exist());
  if (!exist) return int64_t{0};
  WEIR_ASSIGN_OR_RETURN(Statement s, database_.Prepare(sql));
  WEIR_RETURN_IF_ERROR(s.Step().status());
  return s.Int(0);
}

absl::StatusOr<int64_t> GivenTermsTable::Documents() {
  return Count("SELECT count(*) FROM given_terms");
}

absl::StatusOr<int64_t> GivenTermsTable::Dangling() {
  return Count(
      "SELECT count(*) FROM given_terms WHERE document NOT IN (SELECT id FROM documents)");
}

absl::StatusOr<int64_t> GivenTermsTable::Damaged() {
  WEIR_ASSIGN_OR_RETURN(const bool exist, Exist());
  int64_t damaged = 0;
  if (!exist) return damaged;
  WEIR_ASSIGN_OR_RETURN(Statement s, database_.Prepare("SELECT terms FROM given_terms"));
  while (true) {
    WEIR_ASSIGN_OR_RETURN(const bool more, s.Step());
    if (!more) return damaged;
    damaged += !UnpackTerms(s.Text(0)).ok();
  }
}

}  // namespace weir::index
