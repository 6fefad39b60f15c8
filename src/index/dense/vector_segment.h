// Dense vectors of passages in one file: f32 rows for the final score, int8 codes with a scale a
// row, and above a few thousand rows the clusters and scan codes of train.h. Format page:
// docs/formats/vector-segment.md. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "index/deleted_rows.h"
#include "index/dense/quantiser.h"
#include "index/segment/segment_file.h"

namespace weir::index {

inline constexpr int kMaxDimensions = 65536;
inline constexpr int kVectorSections = 7;
// of files that were written before there were clusters
inline constexpr int kFlatVectorSections = 4;

// Codes, scales and scan codes stand at positions: the rows themselves without clusters, else the
// rows cluster after cluster.
class VectorSegment {
 public:
  static absl::StatusOr<std::shared_ptr<const VectorSegment>> Open(const std::string& path);
  static absl::StatusOr<std::shared_ptr<const VectorSegment>> FromFile(
      std::shared_ptr<const SegmentFile> file);

  const SegmentFile& file() const { return *file_; }
  size_t rows() const { return rows_; }
  size_t dimensions() const { return dimensions_; }
  int64_t passage(size_t row) const { return ids_[row]; }
  const int64_t* passages() const { return ids_; }  // of the rows
  int64_t Row(int64_t passage) const;  // -1 when it is not here
  const float* vector(size_t row) const { return vectors_ + row * dimensions_; }
  const int8_t* codes() const { return codes_; }
  const float* scales() const { return scales_; }
  bool clustered() const { return quantiser_.clusters > 0; }
  const QuantiserView& quantiser() const { return quantiser_; }  // REQUIRES: clustered
  const uint8_t* scan_codes() const { return scan_codes_; }
  // rows() when the file is damaged.
  size_t row_at(size_t position) const {
    return order_ == nullptr ? position : std::min<size_t>(order_[position], rows_);
  }
  // Of what a search reads beside the f32 rows.
  size_t bytes_beside_rows() const;
  // Ids ascend; vectors are finite and of unit length; positions name each row once; codes are
  // those of the vectors.
  absl::Status Check() const;

 private:
  absl::Status FindClusters();
  absl::Status CheckRow(size_t position, std::vector<int8_t>& codes) const;
  absl::Status CheckClusters() const;

  std::shared_ptr<const SegmentFile> file_;
  size_t rows_ = 0, dimensions_ = 0;
  const int64_t* ids_ = nullptr;
  const float* vectors_ = nullptr;
  const int8_t* codes_ = nullptr;
  const float* scales_ = nullptr;
  const uint32_t* order_ = nullptr;
  QuantiserView quantiser_;
  const uint8_t* scan_codes_ = nullptr;
};

// ids ascend; vectors: [ids, dimensions], unit length (kInvalidArgument otherwise). The same bytes
// for any number of threads.
absl::StatusOr<SegmentInfo> WriteVectorSegment(std::span<const int64_t> ids,
                                               std::span<const float> vectors, int dimensions,
                                               const std::string& folder, const std::string& name,
                                               const Context& context);

class RangeLists;

struct VectorView {
  const VectorSegment* segment = nullptr;
  const DeletedRows* deleted = nullptr;  // null: none
  // Live rows that a search may return; null: those of VectorSearchOptions::allowed. And the same
  // as lists in a tree, where they are many enough for that; else null.
  const RowSet* allowed = nullptr;
  const RangeLists* lists = nullptr;
};

// Live rows of all segments, by ascending passage id. kNotFound when none is left.
absl::StatusOr<SegmentInfo> MergeVectorSegments(std::span<const VectorView> segments,
                                                const std::string& folder, const std::string& name,
                                                const Context& context);

}  // namespace weir::index
