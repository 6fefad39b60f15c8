// Technique: fixed-encoding
// Source: Dhulipala, Hadian, Jayaram, Lee and Mirrokni, MUVERA: Multi-Vector Retrieval via Fixed
//   Dimensional Encodings, NeurIPS 2024, arXiv 2405.19504; the sparse sketch: Charikar, Chen and
//   Farach-Colton, Finding frequent items in data streams, ICALP 2002
// Idea: maps a set of vectors to one, so that the inner product of a query's and a passage's
//   approximates MaxSim, the sum over query vectors of the best match in the passage. Space is cut
//   by random hyperplanes; in each part the query's vectors are added and the passage's averaged.
// Formulas: bits b_i = [x . G_i > 0]; part g = 2 g + (b_i xor (g & 1)) over the bits, so that
//   neighbours in Gray code differ in one bit; query block = sum, passage block = mean of psi(x)
//   over x in the part; psi(x)[s(i)] += sign(i) x[i]; MaxSim(Q, P) ~ Q' . P' / reps
// Cost: n reps bits dimensions multiplications for n vectors, and as many additions as reps n
//   dimensions; reps 2^bits dim numbers.
// Differs: means of unit length, a block of the whole set and no vectors in a passage's empty
//   parts, unless --fde-means paper: with vectors of encoders that were trained by their mean, each
//   of these finds more (docs/performance.md). Numbers are
//   drawn by a generator of our own (gaussian.h). psi is applied to a part's sum instead of each
//   vector, which is the same and cheaper. An empty set is refused where it would be filled from.
// Checked by: FixedEncodingTest.*   Measured by: weir bench search --multi
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace weir::index {

// What stands in a segment's header. Encodings of different parameters cannot be compared.
struct FixedEncodingParameters {
  uint32_t dimensions = 0;  // of a token's vector
  uint32_t reps = 20;
  uint32_t bits = 3;    // 2^bits parts of space
  uint32_t dim = 8;     // of a block; 0: that of the vectors, without a sketch
  uint32_t final_dim = 0;  // of the whole, by another sketch; 0: none
  uint64_t seed = 0;
  bool fill_empty = true;  // a passage's empty part gets the vector nearest to it
  // What the paper has not: a part's mean is brought to unit length, since the mean of many vectors
  // is short and their best match is not; and behind the parts stands the whole set, summed or
  // averaged and of unit length, which is known without the sketch's noise.
  bool unit_means = false, whole = false;

  bool operator==(const FixedEncodingParameters&) const = default;
  size_t block() const { return dim == 0 ? dimensions : dim; }
  size_t parts() const { return size_t{1} << bits; }
  size_t raw_length() const { return reps * parts() * block() + (whole ? dimensions : 0); }
  size_t length() const { return final_dim == 0 ? raw_length() : final_dim; }
  std::string ToString() const;  // "dimensions=384 reps=20 ..."
};

inline constexpr uint32_t kMostEncodingBits = 12, kMostEncodingReps = 256;
inline constexpr size_t kLongestEncoding = 65536;      // as it is stored
inline constexpr size_t kLongestRawEncoding = 1 << 22;  // before the final sketch

// kInvalidArgument, with what was expected.
absl::Status CheckParameters(const FixedEncodingParameters& parameters);

// What a user may say; -1: as the store has it, or the default of FixedEncodingParameters.
struct FixedEncodingOptions {
  int64_t reps = -1, bits = -1, dim = -1, final_dim = -1, seed = -1;
  std::string means;
  template <class V>
  void Visit(V& v) {
    v(reps, {.name = "fde-reps",
             .help = "Repetitions of the encoding that stands for a passage's token vectors; -1: "
                     "as the store has it, or 20.",
             .min = -1,
             .max = kMostEncodingReps});
    v(bits, {.name = "fde-bits",
             .help = "Hyperplanes that cut space in each repetition; -1: as the store has it, or "
                     "3.",
             .min = -1,
             .max = kMostEncodingBits});
    v(dim, {.name = "fde-dim",
            .help = "Numbers of each part of space; 0: those of a vector; -1: as the store has it, "
                    "or 8.",
            .min = -1,
            .max = 65536});
    v(final_dim, {.name = "fde-final",
                  .help = "Numbers of the whole encoding, by a last projection; 0: all; -1: as the "
                          "store has it, or 0.",
                  .min = -1,
                  .max = 65536});
    v(seed, {.name = "fde-seed",
             .help = "Seed of the encoding's random numbers; -1: as the store has it, or 0.",
             .min = -1});
    v(means, {.name = "fde-means",
              .help = "What the encoding holds of the vectors in a part of space: unit (their mean "
                      "at unit length, and that of all vectors besides) or paper (their mean "
                      "alone, the nearest vector where there is none); empty: as the store has "
                      "it, or unit.",
              .choices = {"", "unit", "paper"}});
  }
};

// The options over `stored`, which is null for a store without encodings. kFailedPrecondition when
// they differ; kInvalidArgument for parameters that are out of bounds.
absl::StatusOr<FixedEncodingParameters> ResolveParameters(const FixedEncodingOptions& options,
                                                          uint32_t dimensions,
                                                          const FixedEncodingParameters* stored);

// Draws the random numbers once. Thread-safe.
class FixedEncoder {
 public:
  static absl::StatusOr<std::unique_ptr<const FixedEncoder>> Make(
      const FixedEncodingParameters& parameters);
  ~FixedEncoder();

  const FixedEncodingParameters& parameters() const { return parameters_; }
  size_t length() const { return parameters_.length(); }
  // tokens: [n, dimensions]; out: length(). A query's empty parts stay zero: they are never filled.
  absl::Status EncodeQuery(std::span<const float> tokens, std::span<float> out) const;
  // kInvalidArgument for no vectors: there is nothing to fill from.
  absl::Status EncodePassage(std::span<const float> tokens, std::span<float> out) const;
  // The part of space of each vector in each repetition: [n, reps].
  std::vector<uint32_t> Parts(std::span<const float> tokens) const;

 private:
  struct Sketch {
    std::vector<uint32_t> slots;
    std::vector<float> signs;
  };
  struct Planes;
  explicit FixedEncoder(const FixedEncodingParameters& parameters);
  absl::Status Encode(std::span<const float> tokens, bool query, std::span<float> out) const;
  void Apply(const Sketch& sketch, const float* x, float* out) const;
  void FillEmpty(size_t rep, std::span<const float> tokens, std::span<const uint32_t> parts,
                 std::span<const uint32_t> counts, float* blocks) const;

  FixedEncodingParameters parameters_;
  std::unique_ptr<const Planes> planes_;
  std::vector<Sketch> sketches_;  // one a repetition; none for the identity
  Sketch final_;
};

// Gray code: the place of a pattern of bits among the parts, first bit first, and back.
uint32_t GrayPart(uint32_t pattern, uint32_t bits);
inline uint32_t GrayPattern(uint32_t part) { return part ^ (part >> 1); }

}  // namespace weir::index
