#include "index/dense/vector_segment.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "index/dense/train.h"
#include "tensor/lookup.h"
#include "tensor/vector.h"

namespace weir::index {
namespace {

enum {
  kPassagesSection,
  kVectorsSection,
  kCodesSection,
  kScalesSection,
  kOrderSection,
  kQuantiserSection,
  kScanSection
};
constexpr int kDimensionsParam = 0, kClustersParam = 1;
constexpr double kUnitTolerance = 1e-3;
constexpr size_t kCheckRows = 4096;  // between looks at the cancel token

bool UnitLength(const float* x, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += double{x[i]} * double{x[i]};
  return std::abs(sum - 1) <= 2 * kUnitTolerance;  // false for NaN too
}

size_t Blocks(size_t rows) { return (rows + tensor::kLookupRows - 1) / tensor::kLookupRows; }

// Sections are written one after the other: `row(i)` gives the i-th vector each time.
absl::StatusOr<SegmentInfo> WriteRows(std::span<const int64_t> ids, size_t dimensions,
                                      const std::string& folder, const std::string& name,
                                      const Context& context,
                                      absl::FunctionRef<const float*(size_t)> row) {
  Clustered clustered;
  if (ids.size() >= kLeastClusteredRows) {
    WEIR_ASSIGN_OR_RETURN(clustered, ClusterRows(ids.size(), dimensions, row, context));
  }
  WEIR_ASSIGN_OR_RETURN(auto writer, SegmentWriter::Create(folder, name, SegmentKind::kVector));
  WEIR_RETURN_IF_ERROR(writer->BeginSection());
  WEIR_RETURN_IF_ERROR(writer->AppendArray<int64_t>(ids));
  WEIR_RETURN_IF_ERROR(writer->BeginSection());
  for (size_t i = 0; i < ids.size(); ++i) {
    if (i % kCheckRows == 0) WEIR_RETURN_IF_ERROR(context.CheckCancelled());
    WEIR_RETURN_IF_ERROR(writer->AppendArray<float>({row(i), dimensions}));
  }
  WEIR_RETURN_IF_ERROR(writer->BeginSection());
  std::vector<int8_t> codes(dimensions);
  std::vector<float> scales(ids.size());
  for (size_t p = 0; p < ids.size(); ++p) {
    const size_t r = clustered.clusters == 0 ? p : clustered.order[p];
    scales[p] = tensor::QuantizeInt8(row(r), codes.data(), dimensions);
    WEIR_RETURN_IF_ERROR(writer->AppendArray<int8_t>(codes));
  }
  WEIR_RETURN_IF_ERROR(writer->BeginSection());
  WEIR_RETURN_IF_ERROR(writer->AppendArray<float>(scales));
  WEIR_RETURN_IF_ERROR(writer->BeginSection());
  WEIR_RETURN_IF_ERROR(writer->AppendArray<uint32_t>(clustered.order));
  WEIR_RETURN_IF_ERROR(writer->BeginSection());
  WEIR_RETURN_IF_ERROR(writer->AppendArray<uint8_t>(clustered.quantiser));
  WEIR_RETURN_IF_ERROR(writer->BeginSection());
  WEIR_RETURN_IF_ERROR(writer->AppendArray<uint8_t>(clustered.scan_codes));
  writer->set_rows(ids.size());
  writer->set_param(kDimensionsParam, dimensions);
  writer->set_param(kClustersParam, clustered.clusters);
  return writer->Commit();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const VectorSegment>> VectorSegment::Open(const std::string& path) {
  WEIR_ASSIGN_OR_RETURN(auto file, SegmentFile::Open(path, SegmentKind::kVector, kVectorSections,
                                                     kFlatVectorSections));
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
  const uint64_t sizes[kFlatVectorSections] = {rows * 8, rows * dimensions * 4, rows * dimensions,
                                               rows * 4};
  for (int s = 0; s < kFlatVectorSections; ++s) {
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
  WEIR_RETURN_IF_ERROR(segment->FindClusters());
  return segment;
}

absl::Status VectorSegment::FindClusters() {
  const uint64_t clusters = file_->param(kClustersParam);
  if (clusters == 0 || file_->section_count() == kFlatVectorSections) return absl::OkStatus();
  if (clusters > rows_) {
    return file_->Damaged(kQuantiserSection, 0, absl::StrCat(clusters, " clusters"));
  }
  const uint64_t sizes[] = {
      rows_ * 4, QuantiserView::Bytes(dimensions_, clusters),
      Blocks(rows_) * (QuantiserView::PartsOf(dimensions_) / 2) * tensor::kLookupRows};
  for (int s = 0; s < 3; ++s) {
    if (file_->section(kOrderSection + s).size() != sizes[s]) {
      return file_->Damaged(kOrderSection + s, file_->section_offset(kOrderSection + s),
                            "size does not match the rows");
    }
  }
  quantiser_ = QuantiserView::Over(file_->section(kQuantiserSection).data(), dimensions_, clusters);
  for (size_t c = 0; c < clusters; ++c) {
    if (quantiser_.begins[c] >= quantiser_.begins[c + 1]) {
      return file_->Damaged(kQuantiserSection, c * 4, "an empty cluster");
    }
  }
  if (quantiser_.begins[0] != 0 || quantiser_.begins[clusters] != rows_)
    return file_->Damaged(kQuantiserSection, 0, "clusters do not cover the rows");
  order_ = reinterpret_cast<const uint32_t*>(file_->section(kOrderSection).data());
  scan_codes_ = file_->section(kScanSection).data();
  return absl::OkStatus();
}

size_t VectorSegment::bytes_beside_rows() const {
  return file_->bytes() - file_->section(kVectorsSection).size();
}

int64_t VectorSegment::Row(int64_t passage) const {
  const int64_t* end = ids_ + rows_;
  const int64_t* at = std::lower_bound(ids_, end, passage);
  return at != end && *at == passage ? at - ids_ : -1;
}

absl::Status VectorSegment::CheckRow(size_t position, std::vector<int8_t>& codes) const {
  const size_t row = row_at(position);
  if (row >= rows_) return file_->Damaged(kOrderSection, position * 4, "no such row");
  if (!UnitLength(vector(row), dimensions_)) {
    return file_->Damaged(
        kVectorsSection, row * dimensions_ * 4,
        absl::StrCat("vector of passage ", ids_[row], " is not finite and of unit length"));
  }
  const float scale = tensor::QuantizeInt8(vector(row), codes.data(), dimensions_);
  // One step of difference is another processor's rounding, not damage.
  auto near = [](int8_t a, int8_t b) { return std::abs(int{a} - int{b}) <= 1; };
  if (!(std::abs(scale - scales_[position]) <= 1e-5f * scale) ||
      !std::equal(codes.begin(), codes.end(), codes_ + position * dimensions_, near)) {
    return file_->Damaged(
        kCodesSection, position * dimensions_,
        absl::StrCat("codes of passage ", ids_[row], " are not those of its vector"));
  }
  return absl::OkStatus();
}

// REQUIRES: positions name existing rows.
absl::Status VectorSegment::CheckClusters() const {
  const size_t floats = 2 * quantiser_.clusters + (2 + tensor::kCodewords) * quantiser_.axes();
  for (size_t i = 0; i < floats; ++i) {
    if (!std::isfinite(quantiser_.spreads[i]))
      return file_->Damaged(kQuantiserSection, i * 4, "no finite number");
  }
  const RowCoder coder(quantiser_);
  RowCoder::Scratch scratch;
  std::vector<uint8_t> block(quantiser_.block_bytes());
  std::vector<const float*> rows;
  std::vector<uint32_t> clusters;
  uint32_t cluster = 0;
  for (size_t first = 0; first < rows_; first += tensor::kLookupRows) {
    rows.clear(), clusters.clear();
    for (size_t p = first; p < std::min(rows_, first + tensor::kLookupRows); ++p) {
      while (p >= quantiser_.begins[cluster + 1]) ++cluster;
      rows.push_back(vector(row_at(p)));
      clusters.push_back(cluster);
    }
    coder.Encode(rows, clusters, block.data(), scratch);
    const size_t at = first / tensor::kLookupRows * block.size();
    if (!std::equal(block.begin(), block.end(), scan_codes_ + at))
      return file_->Damaged(kScanSection, at, "scan codes are not those of the vectors");
  }
  return absl::OkStatus();
}

absl::Status VectorSegment::Check() const {
  std::vector<int8_t> codes(dimensions_);
  std::vector<bool> named(rows_);
  for (size_t p = 0; p < rows_; ++p) {
    if (p > 0 && ids_[p] <= ids_[p - 1])
      return file_->Damaged(kPassagesSection, p * 8, "passage ids do not ascend");
    WEIR_RETURN_IF_ERROR(CheckRow(p, codes));
    if (named[row_at(p)]) return file_->Damaged(kOrderSection, p * 4, "a row stands twice");
    named[row_at(p)] = true;
  }
  return clustered() ? CheckClusters() : absl::OkStatus();
}

absl::StatusOr<SegmentInfo> WriteVectorSegment(std::span<const int64_t> ids,
                                               std::span<const float> vectors, int dimensions,
                                               const std::string& folder, const std::string& name,
                                               const Context& context) {
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
  return WriteRows(ids, d, folder, name, context, [&](size_t i) { return &vectors[i * d]; });
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

}  // namespace weir::index
