// What the scan of a vector segment reads beside the rows: clusters of rows, axes along which the
// rows differ from their cluster's centre, and codebooks of sixteen codewords for every six axes.
// Cards of the methods: train.h. Layout: docs/formats/vector-segment.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tensor/int8_matrix.h"

namespace weir::index {

// Vectors of more dimensions are not turned: their axes are their own dimensions in another order.
inline constexpr size_t kMostTurnedDimensions = 1024;

// Borrows the bytes of a file's section.
struct QuantiserView {
  size_t dimensions = 0;
  size_t clusters = 0;
  size_t parts = 0;                        // of a vector, each kPartWidth axes
  const uint32_t* begins = nullptr;        // [clusters + 1] first position of each
  const float* spreads = nullptr;          // [clusters] root mean square distance to the centre,
                                           // over that of all rows
  const float* centre_scales = nullptr;    // [clusters]
  const float* axis_scales = nullptr;      // [axes], turned only
  const float* variances = nullptr;        // [axes] of the rows around their centres
  const float* errors = nullptr;           // [axes] mean squared error of the codes
  const float* codebooks = nullptr;        // [parts][kPartWidth][kCodewords]
  const uint32_t* order = nullptr;         // [axes] dimension or none; not turned only
  const int8_t* centres = nullptr;         // [clusters][dimensions]
  const int8_t* axes_codes = nullptr;      // [axes][dimensions], turned only

  size_t axes() const;
  bool turned() const { return dimensions <= kMostTurnedDimensions; }
  // Of the six scan codes' bytes that 64 rows take.
  size_t block_bytes() const { return parts / 2 * 64; }

  static size_t PartsOf(size_t dimensions);
  static size_t Bytes(size_t dimensions, size_t clusters);
  // `bytes` has that size.
  static QuantiserView Over(const uint8_t* bytes, size_t dimensions, size_t clusters);
  // The query's or a row's coordinates on the axes; codes and scale are its int8 form.
  void Turn(const float* x, const int8_t* codes, float scale, float* out) const;
};

// Codes rows as training and checking do: the same bits on every machine. Holds some megabytes.
class RowCoder {
 public:
  explicit RowCoder(const QuantiserView& view);

  // Working memory of a thread.
  struct Scratch {
    std::vector<float> rows, turned;
    std::vector<uint8_t> codes;
    tensor::Int8Matrix::Workspace workspace;
  };
  // out: [n][axes], the rows' distances from their clusters' centres along the axes.
  void Offsets(std::span<const float* const> rows, std::span<const uint32_t> clusters, float* out,
               Scratch& scratch) const;
  // The scan codes of up to 64 rows; out: block_bytes().
  void Encode(std::span<const float* const> rows, std::span<const uint32_t> clusters, uint8_t* out,
              Scratch& scratch) const;

 private:
  void Turn(std::span<const float> x, size_t n, float* out, Scratch& scratch) const;

  QuantiserView view_;
  size_t padded_;                  // dimensions, to a multiple of 16
  tensor::Int8Matrix axes_;
  std::vector<float> centres_;     // [clusters][axes]
  std::vector<float> half_norms_;  // [parts][kCodewords]
};

}  // namespace weir::index
