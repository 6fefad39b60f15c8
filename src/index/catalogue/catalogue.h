// The catalogue: one SQLite file that says which segments, documents and passages make up the
// store. What it commits is what exists. Format page: docs/formats/catalogue.md. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "index/catalogue/field_table.h"
#include "index/catalogue/given_terms_table.h"
#include "index/catalogue/grants.h"
#include "index/catalogue/sqlite.h"
#include "index/catalogue/vector_sets.h"
#include "index/segment/segment_file.h"
#include "text/records.h"

namespace weir::index {

// Of new ones; from kSealedVersion on pages have checksums, which those of version 1 have not.
inline constexpr int kCatalogueVersion = 2, kOldestCatalogueVersion = 1;

struct SegmentRow {
  int64_t id = -1;
  SegmentInfo info;
};

struct DocumentRow {
  int64_t id = -1;
  std::string path, sha256, title, format;
  int64_t size = -1, mtime_ns = -1;  // of the file; -1 unknown
  int64_t text_segment = -1, text_start = 0, text_size = 0;
  int64_t first_passage = 0, passage_count = 0;  // ids of one document are consecutive
};

// Rolls back unless Commit was called.
class Transaction {
 public:
  explicit Transaction(Sqlite& database) : database_(&database) {}
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  ~Transaction() {
    if (database_ != nullptr) (void)database_->Exec("ROLLBACK");
  }
  absl::Status Commit();

 private:
  Sqlite* database_;
};

class Catalogue {
 public:
  // `write` makes the file and its tables. kUnimplemented for another format version.
  static absl::StatusOr<std::unique_ptr<Catalogue>> Open(const std::string& path, bool write);

  absl::StatusOr<Transaction> BeginWrite();
  // Readers: one snapshot from BeginRead to the next.
  absl::Status BeginRead();

  absl::StatusOr<std::string> Setting(std::string_view key);  // "" when unset
  absl::StatusOr<int64_t> Counter(std::string_view key);      // 0 when unset
  absl::Status Set(std::string_view key, std::string_view value);
  absl::Status Set(std::string_view key, int64_t value);

  absl::StatusOr<std::vector<SegmentRow>> Segments();
  absl::StatusOr<int64_t> AddSegment(const SegmentInfo& info);
  absl::Status RemoveSegment(int64_t id);

  absl::StatusOr<std::optional<DocumentRow>> FindDocument(std::string_view path);
  absl::StatusOr<DocumentRow> GetDocument(int64_t id);  // kNotFound
  absl::StatusOr<std::vector<DocumentRow>> Documents();
  // All of a text segment, ascending by where they begin.
  absl::StatusOr<std::vector<DocumentRow>> DocumentsOfText(int64_t segment);
  absl::StatusOr<std::vector<std::string>> Paths();
  absl::StatusOr<int64_t> DocumentCount();
  absl::Status AddDocument(const DocumentRow& row);
  // With its passages, which become tombstones, its grants, its fields and its given terms.
  absl::Status RemoveDocument(const DocumentRow& row);
  absl::Status MoveText(int64_t document, int64_t segment, int64_t start);
  absl::Status NoteFile(std::string_view path, int64_t size, int64_t mtime_ns);

  // How many of a document's passages each analyser took; RemoveDocument forgets them.
  absl::Status NoteLanguages(int64_t document, const std::map<std::string, int64_t>& passages);
  // Of all documents.
  absl::StatusOr<std::map<std::string, int64_t>> Languages();

  // Of one document; none in a store of one language.
  absl::StatusOr<std::vector<std::string>> LanguagesOf(int64_t document);
  // Of each document, in no order.
  absl::Status VisitLanguages(
      absl::FunctionRef<void(int64_t document, const std::string& name, int64_t passages)> on_row);

  absl::Status AddPassage(const text::Passage& passage);
  absl::StatusOr<text::Passage> GetPassage(int64_t id);  // without text; kNotFound
  absl::StatusOr<std::vector<text::Passage>> PassagesOf(int64_t document);
  absl::StatusOr<int64_t> PassageCount();

  // What every document has, as text, ascending by document: a column of `documents` by the name of
  // a built-in field, or the analyser of most of its passages for "language" (where a document has
  // none noted, nothing). "folder" is the path's. kInvalidArgument for another name.
  absl::Status VisitBuiltIn(std::string_view field, FieldTable::OnValue on_value);
  // Documents with their passages, ascending by id; with a tenant, those that it may see.
  struct DocumentPassages {
    int64_t document = 0, first_passage = 0, passage_count = 0;
  };
  absl::StatusOr<std::vector<DocumentPassages>> Passages(std::optional<int64_t> tenant);

  Grants& grants() { return grants_; }
  VectorSets& vector_sets() { return vector_sets_; }
  FieldTable& fields() { return fields_; }
  GivenTermsTable& given_terms() { return given_terms_; }

  absl::StatusOr<std::vector<IdRange>> Tombstones();  // ascending
  absl::Status RemoveTombstone(int64_t first);

  absl::Status AddFailure(std::string_view path, std::string_view reason, int64_t time_s);
  absl::Status RemoveFailure(std::string_view path);
  absl::StatusOr<std::vector<std::pair<std::string, std::string>>> Failures();

  // SQLite's own check; one line a problem.
  absl::StatusOr<std::vector<std::string>> IntegrityCheck();

 private:
  explicit Catalogue(std::unique_ptr<Sqlite> database)
      : database_(std::move(database)),
        grants_(*database_),
        vector_sets_(*database_),
        fields_(*database_),
        given_terms_(*database_) {}
  absl::Status CheckVersion();
  absl::StatusOr<std::vector<DocumentRow>> ReadDocuments(Statement statement);

  std::unique_ptr<Sqlite> database_;
  Grants grants_;
  VectorSets vector_sets_;
  FieldTable fields_;
  GivenTermsTable given_terms_;
  bool reading_ = false;
};

}  // namespace weir::index
