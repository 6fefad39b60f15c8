// Dense vectors of passages in one file: f32 rows for the final score, int8 codes with a scale a
// row for the scan. Format page: docs/formats/vector-segment.md. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "index/deleted_rows.h"
#include "index/scored.h"
#include "index/segment/segment_file.h"

namespace weir::index {

inline constexpr int kMaxDimensions = 65536;

class VectorSegment {
 public:
  static absl::StatusOr<std::shared_ptr<const VectorSegment>> Open(const std::string& path);
  static absl::StatusOr<std::shared_ptr<const VectorSegment>> FromFile(
      std::shared_ptr<const SegmentFile> file);

  const SegmentFile& file() const { return *file_; }
  size_t rows() const { return rows_; }
  size_t dimensions() const { return dimensions_; }
  int64_t passage(size_t row) const { return ids_[row]; }
  int64_t Row(int64_t passage) const;  // -1 when it is not here
  const float* vector(size_t row) const { return vectors_ + row * dimensions_; }
  const int8_t* codes() const { return codes_; }
  const float* scales() const { return scales_; }
  // Ids ascend; vectors are finite and of unit length; codes are those of the vectors.
  absl::Status Check() const;

 private:
  std::shared_ptr<const SegmentFile> file_;
  size_t rows_ = 0, dimensions_ = 0;
  const int64_t* ids_ = nullptr;
  const float* vectors_ = nullptr;
  const int8_t* codes_ = nullptr;
  const float* scales_ = nullptr;
};

// ids ascend; vectors: [ids, dimensions], unit length (kInvalidArgument otherwise).
absl::StatusOr<SegmentInfo> WriteVectorSegment(std::span<const int64_t> ids,
                                               std::span<const float> vectors, int dimensions,
                                               const std::string& folder, const std::string& name);

struct VectorView {
  const VectorSegment* segment = nullptr;
  const DeletedRows* deleted = nullptr;  // null: none
};

// Live rows of all segments, by ascending passage id, streamed. kNotFound when none is left.
absl::StatusOr<SegmentInfo> MergeVectorSegments(std::span<const VectorView> segments,
                                                const std::string& folder, const std::string& name,
                                                const Context& context);

// Inner product over the int8 codes; the best max(4k, 64) are scored again in f32. Top k by (score
// descending, passage ascending). REQUIRES: query has the segments' dimensions.
absl::StatusOr<std::vector<Scored>> SearchVectors(std::span<const VectorView> segments,
                                                  std::span<const float> query, int64_t k,
                                                  const Context& context);

}  // namespace weir::index
