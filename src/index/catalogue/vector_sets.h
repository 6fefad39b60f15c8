// Dense vectors of other encoders than the store's own, beside its own: which encoders, and which
// segments are theirs. Two tables of the catalogue, made with the first such encoder. Format page:
// docs/formats/catalogue.md. Not thread-safe; writes belong to a Transaction of the catalogue.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "index/catalogue/sqlite.h"

namespace weir::index {

struct EncoderNote {
  std::string name, fingerprint;
  int dimensions = 0;  // of a sparse one: terms of its vocabulary
};

struct VectorSetRow {
  int64_t id = 0;  // above 0; 0 stands for the store's own
  EncoderNote encoder;
};

class VectorSets {
 public:
  // Borrows the catalogue's database.
  explicit VectorSets(Sqlite& database) : database_(database) {}

  absl::StatusOr<std::vector<VectorSetRow>> All();             // by id
  absl::StatusOr<std::map<int64_t, int64_t>> SetOfSegments();  // segment -> set
  absl::StatusOr<int64_t> Add(const EncoderNote& encoder);
  // Of a segment that is listed as kVector: it becomes kVectorBeside, which an older weir refuses.
  absl::Status Assign(int64_t segment, int64_t set);
  // The set's segments become kVector, the store's own, and the set is gone.
  absl::Status Promote(int64_t set);
  absl::Status Remove(int64_t set);  // its segments are to be removed, too
  absl::Status ForgetSegment(int64_t segment);

 private:
  absl::StatusOr<bool> Exist() { return database_.HasTable("vector_sets"); }

  Sqlite& database_;
};

}  // namespace weir::index
