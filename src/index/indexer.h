// Files and records into a store: read, cut into passages, stored in batches, encoded. Readers and
// chunkers live in a room this one may not see, so the program hands them in as ports.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "index/store.h"
#include "text/ports.h"
#include "text/records.h"

namespace weir::index {

struct IndexerPorts {
  // Called from two threads at once when context.threads has two.
  std::function<absl::StatusOr<text::Document>(const std::string& path, const Context& context)>
      read;
  std::function<std::vector<text::Passage>(const text::Document& document)> chunk;
  const text::Encoder* encoder = nullptr;  // null: no dense vectors
  std::vector<const text::Encoder*> encoders_beside = {};
  const text::SparseEncoder* sparse_encoder = nullptr;
  const text::TokenEncoder* token_encoder = nullptr;
  FixedEncodingOptions encoding = {};  // with token_encoder
};

struct IndexerOptions {
  int64_t batch_documents = 64;
  int64_t batch_mb = 8;
  bool encode = true;
  int64_t reorder_from = 0;
  template <class V> void Visit(V& v) {
    v(batch_documents, {.name = "batch-documents",
                        .help = "Documents stored in one step.",
                        .unit = "documents",
                        .min = 1,
                        .max = 1000000,
                        .fingerprint = false});
    v(batch_mb, {.name = "batch-mb",
                 .help = "Text stored in one step.",
                 .unit = "MB",
                 .min = 1,
                 .max = 1024,
                 .fingerprint = false});
    v(encode, {.name = "encode", .help = "Whether passages get vectors.", .fingerprint = false});
    v(reorder_from,
      {.name = "reorder-from",
       .help = "Segments of words that are merged to so many passages or more get their rows in "
               "the order that compresses best, which takes about 45 s of CPU a million; 0 for "
               "none. Results stay the same.",
       .unit = "passages",
       .min = 0,
       .max = int64_t{1} << 31,
       .fingerprint = false});
  }
  // Documents of the store at or below these paths that are no longer there are removed. Not a
  // flag: the caller knows what it walked.
  std::vector<std::string> roots;
  // Gets a grant of every document, unchanged ones too, and owns those that are new. Of documents
  // that are no longer there it loses those it was granted, and takes those that it owns with it.
  // "": none. Set by the caller, too.
  std::string tenant;
  // Given to every document, unchanged ones too (Prepared::given). Set by the caller, too.
  std::vector<text::Field> fields;
};

struct IndexReport {
  int64_t added = 0, unchanged = 0, removed = 0, failed = 0, passages = 0;
  int64_t granted = 0;  // of `unchanged`, those that the tenant did not have
  double seconds = 0;
};

// A file that cannot be read is noted in the store and the rest goes on; what fails the whole call
// is the store itself, the encoder, or cancellation (kCancelled; all acknowledged batches are
// kept). `report`, when given, is filled in every case.
absl::StatusOr<IndexReport> IndexFiles(Store& store, std::vector<std::string> files,
                                       const IndexerPorts& ports, const IndexerOptions& options,
                                       const Context& context, IndexReport* report = nullptr);

// One document of one passage, as in BEIR folders.
struct Record {
  std::string id;  // becomes the document's path
  std::string title, text;
  std::vector<text::Field> fields = {};
  std::string format = "record";
  std::optional<GivenTerms> terms = std::nullopt;  // Prepared::terms
  bool deleted = false;  // the document of this id goes, if it is there; only the id counts
};
// nullopt at the end.
using RecordSource = std::function<absl::StatusOr<std::optional<Record>>()>;

// Records that are unchanged (by the hash of title, text and given terms) are skipped. An error of
// the source ends the run; what it gave before is kept, and encoded by the next run. Of the ports
// only the encoders count.
absl::StatusOr<IndexReport> IndexRecords(Store& store, const RecordSource& next,
                                         const IndexerPorts& ports, const IndexerOptions& options,
                                         const Context& context, IndexReport* report = nullptr);

}  // namespace weir::index
