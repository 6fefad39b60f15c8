#include "index/catalogue/grants.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace weir::index {
namespace {

constexpr char kTables[] = R"sql(
CREATE TABLE IF NOT EXISTS tenants(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS grants(tenant INTEGER NOT NULL, document INTEGER NOT NULL, owner INTEGER NOT NULL,
  PRIMARY KEY(tenant, document)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS grants_document ON grants(document);
)sql";

}  // namespace

absl::Status CheckTenantName(std::string_view name) {
  const bool control = std::any_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  if (!name.empty() && name.size() <= kMaxTenantName && !control) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("tenant: a name of ", name.size(), " bytes",
                   control ? " with control characters" : "", "; expected 1 to ", kMaxTenantName,
                   " bytes that can be printed"));
}

absl::StatusOr<bool> Grants::Exist() { return database_.HasTable("grants"); }

absl::StatusOr<std::optional<int64_t>> Grants::Find(std::string_view tenant) {
  WEIR_ASSIGN_OR_RETURN(const bool exist, Exist());
  if (!exist) return std::nullopt;
  WEIR_ASSIGN_OR_RETURN(Statement s, database_.Prepare("SELECT id FROM tenants WHERE name=?"));
  WEIR_ASSIGN_OR_RETURN(const bool found, s.Bind(tenant).Step());
  return found ? std::optional<int64_t>(s.Int(0)) : std::nullopt;
}

absl::StatusOr<int64_t> Grants::FindOrAdd(std::string_view tenant) {
  WEIR_RETURN_IF_ERROR(CheckTenantName(tenant));
  WEIR_RETURN_IF_ERROR(database_.Exec(kTables));
  WEIR_ASSIGN_OR_RETURN(const std::optional<int64_t> found, Find(tenant));
  if (found.has_value()) return *found;
  WEIR_ASSIGN_OR_RETURN(Statement s, database_.Prepare("INSERT INTO tenants(name) VALUES(?)"));
  WEIR_RETURN_IF_ERROR(s.Bind(tenant).Run());
  return database_.last_rowid();
}

absl::StatusOr<bool> Grants::Add(int64_t tenant, int64_t document, bool owner) {
  WEIR_ASSIGN_OR_RETURN(Statement s,
                        database_.Prepare("INSERT OR IGNORE INTO grants VALUES(?,?,?)"));
  WEIR_RETURN_IF_ERROR(s.Bind(tenant).Bind(document).Bind(int64_t{owner}).Run());
  return database_.changes() > 0;
}

absl::StatusOr<bool> Grants::Remove(int64_t tenant, int64_t document) {
  WEIR_ASSIGN_OR_RETURN(Statement s,
                        database_.Prepare("DELETE FROM grants WHERE tenant=? AND document=?"));
  WEIR_RETURN_IF_ERROR(s.Bind(tenant).Bind(document).Run());
  return database_.changes() > 0;
}

absl::StatusOr<bool> Grants::Has(int64_t tenant, int64_t document) {
  WEIR_ASSIGN_OR_RETURN(Statement s,
                        database_.Prepare("SELECT 1 FROM grants WHERE tenant=? AND document=?"));
  return s.Bind(tenant).Bind(document).Step();
}

absl::StatusOr<std::optional<int64_t>> Grants::Owner(int64_t document) {
  WEIR_ASSIGN_OR_RETURN(const bool exist, Exist());
  if (!exist) return std::nullopt;
  WEIR_ASSIGN_OR_RETURN(
      Statement s, database_.Prepare("SELECT tenant FROM grants WHERE document=? AND owner=1"));
  WEIR_ASSIGN_OR_RETURN(const bool found, s.Bind(document).Step());
  return found ? std::optional<int64_t>(s.Int(0)) : std::nullopt;
}

absl::Status Grants::Move(int64_t from, int64_t to) {
  WEIR_ASSIGN_OR_RETURN(const bool exist, Exist());
  if (!exist) return absl::OkStatus();
  WEIR_ASSIGN_OR_RETURN(Statement s,
                        database_.Prepare("UPDATE grants SET document=? WHERE document=?"));
  return s.Bind(to).Bind(from).Run();
}

absl::Status Grants::Forget(int64_t document) {
  WEIR_ASSIGN_OR_RETURN(const bool exist, Exist());
  if (!exist) return absl::OkStatus();
  WEIR_ASSIGN_OR_RETURN(Statement s, database_.Prepare("DELETE FROM grants WHERE document=?"));
  return s.Bind(document).Run();
}

absl::StatusOr<std::vector<TenantRow>> Grants::Tenants() {
  std::vector<TenantRow> rows;
  WEIR_ASSIGN_OR_RETURN(const bool exist, Exist());
  if (!exist) return rows;
  WEIR_ASSIGN_OR_RETURN(
      Statement s,
      database_.Prepare("SELECT t.id, t.name, count(d.id), coalesce(sum(d.passage_count), 0), "
                        "coalesce(sum(g.owner AND d.id IS NOT NULL), 0) "
                        "FROM tenants t LEFT JOIN grants g ON g.tenant=t.id "
                        "LEFT JOIN documents d ON d.id=g.document "
                        "GROUP BY t.id ORDER BY t.name"));
  while (true) {
    WEIR_ASSIGN_OR_RETURN(const bool more, s.Step());
    if (!more) return rows;
    rows.push_back({s.Int(0), s.Text(1), s.Int(2), s.Int(3), s.Int(4)});
  }
}

absl::StatusOr<std::vector<std::string>> Grants::Paths(int64_t tenant) {
  WEIR_ASSIGN_OR_RETURN(
      Statement s, database_.Prepare("SELECT d.path FROM grants g JOIN documents d ON "
                                     "d.id=g.document WHERE g.tenant=? ORDER BY d.path"));
  s.Bind(tenant);
  std::vector<std::string> paths;
  while (true) {
    WEIR_ASSIGN_OR_RETURN(const bool more, s.Step());
    if (!more) return paths;
    paths.push_back(s.Text(0));
  }
}

absl::StatusOr<std::vector<IdRange>> Grants::Passages(int64_t tenant) {
  WEIR_ASSIGN_OR_RETURN(
      Statement s,
      database_.Prepare("SELECT d.first_passage, d.passage_count FROM grants g JOIN documents d ON "
                        "d.id=g.document WHERE g.tenant=? AND d.passage_count>0 "
                        "ORDER BY d.first_passage"));
  s.Bind(tenant);
  std::vector<IdRange> ranges;
  while (true) {
    WEIR_ASSIGN_OR_RETURN(const bool more, s.Step());
    if (!more) return ranges;
    ranges.push_back({s.Int(0), s.Int(0) + s.Int(1) - 1});
  }
}

absl::StatusOr<std::map<std::string, int64_t>> Grants::Languages(int64_t tenant) {
  std::map<std::string, int64_t> out;
  WEIR_ASSIGN_OR_RETURN(const bool any, database_.HasTable("languages"));
  if (!any) return out;
  WEIR_ASSIGN_OR_RETURN(
      Statement s,
      database_.Prepare("SELECT l.name, sum(l.passages) FROM grants g JOIN languages l ON "
                        "l.document=g.document WHERE g.tenant=? GROUP BY l.name"));
  s.Bind(tenant);
  while (true) {
    WEIR_ASSIGN_OR_RETURN(const bool more, s.Step());
    if (!more) return out;
    out[s.Text(0)] = s.Int(1);
  }
}

absl::StatusOr<int64_t> Grants::Dangling() {
  WEIR_ASSIGN_OR_RETURN(const bool exist, Exist());
  if (!exist) return int64_t{0};
  WEIR_ASSIGN_OR_RETURN(
      Statement s, database_.Prepare("SELECT count(*) FROM grants WHERE document NOT IN "
                                     "(SELECT id FROM documents) OR tenant NOT IN "
                                     "(SELECT id FROM tenants)"));
  WEIR_RETURN_IF_ERROR(s.Step().status());
  return s.Int(0);
}

}  // namespace weir::index
