#include "index/catalogue/field_table.h"

#include "base/status.h"
#include "text/fields.h"

namespace weir::index {
namespace {

// What was given (own 0) comes before what the document says (own 1).
constexpr char kTables[] = R"sql(
CREATE TABLE field_names(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE);
CREATE TABLE fields(name INTEGER NOT NULL, document INTEGER NOT NULL, own INTEGER NOT NULL, place INTEGER NOT NULL,
  value TEXT NOT NULL, PRIMARY KEY(name, document, own, place)) WITHOUT ROWID;
CREATE INDEX fields_document ON fields(document);
CREATE TABLE fieldless(document INTEGER PRIMARY KEY);
INSERT INTO fieldless SELECT id FROM documents;
)sql";

}  // namespace

absl::StatusOr<bool> FieldTable::Exist() { return database_.HasTable("fields"); }

absl::Status FieldTable::MakeTables() {
  WEIR_ASSIGN_OR_RETURN(const bool exist, Exist());
  return exist ? absl::OkStatus() : database_.Exec(kTables);
}

absl::StatusOr<std::optional<int64_t>> FieldTable::FindName(std::string_view name) {
  WEIR_ASSIGN_OR_RETURN(Statement s, database_.Prepare("SELECT id FROM field_names WHERE name=?"));
  WEIR_ASSIGN_OR_RETURN(const bool found, s.Bind(name).Step());
  return found ? std::optional<int64_t>(s.Int(0)) : std::nullopt;
}

absl::StatusOr<std::optional<int64_t>> FieldTable::NameId(std::string_view name) {
  WEIR_ASSIGN_OR_RETURN(const std::optional<int64_t> found, FindName(name));
  if (found.has_value()) return found;
  {
    WEIR_ASSIGN_OR_RETURN(Statement count, database_.Prepare("SELECT count(*) FROM field_names"));
    WEIR_RETURN_IF_ERROR(count.Step().status());
    if (count.Int(0) >= kMaxFieldNames) return std::nullopt;
  }
  WEIR_ASSIGN_OR_RETURN(Statement s, database_.Prepare("INSERT INTO field_names(name) VALUES(?)"));
  WEIR_RETURN_IF_ERROR(s.Bind(name).Run());
  return database_.last_rowid();
}

absl::Status FieldTable::Insert(int64_t document, std::span<const text::Field> fields, bool own) {
  std::vector<text::Field> kept;
  for (const text::Field& field : fields) text::AddField(field.name, field.value, kept);
  int64_t place = 0;
  for (const text::Field& field : kept) {
    WEIR_ASSIGN_OR_RETURN(const std::optional<int64_t> name, NameId(field.name));
    if (!name.has_value()) continue;
    WEIR_ASSIGN_OR_RETURN(Statement s, database_.Prepare("INSERT INTO fields VALUES(?,?,?,?,?)"));
    WEIR_RETURN_IF_ERROR(s.Bind(*name)
                             .Bind(document)
                             .Bind(int64_t{own})
                             .Bind(place++)
                             .Bind(std::string_view(field.value))
                             .Run());
  }
  return absl::OkStatus();
}

absl::Status FieldTable::NoteOwn(int64_t document, std::span<const text::Field> fields) {
  WEIR_RETURN_IF_ERROR(MakeTables());
  {
    WEIR_ASSIGN_OR_RETURN(Statement s,
                          database_.Prepare("DELETE FROM fields WHERE document=? AND own=1"));
    WEIR_RETURN_IF_ERROR(s.Bind(document).Run());
    WEIR_ASSIGN_OR_RETURN(Statement f, database_.Prepare("DELETE FROM fieldless WHERE document=?"));
    WEIR_RETURN_IF_ERROR(f.Bind(document).Run());
  }
  return Insert(document, fields, true);
}

absl::Status FieldTable::Give(int64_t document, std::span<const text::Field> fields) {
  if (fields.empty()) return absl::OkStatus();
  WEIR_RETURN_IF_ERROR(MakeTables());
  for (const text::Field& field : fields) {
    WEIR_ASSIGN_OR_RETURN(const std::optional<int64_t> name,
                          FindName(text::FieldName(field.name)));
    if (!name.has_value()) continue;
    WEIR_ASSIGN_OR_RETURN(
        Statement s, database_.Prepare("DELETE FROM fields WHERE name=? AND document=? AND own=0"));
    WEIR_RETURN_IF_ERROR(s.Bind(*name).Bind(document).Run());
  }
  return Insert(document, fields, false);
}

absl::Status FieldTable::Move(int64_t from, int64_t to) {
  WEIR_ASSIGN_OR_RETURN(const bool exist, Exist());
  if (!exist) return absl::OkStatus();
  WEIR_ASSIGN_OR_RETURN(
      Statement s, database_.Prepare("UPDATE fields SET document=? WHERE document=? AND own=0"));
  return s.Bind(to).Bind(from).Run();
}

absl::Status FieldTable::Forget(int64_t document) {
  WEIR_ASSIGN_OR_RETURN(const bool exist, Exist());
  if (!exist) return absl::OkStatus();
  WEIR_ASSIGN_OR_RETURN(Statement s, database_.Prepare("DELETE FROM fields WHERE document=?"));
  WEIR_RETURN_IF_ERROR(s.Bind(document).Run());
  WEIR_ASSIGN_OR_RETURN(Statement f, database_.Prepare("DELETE FROM fieldless WHERE document=?"));
  return f.Bind(document).Run();
}

absl::StatusOr<bool> FieldTable::Lacks(int64_t document) {
  WEIR_ASSIGN_OR_RETURN(const bool exist, Exist());
  if (!exist) return true;
  WEIR_ASSIGN_OR_RETURN(Statement s, database_.Prepare("SELECT 1 FROM fieldless WHERE document=?"));
  return s.Bind(document).Step();
}

absl::StatusOr<int64_t> FieldTable::Lacking() {
  WEIR_ASSIGN_OR_RETURN(const bool exist, Exist());
  WEIR_ASSIGN_OR_RETURN(
      Statement s,
      database_.Prepare(exist ? "SELECT count(*) FROM fieldless f JOIN documents d ON "
                                "d.id=f.document WHERE d.format<>'record'"
                              : "SELECT count(*) FROM documents WHERE format<>'record'"));
  WEIR_RETURN_IF_ERROR(s.Step().status());
  return s.Int(0);
}

absl::StatusOr<std::vector<std::string>> FieldTable::Names(std::optional<int64_t> tenant) {
  std::vector<std::string> names;
  WEIR_ASSIGN_OR_RETURN(const bool exist, Exist());
  if (!exist) return names;
  WEIR_ASSIGN_OR_RETURN(
      Statement s,
      database_.Prepare(tenant.has_value()
                            ? "SELECT name FROM field_names WHERE id IN (SELECT f.name FROM "
                              "grants g JOIN fields f ON f.document=g.document WHERE g.tenant=?) "
                              "ORDER BY name"
                            : "SELECT n.name FROM field_names n WHERE EXISTS (SELECT 1 FROM "
                              "fields f WHERE f.name=n.id) ORDER BY n.name"));
  if (tenant.has_value()) s.Bind(*tenant);
  while (true) {
    WEIR_ASSIGN_OR_RETURN(const bool more, s.Step());
    if (!more) return names;
    names.push_back(s.Text(0));
  }
}

absl::Status FieldTable::Visit(std::string_view name, OnValue on_value) {
  WEIR_ASSIGN_OR_RETURN(const bool exist, Exist());
  if (!exist) return absl::OkStatus();
  WEIR_ASSIGN_OR_RETURN(const std::optional<int64_t> id, FindName(name));
  if (!id.has_value()) return absl::OkStatus();
  WEIR_ASSIGN_OR_RETURN(Statement s,
                        database_.Prepare("SELECT document, own, value FROM fields WHERE name=? "
                                          "ORDER BY document, own, place"));
  s.Bind(*id);
  int64_t last = -1, own = 0;
  while (true) {
    WEIR_ASSIGN_OR_RETURN(const bool more, s.Step());
    if (!more) return absl::OkStatus();
    if (s.Int(0) != last) own = s.Int(1);
    last = s.Int(0);
    if (s.Int(1) == own) on_value(last, s.Text(2));
  }
}

absl::StatusOr<int64_t> FieldTable::Dangling() {
  WEIR_ASSIGN_OR_RETURN(const bool exist, Exist());
  if (!exist) return int64_t{0};
  WEIR_ASSIGN_OR_RETURN(
      Statement s, database_.Prepare("SELECT count(*) FROM fields WHERE document NOT IN "
                                     "(SELECT id FROM documents) OR name NOT IN "
                                     "(SELECT id FROM field_names)"));
  WEIR_RETURN_IF_ERROR(s.Step().status());
  return s.Int(0);
}

}  // namespace weir::index
