// Token vectors of passages in one file: for each passage the scan codes of a fixed dimensional
// encoding that finds it, and the codes of its tokens' vectors that score it. Format page:
// docs/formats/multi-segment.md. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "index/deleted_rows.h"
#include "index/dense/passage_set.h"
#include "index/multi/fixed_encoding.h"
#include "index/multi/format.h"
#include "index/multi/token_quantiser.h"
#include "index/segment/segment_file.h"
#include "text/ports.h"

namespace weir::index {

class MultiSegment {
 public:
  // kUnimplemented for encodings that this build refuses (CheckParameters).
  static absl::StatusOr<std::shared_ptr<const MultiSegment>> Open(const std::string& path);
  static absl::StatusOr<std::shared_ptr<const MultiSegment>> FromFile(
      std::shared_ptr<const SegmentFile> file);

  const SegmentFile& file() const { return *file_; }
  size_t rows() const { return rows_; }
  size_t dimensions() const { return parameters_.dimensions; }
  const FixedEncodingParameters& parameters() const { return parameters_; }
  int64_t passage(size_t row) const { return ids_[row]; }
  int64_t Row(int64_t passage) const;  // -1 when it is not here
  // That the tokens of rows follow one another: to be asked before any of them is. Reads the starts
  // the first time, so that opening a segment does not.
  absl::Status CheckStarts() const;
  size_t token_begin(size_t row) const { return starts_[row]; }
  size_t token_end(size_t row) const { return starts_[row + 1]; }
  size_t tokens() const { return starts_[rows_]; }
  uint64_t trained_tokens() const { return file_->param(kTrainedParam); }
  bool well_trained() const { return trained_tokens() >= kEnoughTokens; }

  const float* encoding_scales() const { return scales_; }
  const uint8_t* encoding_codes() const { return encoding_codes_; }
  const uint8_t* token_codes() const { return token_codes_; }
  std::span<const uint8_t> quantiser() const { return file_->section(kTokenQuantiserBytes); }
  // What a token takes in its codes.
  size_t bytes_a_token() const { return TokenQuantiserView::PartsOf(dimensions()) / 2; }

  // Made when first asked for. kResourceExhausted.
  absl::StatusOr<const FixedEncoder*> encoder() const;
  const TokenCoder& coder() const;
  // [EncodingParts(length)].
  std::vector<uint8_t> EncodingCodesOf(size_t row) const;
  // The codes of a row's tokens, [tokens][parts], and what they stand for, [tokens][dimensions].
  std::vector<uint8_t> CodesOf(size_t row) const;
  std::vector<float> Decode(size_t row) const;

  // Ids ascend; numbers are finite; padding is zero.
  absl::Status Check() const;

 private:
  absl::Status CheckEncodings() const;
  absl::Status CheckPadding(int section, size_t rows, size_t parts) const;

  std::shared_ptr<const SegmentFile> file_;
  size_t rows_ = 0;
  FixedEncodingParameters parameters_;
  const int64_t* ids_ = nullptr;
  const uint64_t* starts_ = nullptr;
  const float* scales_ = nullptr;
  const uint8_t* encoding_codes_ = nullptr;
  const uint8_t* token_codes_ = nullptr;

  mutable std::atomic<bool> starts_checked_{false};
  mutable std::mutex made_;
  mutable std::unique_ptr<const FixedEncoder> encoder_;
  mutable std::unique_ptr<const TokenCoder> coder_;
};

struct MultiView {
  const MultiSegment* segment = nullptr;
  const DeletedRows* deleted = nullptr;  // null: none
  const PassageSet* allowed = nullptr;   // passages that a search may return; null: all
};

// ids ascend; one set of vectors an id, empty ones too. `others`: segments of the same parameters
// and encoder; the quantiser of one that saw enough is used again, so that merging need not code
// anew. kInvalidArgument for vectors that are not finite and of unit length. The same bytes for any
// number of threads.
absl::StatusOr<SegmentInfo> WriteMultiSegment(std::span<const int64_t> ids,
                                              std::span<const text::TokenVectors> vectors,
                                              const FixedEncoder& encoder,
                                              std::span<const MultiView> others,
                                              const std::string& folder, const std::string& name,
                                              const Context& context);

// Live rows of all segments, by ascending passage id. Tokens keep their codes where their segment
// has the quantiser that saw most; others are decoded and coded again. kNotFound when none is left.
absl::StatusOr<SegmentInfo> MergeMultiSegments(std::span<const MultiView> segments,
                                               const std::string& folder, const std::string& name,
                                               const Context& context);

}  // namespace weir::index
