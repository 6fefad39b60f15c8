// One generation of the store: its segments, opened, and which of their rows are deleted.
// Immutable, shared by searches; the mappings stay valid when a writer removes the files.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "index/catalogue/catalogue.h"
#include "index/dense/vector_segment.h"
#include "index/lexical/search.h"
#include "index/multi/multi_segment.h"
#include "index/sparse/sparse_segment.h"
#include "index/tenants/range_lists.h"
#include "index/texts/text_segment.h"

namespace weir::index {

// A file with its rows that are deleted in this generation.
template <class Segment>
struct Loaded {
  SegmentRow row;
  std::shared_ptr<const Segment> segment;
  std::shared_ptr<const DeletedRows> deleted;
  int64_t live() const {
    return static_cast<int64_t>(segment->rows()) - static_cast<int64_t>(deleted->rows.size());
  }
};

// Dense vectors of one encoder.
struct VectorSet {
  int64_t id = 0;  // of the catalogue; 0: the store's own
  EncoderNote encoder;
  std::vector<Loaded<VectorSegment>> segments;
  std::vector<VectorView> views;
};

struct Snapshot {
  int64_t generation = 0;
  std::vector<Loaded<LexicalSegment>> lexical;
  std::vector<Loaded<VectorSegment>> vectors;  // of the encoder that is searched
  int64_t vector_set = 0;                      // which is of this set
  std::vector<VectorSet> beside;               // the other sets
  std::vector<Loaded<SparseSegment>> sparse;
  std::vector<Loaded<MultiSegment>> multi;  // of the same parameters
  std::map<int64_t, std::shared_ptr<const TextSegment>> texts;  // by segment id
  std::vector<SegmentRow> text_rows;
  std::vector<SegmentView> lexical_views;
  std::vector<VectorView> vector_views;
  std::vector<SparseView> sparse_views;
  std::vector<MultiView> multi_views;
  std::string analyzer;  // a name of text::Analyzer, or kAutoLanguage
  // What passages were analysed with, that of most of them first, and of how many when each was
  // added.
  std::vector<std::pair<std::string, int64_t>> analyzers;
  EncoderNote encoder, sparse_encoder, multi_encoder;
  std::shared_ptr<SegmentTrees> trees;  // of `vectors`, and of generations before
  int64_t bytes = 0;  // of all segment files

  // One of `beside`; null when there is none of this name.
  const VectorSet* FindBeside(std::string_view name) const;
  int64_t live_passages() const;
  int64_t live_vectors() const;
  int64_t live_sparse() const;
  int64_t live_multi() const;
};

// Opens what the catalogue lists in `folder`; files that `previous` (may be null) has open are
// taken over. `encoder`: whose vectors are searched, "" for the store's own. kNotFound when a file
// is gone: a writer merged meanwhile, take a new catalogue snapshot and try again.
// kFailedPrecondition when the store has no vectors of that encoder.
absl::StatusOr<std::shared_ptr<const Snapshot>> LoadSnapshot(Catalogue& catalogue,
                                                             const std::string& folder,
                                                             const Snapshot* previous,
                                                             std::string_view encoder = "");

}  // namespace weir::index
