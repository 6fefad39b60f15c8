#include "index/multi/multi_segment.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace weir::index {
namespace {

template <class T>
const T* At(const SegmentFile& file, int section) {
  return reinterpret_cast<const T*>(file.section(section).data());
}

// A parameter of the header that fits into 32 bits, or the largest number, which no check allows.
uint32_t Small(const SegmentFile& file, int param) {
  return static_cast<uint32_t>(std::min<uint64_t>(file.param(param), UINT32_MAX));
}

FixedEncodingParameters ReadParameters(const SegmentFile& file) {
  return {.dimensions = Small(file, kTokenDimensionsParam),
          .reps = Small(file, kRepsParam),
          .bits = Small(file, kBitsParam),
          .dim = Small(file, kDimParam),
          .final_dim = Small(file, kFinalParam),
          .seed = file.param(kSeedParam),
          .fill_empty = (file.param(kMeansParam) & 1) != 0,
          .unit_means = (file.param(kMeansParam) & 2) != 0,
          .whole = (file.param(kMeansParam) & 4) != 0};
}

// The codes of one row of the groups, behind those that are there.
void AppendGroupCodes(const uint8_t* groups, size_t row, size_t parts,
                      std::vector<uint8_t>& codes) {
  const uint8_t* group = groups + row / tensor::kLookupGroup * tensor::LookupGroupBytes(parts);
  for (size_t p = 0; p < parts; ++p) {
    codes.push_back(tensor::GroupCode(group, p, row % tensor::kLookupGroup));
  }
}

}  // namespace

absl::StatusOr<std::shared_ptr<const MultiSegment>> MultiSegment::Open(const std::string& path) {
  WEIR_ASSIGN_OR_RETURN(auto file, SegmentFile::Open(path, SegmentKind::kMulti, kMultiSections));
  return FromFile(std::move(file));
}

absl::StatusOr<std::shared_ptr<const MultiSegment>> MultiSegment::FromFile(
    std::shared_ptr<const SegmentFile> file) {
  const uint64_t rows = file->rows();
  if (rows == 0 || rows > file->bytes() || rows > UINT32_MAX) {
    return file->Damaged(kMultiPassages, 0, absl::StrCat(rows, " rows"));
  }
  const FixedEncodingParameters parameters = ReadParameters(*file);
  if (const absl::Status status = CheckParameters(parameters); !status.ok()) {
    return file->Damaged(kEncodingCodes, 0, status.message());
  }
  if (parameters.dimensions > kMaxTokenDimensions) {
    return file->Damaged(kTokenCodes, 0, absl::StrCat(parameters.dimensions, " dimensions"));
  }
  const size_t parts = EncodingParts(parameters.length());
  const size_t token_parts = TokenQuantiserView::PartsOf(parameters.dimensions);
  if (file->section(kTokenStarts).size() != rows * 8 + 8) {
    return file->Damaged(kTokenStarts, 0, "size does not match the rows");
  }
  const uint64_t* starts = At<uint64_t>(*file, kTokenStarts);
  if (starts[rows] > file->bytes()) {
    return file->Damaged(kTokenStarts, rows * 8, absl::StrCat(starts[rows], " tokens"));
  }
  const std::pair<int, uint64_t> sizes[] = {
      {kMultiPassages, rows * 8},
      {kEncodingScales, rows * 4},
      {kEncodingCodes, LookupGroups(rows) * tensor::LookupGroupBytes(parts)},
      {kTokenQuantiserBytes, TokenQuantiserView::Bytes(parameters.dimensions)},
      {kTokenCodes, LookupGroups(starts[rows]) * tensor::LookupGroupBytes(token_parts)}};
  for (const auto& [section, size] : sizes) {
    if (file->section(section).size() != size) {
      return file->Damaged(section, file->section_offset(section), "size does not match the rows");
    }
  }
  auto segment = std::make_shared<MultiSegment>();
  segment->rows_ = rows;
  segment->parameters_ = parameters;
  segment->ids_ = At<int64_t>(*file, kMultiPassages);
  segment->starts_ = starts;
  segment->scales_ = At<float>(*file, kEncodingScales);
  segment->encoding_codes_ = At<uint8_t>(*file, kEncodingCodes);
  segment->token_codes_ = At<uint8_t>(*file, kTokenCodes);
  segment->file_ = std::move(file);
  return segment;
}

absl::Status MultiSegment::CheckStarts() const {
  if (starts_checked_.load(std::memory_order_acquire)) return absl::OkStatus();
  for (size_t r = 0; r < rows_; ++r) {
    if (starts_[r] > starts_[r + 1] || starts_[0] != 0)
      return file_->Damaged(kTokenStarts, r * 8, "starts of rows do not ascend");
  }
  starts_checked_.store(true, std::memory_order_release);
  return absl::OkStatus();
}

int64_t MultiSegment::Row(int64_t passage) const {
  const int64_t* end = ids_ + rows_;
  const int64_t* at = std::lower_bound(ids_, end, passage);
  return at != end && *at == passage ? at - ids_ : -1;
}

absl::StatusOr<const FixedEncoder*> MultiSegment::encoder() const {
  std::lock_guard lock(made_);
  if (encoder_ == nullptr) {
    WEIR_ASSIGN_OR_RETURN(encoder_, FixedEncoder::Make(parameters_));
  }
  return encoder_.get();
}

const TokenCoder& MultiSegment::coder() const {
  std::lock_guard lock(made_);
  if (coder_ == nullptr) {
    coder_ = std::make_unique<TokenCoder>(
        TokenQuantiserView::Over(quantiser().data(), parameters_.dimensions));
  }
  return *coder_;
}

std::vector<uint8_t> MultiSegment::EncodingCodesOf(size_t row) const {
  std::vector<uint8_t> codes;
  AppendGroupCodes(encoding_codes_, row, EncodingParts(parameters_.length()), codes);
  return codes;
}

std::vector<uint8_t> MultiSegment::CodesOf(size_t row) const {
  const size_t parts = TokenQuantiserView::PartsOf(dimensions());
  std::vector<uint8_t> codes;
  codes.reserve((token_end(row) - token_begin(row)) * parts);
  for (size_t t = token_begin(row); t < token_end(row); ++t) {
    AppendGroupCodes(token_codes_, t, parts, codes);
  }
  return codes;
}

std::vector<float> MultiSegment::Decode(size_t row) const {
  const std::vector<uint8_t> codes = CodesOf(row);
  const TokenCoder& tokens = coder();
  std::vector<float> out(codes.size() / tokens.parts() * dimensions());
  for (size_t t = 0; t < codes.size() / tokens.parts(); ++t) {
    tokens.Decode(&codes[t * tokens.parts()], &out[t * dimensions()]);
  }
  return out;
}

absl::Status MultiSegment::CheckEncodings() const {
  const size_t length = parameters_.length(), parts = EncodingParts(length);
  for (size_t r = 0; r < rows_; ++r) {
    const bool empty = token_begin(r) == token_end(r);
    if (!std::isfinite(scales_[r]) || scales_[r] < 0 || (empty && scales_[r] != 0)) {
      return file_->Damaged(kEncodingScales, r * 4,
                            absl::StrCat("encoding of passage ", ids_[r], " is none"));
    }
    const std::vector<uint8_t> codes = EncodingCodesOf(r);
    const auto end = empty ? codes.begin() : codes.begin() + static_cast<ptrdiff_t>(length);
    if (std::any_of(end, codes.end(), [](uint8_t code) { return code != 0; })) {
      return file_->Damaged(kEncodingCodes,
                            r / tensor::kLookupGroup * tensor::LookupGroupBytes(parts),
                            "padding is not zero");
    }
  }
  return CheckPadding(kEncodingCodes, rows_, parts);
}

// Rows of codes behind the last one, in its group.
absl::Status MultiSegment::CheckPadding(int section, size_t rows, size_t parts) const {
  std::vector<uint8_t> codes;
  for (size_t r = rows; r < LookupGroups(rows) * tensor::kLookupGroup; ++r) {
    AppendGroupCodes(At<uint8_t>(*file_, section), r, parts, codes);
  }
  if (std::any_of(codes.begin(), codes.end(), [](uint8_t code) { return code != 0; })) {
    return file_->Damaged(section, rows / tensor::kLookupGroup * tensor::LookupGroupBytes(parts),
                          "padding is not zero");
  }
  return absl::OkStatus();
}

absl::Status MultiSegment::Check() const {
  WEIR_RETURN_IF_ERROR(CheckStarts());
  for (size_t r = 1; r < rows_; ++r) {
    if (ids_[r] <= ids_[r - 1]) {
      return file_->Damaged(kMultiPassages, r * 8, "passage ids do not ascend");
    }
  }
  const float* x = At<float>(*file_, kTokenQuantiserBytes);
  for (size_t i = 0; i < quantiser().size() / 4; ++i) {
    if (!std::isfinite(x[i])) {
      return file_->Damaged(kTokenQuantiserBytes, i * 4, "no finite number");
    }
  }
  const TokenQuantiserView view = TokenQuantiserView::Over(quantiser().data(), dimensions());
  for (size_t a = 0; a < view.parts * tensor::kPartWidth; ++a) {
    if (!(view.stretch[a] > 0)) {
      return file_->Damaged(kTokenQuantiserBytes, 0, "an axis is not stretched by more than 0");
    }
  }
  WEIR_RETURN_IF_ERROR(CheckPadding(kTokenCodes, tokens(), view.parts));
  return CheckEncodings();
}

}  // namespace weir::index
