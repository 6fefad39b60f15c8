#include "index/dense/vector_segment.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "index/top_k.h"
#include "tensor/vector.h"

namespace weir::index {
namespace {

enum { kPassagesSection, kVectorsSection, kCodesSection, kScalesSection, kVectorSections };
constexpr int kDimensionsParam = 0;
constexpr double kUnitTolerance = 1e-3;
constexpr size_t kScanRows = 4096;  // scores of a scan stay in the cache

bool UnitLength(const float* x, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += double{x[i]} * double{x[i]};
  return std::abs(sum - 1) <= 2 * kUnitTolerance;  // false for NaN too
}

// Sections of a row-wise file are written one after the other: `row(i)` gives the i-th vector each
// time.
template <class RowAt>
absl::StatusOr<SegmentInfo> WriteRows(std::span<const int64_t> ids, size_t dimensions,
                                      const std::string& folder, const std::string& name,
                                      const Context& context, RowAt row) {
  WEIR_ASSIGN_OR_RETURN(auto writer, SegmentWriter::Create(folder, name, SegmentKind::kVector));
  WEIR_RETURN_IF_ERROR(writer->BeginSection());
  WEIR_RETURN_IF_ERROR(writer->AppendArray<int64_t>(ids));
  WEIR_RETURN_IF_ERROR(writer->BeginSection());
  for (size_t i = 0; i < ids.size(); ++i) {
    if (i % 4096 == 0) WEIR_RETURN_IF_ERROR(context.CheckCancelled());
    WEIR_RETURN_IF_ERROR(writer->AppendArray<float>({row(i), dimensions}));
  }
  WEIR_RETURN_IF_ERROR(writer->BeginSection());
  std::vector<int8_t> codes(dimensions);
  std::vector<float> scales(ids.size());
  for (size_t i = 0; i < ids.size(); ++i) {
    scales[i] = tensor::QuantizeInt8(row(i), codes.data(), dimensions);
    WEIR_RETURN_IF_ERROR(writer->AppendArray<int8_t>(codes));
  }
  WEIR_RETURN_IF_ERROR(writer->BeginSection());
  WEIR_RETURN_IF_ERROR(writer->AppendArray<float>(scales));
  writer->set_rows(ids.size());
  writer->set_param(kDimensionsParam, dimensions);
  return writer->Commit();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const VectorSegment>> VectorSegment::Open(const std::string& path) {
  WEIR_ASSIGN_OR_RETURN(auto file, SegmentFile::Open(path, SegmentKind::kVector, kVectorSections));
  return FromFile(std::move(file));
}

absl::StatusOr<std::shared_ptr<const VectorSegment>> VectorSegment::FromFile(
    std::shared_ptr<const SegmentFile> file) {
  const uint64_t rows = file->rows(), dimensions = file->param(kDimensionsParam);
  if (dimensions == 0 || dimensions > kMaxDimensions) {
    return file->Damaged(kVectorsSection, 0, absl::StrCat(dimensions, " dimensions"));
  }
  if (rows == 0 || rows > file->bytes())
    return file->Damaged(kPassagesSection, 0, absl::StrCat(rows, " rows"));
  const uint64_t sizes[kVectorSections] = {rows * 8, rows * dimensions * 4, rows * dimensions,
                                           rows * 4};
  for (int s = 0; s < kVectorSections; ++s) {
    if (file->section(s).size() != sizes[s]) {
      return file->Damaged(s, file->section_offset(s), "size does not match the rows");
    }
  }
  auto segment = std::make_shared<VectorSegment>();
  segment->rows_ = rows;
  segment->dimensions_ = dimensions;
  segment->ids_ = reinterpret_cast<const int64_t*>(file->section(kPassagesSection).data());
  segment->vectors_ = reinterpret_cast<const float*>(file->section(kVectorsSection).data());
  segment->codes_ = reinterpret_cast<const int8_t*>(file->section(kCodesSection).data());
  segment->scales_ = reinterpret_cast<const float*>(file->section(kScalesSection).data());
  segment->file_ = std::move(file);
  return segment;
}

int64_t VectorSegment::Row(int64_t passage) const {
  const int64_t* end = ids_ + rows_;
  const int64_t* at = std::lower_bound(ids_, end, passage);
  return at != end && *at == passage ? at - ids_ : -1;
}

absl::Status VectorSegment::Check() const {
  std::vector<int8_t> codes(dimensions_);
  for (size_t r = 0; r < rows_; ++r) {
    if (r > 0 && ids_[r] <= ids_[r - 1])
      return file_->Damaged(kPassagesSection, r * 8, "passage ids do not ascend");
    if (!UnitLength(vector(r), dimensions_)) {
      return file_->Damaged(
          kVectorsSection, r * dimensions_ * 4,
          absl::StrCat("vector of passage ", ids_[r], " is not finite and of unit length"));
    }
    const float scale = tensor::QuantizeInt8(vector(r), codes.data(), dimensions_);
    // One step of difference is another processor's rounding, not damage.
    auto near = [](int8_t a, int8_t b) { return std::abs(int{a} - int{b}) <= 1; };
    if (!(std::abs(scale - scales_[r]) <= 1e-5f * scale) ||
        !std::equal(codes.begin(), codes.end(), codes_ + r * dimensions_, near)) {
      return file_->Damaged(
          kCodesSection, r * dimensions_,
          absl::StrCat("codes of passage ", ids_[r], " are not those of its vector"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<SegmentInfo> WriteVectorSegment(std::span<const int64_t> ids,
                                               std::span<const float> vectors, int dimensions,
                                               const std::string& folder, const std::string& name) {
  const size_t d = static_cast<size_t>(dimensions);
  if (dimensions < 1 || dimensions > kMaxDimensions || vectors.size() != ids.size() * d ||
      ids.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": ", ids.size(), " ids, ", vectors.size(),
                                                   " values, ", dimensions, " dimensions"));
  }
  for (size_t i = 0; i < ids.size(); ++i) {
    if (!UnitLength(&vectors[i * d], d)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the vector of passage ", ids[i], " is not finite and of unit length"));
    }
  }
  return WriteRows(ids, d, folder, name, Context(), [&](size_t i) { return &vectors[i * d]; });
}

absl::StatusOr<SegmentInfo> MergeVectorSegments(std::span<const VectorView> segments,
                                                const std::string& folder, const std::string& name,
                                                const Context& context) {
  struct Row {
    int64_t id;
    const float* vector;
  };
  std::vector<Row> rows;
  const size_t dimensions = segments.empty() ? 0 : segments[0].segment->dimensions();
  for (const VectorView& view : segments) {
    if (view.segment->dimensions() != dimensions) {
      return absl::InternalError(
          absl::StrCat(view.segment->file().path(), ": other dimensions than its neighbours"));
    }
    for (size_t r = 0; r < view.segment->rows(); ++r) {
      if (view.deleted != nullptr && view.deleted->Contains(static_cast<uint32_t>(r))) continue;
      rows.push_back({view.segment->passage(r), view.segment->vector(r)});
    }
  }
  if (rows.empty()) return absl::NotFoundError("no live vector is left");
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.id < b.id; });
  std::vector<int64_t> ids;
  for (const Row& row : rows) ids.push_back(row.id);
  return WriteRows(ids, dimensions, folder, name, context,
                   [&](size_t i) { return rows[i].vector; });
}

absl::StatusOr<std::vector<Scored>> SearchVectors(std::span<const VectorView> segments,
                                                  std::span<const float> query, int64_t k,
                                                  const Context& context) {
  if (k < 1) return absl::InvalidArgumentError(absl::StrCat("k: ", k, "; expected at least 1"));
  const size_t d = query.size();
  for (const VectorView& view : segments) {
    if (view.segment->dimensions() != d) {
      return absl::InvalidArgumentError(absl::StrCat(
          "query of ", d, " dimensions; the store has vectors of ", view.segment->dimensions()));
    }
  }
  if (!std::all_of(query.begin(), query.end(), [](float x) { return std::isfinite(x); })) {
    return absl::InvalidArgumentError("the query vector is not finite");
  }
  std::vector<int8_t> codes(d);
  const float scale = tensor::QuantizeInt8(query.data(), codes.data(), d);
  int64_t total = 0;
  for (const VectorView& view : segments) total += static_cast<int64_t>(view.segment->rows());
  if (total == 0) return std::vector<Scored>();
  k = std::min(k, total);
  TopK candidates(std::min(total, std::max<int64_t>(4 * k, 64)));
  std::vector<float> scores(kScanRows);
  for (const VectorView& view : segments) {
    const VectorSegment& s = *view.segment;
    for (size_t begin = 0; begin < s.rows(); begin += kScanRows) {
      WEIR_RETURN_IF_ERROR(context.CheckCancelled());
      const size_t n = std::min(kScanRows, s.rows() - begin);
      tensor::ScanInt8(codes.data(), scale, s.codes() + begin * d, s.scales() + begin, n, d,
                       scores.data(), context.threads);
      float least = candidates.Least(false);
      for (size_t i = 0; i < n; ++i) {
        if (!(scores[i] >= least)) continue;
        if (view.deleted != nullptr && view.deleted->Contains(static_cast<uint32_t>(begin + i)))
          continue;
        candidates.Add({s.passage(begin + i), scores[i]});
        least = candidates.Least(false);
      }
    }
  }
  TopK top(k);
  for (const Scored& c : candidates.Take()) {
    for (const VectorView& view : segments) {
      const int64_t row = view.segment->Row(c.passage);
      if (row < 0) continue;
      top.Add({c.passage,
               tensor::Dot(query.data(), view.segment->vector(static_cast<size_t>(row)), d)});
      break;
    }
  }
  return top.Take();
}

}  // namespace weir::index
