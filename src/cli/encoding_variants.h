// Fixed dimensional encodings of other parameters than the store's, made of f32 token vectors: what
// a bench says of them without an index for each.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/best_list.h"
#include "index/multi/fixed_encoding.h"
#include "text/ports.h"

namespace weir::cli {

class EncodingVariants {
 public:
  // The paper's (repetitions, hyperplanes, numbers of a part) 20, 5, 16 and 20, 4, 8, with the
  // means of either kind, in f32; of the first also in int8 and with empty parts treated the other
  // way. Lists hold `depth`.
  static absl::StatusOr<EncodingVariants> Make(uint32_t dimensions,
                                               std::span<const text::TokenVectors> queries,
                                               size_t depth);
  absl::Status Add(int64_t passage, std::span<const float> tokens);

  struct Result {
    std::string name;
    std::vector<std::vector<index::Scored>> best;  // of each query, by the encodings alone
  };
  std::vector<Result> Take();

 private:
  struct Variant {
    std::string name;
    bool int8 = false;
    std::unique_ptr<const index::FixedEncoder> encoder;
    std::vector<std::vector<float>> queries;
    std::vector<BestList> best;
  };
  std::vector<Variant> variants_;
};

}  // namespace weir::cli
