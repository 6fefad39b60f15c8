#include "index/catalogue/catalogue.h"

#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace weir::index {
namespace {

constexpr int kApplicationId = 0x57454952;  // "WEIR"

constexpr char kSchema[] = R"sql(
CREATE TABLE settings(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE segments(id INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, name TEXT NOT NULL UNIQUE,
  checksum INTEGER NOT NULL, bytes INTEGER NOT NULL, rows INTEGER NOT NULL);
CREATE TABLE documents(id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, sha256 TEXT NOT NULL,
  size INTEGER NOT NULL, mtime INTEGER NOT NULL, title TEXT NOT NULL, format TEXT NOT NULL,
  text_segment INTEGER NOT NULL, text_start INTEGER NOT NULL, text_size INTEGER NOT NULL,
  first_passage INTEGER NOT NULL, passage_count INTEGER NOT NULL);
CREATE INDEX documents_text ON documents(text_segment, text_start);
CREATE TABLE passages(id INTEGER PRIMARY KEY, document INTEGER NOT NULL, start INTEGER NOT NULL, "end" INTEGER NOT NULL,
  page INTEGER NOT NULL, box BLOB NOT NULL, heading TEXT NOT NULL);
CREATE TABLE tombstones(first INTEGER PRIMARY KEY, last INTEGER NOT NULL);
CREATE TABLE failures(path TEXT PRIMARY KEY, reason TEXT NOT NULL, time INTEGER NOT NULL) WITHOUT ROWID;
)sql";

// Only in stores whose passages are analysed by their own language; older builds pass it over.
constexpr char kLanguages[] = R"sql(
CREATE TABLE IF NOT EXISTS languages(document INTEGER NOT NULL, name TEXT NOT NULL, passages INTEGER NOT NULL,
  PRIMARY KEY(document, name)) WITHOUT ROWID;
)sql";

constexpr char kDocumentColumns[] =
    "id, path, sha256, size, mtime, title, format, text_segment, text_start, text_size, "
    "first_passage, passage_count";
constexpr char kPassageColumns[] = "id, document, start, \"end\", page, box, heading";

DocumentRow ReadDocument(const Statement& s) {
  return {.id = s.Int(0),
          .path = s.Text(1),
          .sha256 = s.Text(2),
          .title = s.Text(5),
          .format = s.Text(6),
          .size = s.Int(3),
          .mtime_ns = s.Int(4),
          .text_segment = s.Int(7),
          .text_start = s.Int(8),
          .text_size = s.Int(9),
          .first_passage = s.Int(10),
          .passage_count = s.Int(11)};
}

text::Passage ReadPassage(const Statement& s) {
  text::Passage p;
  p.id = s.Int(0);
  p.document = s.Int(1);
  p.span = {s.Int(2), s.Int(3)};
  p.page = static_cast<int>(s.Int(4));
  const std::string box = s.Text(5);
  if (box.size() == sizeof(p.box)) std::memcpy(&p.box, box.data(), sizeof(p.box));
  p.heading = s.Text(6);
  return p;
}

}  // namespace

absl::Status Transaction::Commit() {
  WEIR_RETURN_IF_ERROR(database_->Exec("COMMIT"));
  database_ = nullptr;
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Catalogue>> Catalogue::Open(const std::string& path, bool write) {
  WEIR_ASSIGN_OR_RETURN(auto database, Sqlite::Open(path, write));
  auto out = std::unique_ptr<Catalogue>(new Catalogue(std::move(database)));
  Sqlite& db = *out->database_;
  if (write) {
    WEIR_RETURN_IF_ERROR(db.Exec("PRAGMA journal_mode=WAL"));
    WEIR_RETURN_IF_ERROR(db.Exec("PRAGMA synchronous=FULL"));
    WEIR_ASSIGN_OR_RETURN(Transaction transaction, out->BeginWrite());
    bool empty = false;
    {
      WEIR_ASSIGN_OR_RETURN(Statement count, db.Prepare("SELECT count(*) FROM sqlite_schema"));
      WEIR_RETURN_IF_ERROR(count.Step().status());
      empty = count.Int(0) == 0;
    }
    if (empty) {
      WEIR_RETURN_IF_ERROR(db.Exec(kSchema));
      WEIR_RETURN_IF_ERROR(db.Exec(absl::StrCat("PRAGMA application_id=", kApplicationId,
                                                "; PRAGMA user_version=", kCatalogueVersion)));
    }
    WEIR_RETURN_IF_ERROR(transaction.Commit());
  }
  WEIR_RETURN_IF_ERROR(db.Exec("PRAGMA cache_size=-16384"));  // KiB
  WEIR_RETURN_IF_ERROR(out->CheckVersion());
  return out;
}

absl::Status Catalogue::CheckVersion() {
  WEIR_ASSIGN_OR_RETURN(Statement id, database_->Prepare("PRAGMA application_id"));
  WEIR_RETURN_IF_ERROR(id.Step().status());
  if (id.Int(0) != kApplicationId) {
    WEIR_ASSIGN_OR_RETURN(Statement count,
                          database_->Prepare("SELECT count(*) FROM sqlite_schema"));
    WEIR_RETURN_IF_ERROR(count.Step().status());
    if (id.Int(0) == 0 && count.Int(0) == 0) {
      return absl::NotFoundError("catalogue: nothing is in it; the first run that indexes into "
                                 "this store did not get that far");
    }
    return absl::DataLossError("catalogue: not written by weir");
  }
  WEIR_ASSIGN_OR_RETURN(Statement version, database_->Prepare("PRAGMA user_version"));
  WEIR_RETURN_IF_ERROR(version.Step().status());
  if (version.Int(0) < kOldestCatalogueVersion || version.Int(0) > kCatalogueVersion) {
    return absl::UnimplementedError(absl::StrCat(
        "catalogue: format version ", version.Int(0), "; this build reads versions ",
        kOldestCatalogueVersion, " to ", kCatalogueVersion,
        ": use the weir that wrote it, or remove the store and index again"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Transaction> Catalogue::BeginWrite() {
  WEIR_RETURN_IF_ERROR(database_->Exec("BEGIN IMMEDIATE"));
  return Transaction(*database_);
}

absl::Status Catalogue::BeginRead() {
  if (reading_) WEIR_RETURN_IF_ERROR(database_->Exec("COMMIT"));
  reading_ = false;
  WEIR_RETURN_IF_ERROR(database_->Exec("BEGIN"));
  reading_ = true;
  return absl::OkStatus();  // the snapshot is taken by the first read
}

absl::StatusOr<std::string> Catalogue::Setting(std::string_view key) {
  WEIR_ASSIGN_OR_RETURN(Statement s, database_->Prepare("SELECT value FROM settings WHERE key=?"));
  WEIR_ASSIGN_OR_RETURN(const bool found, s.Bind(key).Step());
  return found ? s.Text(0) : std::string();
}

absl::StatusOr<int64_t> Catalogue::Counter(std::string_view key) {
  WEIR_ASSIGN_OR_RETURN(const std::string value, Setting(key));
  int64_t number = 0;
  if (!value.empty() && (!absl::SimpleAtoi(value, &number) || number < 0)) {
    return absl::DataLossError(
        absl::StrCat("catalogue: setting ", key, ": \"", value, "\"; expected a count"));
  }
  return number;
}

absl::Status Catalogue::Set(std::string_view key, std::string_view value) {
  WEIR_ASSIGN_OR_RETURN(Statement s,
                        database_->Prepare("INSERT OR REPLACE INTO settings VALUES(?,?)"));
  return s.Bind(key).Bind(value).Run();
}

absl::Status Catalogue::Set(std::string_view key, int64_t value) {
  return Set(key, std::string_view(absl::StrCat(value)));
}

absl::StatusOr<std::vector<SegmentRow>> Catalogue::Segments() {
  WEIR_ASSIGN_OR_RETURN(
      Statement s,
      database_->Prepare("SELECT id, kind, name, checksum, bytes, rows FROM segments ORDER BY id"));
  std::vector<SegmentRow> rows;
  while (true) {
    WEIR_ASSIGN_OR_RETURN(const bool more, s.Step());
    if (!more) return rows;
    SegmentRow row{s.Int(0),
                   {s.Text(2), static_cast<SegmentKind>(s.Int(1)), static_cast<uint64_t>(s.Int(3)),
                    static_cast<uint64_t>(s.Int(4)), static_cast<uint64_t>(s.Int(5))}};
    if (row.info.name.empty() || row.info.name.find('/') != std::string::npos) {
      return absl::DataLossError(
          absl::StrCat("catalogue: segment ", row.id, " has the name \"", row.info.name, "\""));
    }
    rows.push_back(std::move(row));
  }
}

absl::StatusOr<int64_t> Catalogue::AddSegment(const SegmentInfo& info) {
  WEIR_ASSIGN_OR_RETURN(
      Statement s,
      database_->Prepare(
          "INSERT INTO segments(kind, name, checksum, bytes, rows) VALUES(?,?,?,?,?)"));
  WEIR_RETURN_IF_ERROR(s.Bind(static_cast<int64_t>(info.kind))
                           .Bind(std::string_view(info.name))
                           .Bind(static_cast<int64_t>(info.checksum))
                           .Bind(static_cast<int64_t>(info.bytes))
                           .Bind(static_cast<int64_t>(info.rows))
                           .Run());
  return database_->last_rowid();
}

absl::Status Catalogue::RemoveSegment(int64_t id) {
  WEIR_ASSIGN_OR_RETURN(Statement s, database_->Prepare("DELETE FROM segments WHERE id=?"));
  return s.Bind(id).Run();
}

absl::StatusOr<std::optional<DocumentRow>> Catalogue::FindDocument(std::string_view path) {
  WEIR_ASSIGN_OR_RETURN(
      Statement s, database_->Prepare(
                       absl::StrCat("SELECT ", kDocumentColumns, " FROM documents WHERE path=?")));
  WEIR_ASSIGN_OR_RETURN(const bool found, s.Bind(path).Step());
  return found ? std::optional<DocumentRow>(ReadDocument(s)) : std::nullopt;
}

absl::StatusOr<DocumentRow> Catalogue::GetDocument(int64_t id) {
  WEIR_ASSIGN_OR_RETURN(
      Statement s,
      database_->Prepare(absl::StrCat("SELECT ", kDocumentColumns, " FROM documents WHERE id=?")));
  WEIR_ASSIGN_OR_RETURN(const bool found, s.Bind(id).Step());
  if (!found) return absl::NotFoundError(absl::StrCat("document ", id, " is not in the store"));
  return ReadDocument(s);
}

absl::StatusOr<std::vector<DocumentRow>> Catalogue::ReadDocuments(Statement s) {
  std::vector<DocumentRow> rows;
  while (true) {
    WEIR_ASSIGN_OR_RETURN(const bool more, s.Step());
    if (!more) return rows;
    rows.push_back(ReadDocument(s));
  }
}

absl::StatusOr<std::vector<DocumentRow>> Catalogue::Documents() {
  WEIR_ASSIGN_OR_RETURN(
      Statement s,
      database_->Prepare(absl::StrCat("SELECT ", kDocumentColumns, " FROM documents ORDER BY id")));
  return ReadDocuments(std::move(s));
}

absl::StatusOr<std::vector<DocumentRow>> Catalogue::DocumentsOfText(int64_t segment) {
  WEIR_ASSIGN_OR_RETURN(Statement s,
                        database_->Prepare(absl::StrCat(
                            "SELECT ", kDocumentColumns,
                            " FROM documents WHERE text_segment=? ORDER BY text_start, id")));
  s.Bind(segment);
  return ReadDocuments(std::move(s));
}

absl::StatusOr<std::vector<std::string>> Catalogue::Paths() {
  WEIR_ASSIGN_OR_RETURN(Statement s,
                        database_->Prepare("SELECT path FROM documents ORDER BY path"));
  std::vector<std::string> paths;
  while (true) {
    WEIR_ASSIGN_OR_RETURN(const bool more, s.Step());
    if (!more) return paths;
    paths.push_back(s.Text(0));
  }
}

absl::Status Catalogue::NoteLanguages(int64_t document,
                                      const std::map<std::string, int64_t>& passages) {
  if (passages.empty()) return absl::OkStatus();
  WEIR_RETURN_IF_ERROR(database_->Exec(kLanguages));
  for (const auto& [name, count] : passages) {
    WEIR_ASSIGN_OR_RETURN(Statement s,
                          database_->Prepare("INSERT OR REPLACE INTO languages VALUES(?,?,?)"));
    WEIR_RETURN_IF_ERROR(s.Bind(document).Bind(std::string_view(name)).Bind(count).Run());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::map<std::string, int64_t>> Catalogue::Languages() {
  std::map<std::string, int64_t> out;
  WEIR_ASSIGN_OR_RETURN(const bool there, database_->HasTable("languages"));
  if (!there) return out;
  WEIR_ASSIGN_OR_RETURN(
      Statement s,
      database_->Prepare("SELECT name, sum(passages) FROM languages GROUP BY name ORDER BY name"));
  while (true) {
    WEIR_ASSIGN_OR_RETURN(const bool more, s.Step());
    if (!more) return out;
    out[s.Text(0)] = s.Int(1);
  }
}

absl::StatusOr<int64_t> Catalogue::DocumentCount() {
  WEIR_ASSIGN_OR_RETURN(Statement s, database_->Prepare("SELECT count(*) FROM documents"));
  WEIR_RETURN_IF_ERROR(s.Step().status());
  return s.Int(0);
}

absl::Status Catalogue::AddDocument(const DocumentRow& row) {
  WEIR_ASSIGN_OR_RETURN(Statement s,
                        database_->Prepare(absl::StrCat("INSERT INTO documents(", kDocumentColumns,
                                                        ") VALUES(?,?,?,?,?,?,?,?,?,?,?,?)")));
  return s.Bind(row.id)
      .Bind(std::string_view(row.path))
      .Bind(std::string_view(row.sha256))
      .Bind(row.size)
      .Bind(row.mtime_ns)
      .Bind(std::string_view(row.title))
      .Bind(std::string_view(row.format))
      .Bind(row.text_segment)
      .Bind(row.text_start)
      .Bind(row.text_size)
      .Bind(row.first_passage)
      .Bind(row.passage_count)
      .Run();
}

absl::Status Catalogue::RemoveDocument(const DocumentRow& row) {
  WEIR_ASSIGN_OR_RETURN(Statement s, database_->Prepare("DELETE FROM documents WHERE id=?"));
  WEIR_RETURN_IF_ERROR(s.Bind(row.id).Run());
  WEIR_ASSIGN_OR_RETURN(const bool languages, database_->HasTable("languages"));
  if (languages) {
    WEIR_ASSIGN_OR_RETURN(Statement l,
                          database_->Prepare("DELETE FROM languages WHERE document=?"));
    WEIR_RETURN_IF_ERROR(l.Bind(row.id).Run());
  }
  WEIR_RETURN_IF_ERROR(grants_.Forget(row.id));
  WEIR_RETURN_IF_ERROR(fields_.Forget(row.id));
  WEIR_RETURN_IF_ERROR(given_terms_.Forget(row.id));
  if (row.passage_count == 0) return absl::OkStatus();
  const int64_t last = row.first_passage + row.passage_count - 1;
  WEIR_ASSIGN_OR_RETURN(Statement p,
                        database_->Prepare("DELETE FROM passages WHERE id BETWEEN ? AND ?"));
  WEIR_RETURN_IF_ERROR(p.Bind(row.first_passage).Bind(last).Run());
  WEIR_ASSIGN_OR_RETURN(Statement t,
                        database_->Prepare("INSERT OR REPLACE INTO tombstones VALUES(?,?)"));
  return t.Bind(row.first_passage).Bind(last).Run();
}

absl::Status Catalogue::MoveText(int64_t document, int64_t segment, int64_t start) {
  WEIR_ASSIGN_OR_RETURN(
      Statement s,
      database_->Prepare("UPDATE documents SET text_segment=?, text_start=? WHERE id=?"));
  return s.Bind(segment).Bind(start).Bind(document).Run();
}

absl::Status Catalogue::NoteFile(std::string_view path, int64_t size, int64_t mtime_ns) {
  WEIR_ASSIGN_OR_RETURN(Statement s,
                        database_->Prepare("UPDATE documents SET size=?, mtime=? WHERE path=?"));
  return s.Bind(size).Bind(mtime_ns).Bind(path).Run();
}

absl::Status Catalogue::AddPassage(const text::Passage& p) {
  WEIR_ASSIGN_OR_RETURN(Statement s,
                        database_->Prepare(absl::StrCat("INSERT INTO passages(", kPassageColumns,
                                                        ") VALUES(?,?,?,?,?,?,?)")));
  const bool boxed = p.box.x0 != 0 || p.box.y0 != 0 || p.box.x1 != 0 || p.box.y1 != 0;
  return s.Bind(p.id)
      .Bind(p.document)
      .Bind(p.span.start)
      .Bind(p.span.end)
      .Bind(int64_t{p.page})
      .BindBlob(boxed ? std::string_view(reinterpret_cast<const char*>(&p.box), sizeof(p.box))
                      : std::string_view(""))
      .Bind(std::string_view(p.heading))
      .Run();
}

absl::StatusOr<text::Passage> Catalogue::GetPassage(int64_t id) {
  WEIR_ASSIGN_OR_RETURN(Statement s, database_->Prepare(absl::StrCat("SELECT ", kPassageColumns,
                                                                     " FROM passages WHERE id=?")));
  WEIR_ASSIGN_OR_RETURN(const bool found, s.Bind(id).Step());
  if (!found) return absl::NotFoundError(absl::StrCat("passage ", id, " is not in the store"));
  return ReadPassage(s);
}

absl::StatusOr<std::vector<text::Passage>> Catalogue::PassagesOf(int64_t document) {
  WEIR_ASSIGN_OR_RETURN(const DocumentRow row, GetDocument(document));
  WEIR_ASSIGN_OR_RETURN(Statement s, database_->Prepare(absl::StrCat(
                                         "SELECT ", kPassageColumns,
                                         " FROM passages WHERE id BETWEEN ? AND ? ORDER BY id")));
  s.Bind(row.first_passage).Bind(row.first_passage + row.passage_count - 1);
  std::vector<text::Passage> passages;
  while (true) {
    WEIR_ASSIGN_OR_RETURN(const bool more, s.Step());
    if (!more) return passages;
    passages.push_back(ReadPassage(s));
  }
}

absl::StatusOr<int64_t> Catalogue::PassageCount() {
  WEIR_ASSIGN_OR_RETURN(Statement s, database_->Prepare("SELECT count(*) FROM passages"));
  WEIR_RETURN_IF_ERROR(s.Step().status());
  return s.Int(0);
}

absl::StatusOr<std::vector<IdRange>> Catalogue::Tombstones() {
  WEIR_ASSIGN_OR_RETURN(Statement s,
                        database_->Prepare("SELECT first, last FROM tombstones ORDER BY first"));
  std::vector<IdRange> ranges;
  while (true) {
    WEIR_ASSIGN_OR_RETURN(const bool more, s.Step());
    if (!more) return ranges;
    ranges.push_back({s.Int(0), s.Int(1)});
  }
}

absl::Status Catalogue::RemoveTombstone(int64_t first) {
  WEIR_ASSIGN_OR_RETURN(Statement s, database_->Prepare("DELETE FROM tombstones WHERE first=?"));
  return s.Bind(first).Run();
}

absl::Status Catalogue::AddFailure(std::string_view path, std::string_view reason, int64_t time_s) {
  WEIR_ASSIGN_OR_RETURN(Statement s,
                        database_->Prepare("INSERT OR REPLACE INTO failures VALUES(?,?,?)"));
  return s.Bind(path).Bind(reason).Bind(time_s).Run();
}

absl::Status Catalogue::RemoveFailure(std::string_view path) {
  WEIR_ASSIGN_OR_RETURN(Statement s, database_->Prepare("DELETE FROM failures WHERE path=?"));
  return s.Bind(path).Run();
}

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> Catalogue::Failures() {
  WEIR_ASSIGN_OR_RETURN(Statement s,
                        database_->Prepare("SELECT path, reason FROM failures ORDER BY path"));
  std::vector<std::pair<std::string, std::string>> rows;
  while (true) {
    WEIR_ASSIGN_OR_RETURN(const bool more, s.Step());
    if (!more) return rows;
    rows.emplace_back(s.Text(0), s.Text(1));
  }
}

absl::StatusOr<std::vector<std::string>> Catalogue::IntegrityCheck() {
  WEIR_ASSIGN_OR_RETURN(Statement s, database_->Prepare("PRAGMA integrity_check"));
  std::vector<std::string> lines;
  while (true) {
    const absl::StatusOr<bool> more = s.Step();
    if (absl::IsDataLoss(more.status())) {
      // What ends the check says more than what SQLite makes of it.
      lines.emplace(lines.begin(), more.status().message());
      return lines;
    }
    if (!more.ok()) return more.status();
    if (!*more) return lines;
    const std::string line = s.Text(0);
    if (line != "ok") lines.push_back(absl::StrCat("catalogue: ", line));
  }
}

}  // namespace weir::index
