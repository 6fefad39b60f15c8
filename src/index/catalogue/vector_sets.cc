#include "index/catalogue/vector_sets.h"

#include <algorithm>

#include "base/status.h"
#include "index/segment/segment_file.h"

namespace weir::index {
namespace {

constexpr char kTables[] = R"sql(
CREATE TABLE IF NOT EXISTS vector_sets(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL,
  fingerprint TEXT NOT NULL, dimensions INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS vector_set_segments(segment INTEGER PRIMARY KEY, vector_set INTEGER NOT NULL);
)sql";

constexpr int64_t kMaxDimensionsNoted = 65536;

}  // namespace

absl::StatusOr<std::vector<VectorSetRow>> VectorSets::All() {
  std::vector<VectorSetRow> rows;
  WEIR_ASSIGN_OR_RETURN(const bool exist, Exist());
  if (!exist) return rows;
  WEIR_ASSIGN_OR_RETURN(
      Statement s,
      database_.Prepare("SELECT id, name, fingerprint, dimensions FROM vector_sets ORDER BY id"));
  while (true) {
    WEIR_ASSIGN_OR_RETURN(const bool more, s.Step());
    if (!more) return rows;
    const int64_t dimensions = std::clamp<int64_t>(s.Int(3), 0, kMaxDimensionsNoted);
    rows.push_back({s.Int(0), {s.Text(1), s.Text(2), static_cast<int>(dimensions)}});
  }
}

absl::StatusOr<std::map<int64_t, int64_t>> VectorSets::SetOfSegments() {
  std::map<int64_t, int64_t> sets;
  WEIR_ASSIGN_OR_RETURN(const bool exist, Exist());
  if (!exist) return sets;
  WEIR_ASSIGN_OR_RETURN(
      Statement s, database_.Prepare("SELECT segment, vector_set FROM vector_set_segments"));
  while (true) {
    WEIR_ASSIGN_OR_RETURN(const bool more, s.Step());
    if (!more) return sets;
    sets[s.Int(0)] = s.Int(1);
  }
}

absl::StatusOr<int64_t> VectorSets::Add(const EncoderNote& encoder) {
  WEIR_RETURN_IF_ERROR(database_.Exec(kTables));
  WEIR_ASSIGN_OR_RETURN(
      Statement s,
      database_.Prepare("INSERT INTO vector_sets(name, fingerprint, dimensions) VALUES(?,?,?)"));
  WEIR_RETURN_IF_ERROR(s.Bind(encoder.name)
                           .Bind(encoder.fingerprint)
                           .Bind(int64_t{encoder.dimensions})
                           .Run());
  return database_.last_rowid();
}

absl::Status VectorSets::Assign(int64_t segment, int64_t set) {
  WEIR_ASSIGN_OR_RETURN(Statement s,
                        database_.Prepare("INSERT INTO vector_set_segments VALUES(?,?)"));
  WEIR_RETURN_IF_ERROR(s.Bind(segment).Bind(set).Run());
  WEIR_ASSIGN_OR_RETURN(Statement kind,
                        database_.Prepare("UPDATE segments SET kind=? WHERE id=?"));
  return kind.Bind(static_cast<int64_t>(SegmentKind::kVectorBeside)).Bind(segment).Run();
}

absl::Status VectorSets::Promote(int64_t set) {
  WEIR_ASSIGN_OR_RETURN(
      Statement kind,
      database_.Prepare("UPDATE segments SET kind=? WHERE id IN "
                        "(SELECT segment FROM vector_set_segments WHERE vector_set=?)"));
  WEIR_RETURN_IF_ERROR(kind.Bind(static_cast<int64_t>(SegmentKind::kVector)).Bind(set).Run());
  return Remove(set);
}

absl::Status VectorSets::Remove(int64_t set) {
  WEIR_ASSIGN_OR_RETURN(Statement segments,
                        database_.Prepare("DELETE FROM vector_set_segments WHERE vector_set=?"));
  WEIR_RETURN_IF_ERROR(segments.Bind(set).Run());
  WEIR_ASSIGN_OR_RETURN(Statement s, database_.Prepare("DELETE FROM vector_sets WHERE id=?"));
  return s.Bind(set).Run();
}

absl::Status VectorSets::ForgetSegment(int64_t segment) {
  WEIR_ASSIGN_OR_RETURN(Statement s,
                        database_.Prepare("DELETE FROM vector_set_segments WHERE segment=?"));
  return s.Bind(segment).Run();
}

}  // namespace weir::index
