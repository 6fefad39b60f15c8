#include "cli/encoding_variants.h"

#include <utility>

#include "base/status.h"
#include "tensor/vector.h"

namespace weir::cli {
namespace {

struct Kind {
  const char* name;
  uint32_t bits, dim;
  bool unit, fill, int8;
};
constexpr Kind kKinds[] = {{"20-5-16", 5, 16, true, false, false},
                           {"20-5-16-int8", 5, 16, true, false, true},
                           {"20-5-16-filled", 5, 16, true, true, false},
                           {"20-5-16-paper", 5, 16, false, true, false},
                           {"20-5-16-paper-unfilled", 5, 16, false, false, false},
                           {"20-4-8", 4, 8, true, false, false},
                           {"20-4-8-paper", 4, 8, false, true, false}};

// What int8 numbers of one scale leave of them.
void ThroughInt8(std::vector<float>& x) {
  std::vector<int8_t> codes(x.size());
  const float scale = tensor::QuantizeInt8(x.data(), codes.data(), x.size());
  for (size_t i = 0; i < x.size(); ++i) x[i] = scale * static_cast<float>(codes[i]);
}

}  // namespace

absl::StatusOr<EncodingVariants> EncodingVariants::Make(uint32_t dimensions,
                                                        std::span<const text::TokenVectors> queries,
                                                        size_t depth) {
  EncodingVariants made;
  for (const Kind& kind : kKinds) {
    WEIR_ASSIGN_OR_RETURN(auto encoder, index::FixedEncoder::Make({.dimensions = dimensions,
                                                                   .reps = 20,
                                                                   .bits = kind.bits,
                                                                   .dim = kind.dim,
                                                                   .fill_empty = kind.fill,
                                                                   .unit_means = kind.unit,
                                                                   .whole = kind.unit}));
    Variant variant{.name = kind.name, .int8 = kind.int8, .encoder = std::move(encoder)};
    for (const text::TokenVectors& query : queries) {
      variant.queries.emplace_back(variant.encoder->length());
      WEIR_RETURN_IF_ERROR(variant.encoder->EncodeQuery(query, variant.queries.back()));
    }
    variant.best.assign(queries.size(), BestList(depth));
    made.variants_.push_back(std::move(variant));
  }
  return made;
}

absl::Status EncodingVariants::Add(int64_t passage, std::span<const float> tokens) {
  for (Variant& variant : variants_) {
    std::vector<float> encoding(variant.encoder->length());
    WEIR_RETURN_IF_ERROR(variant.encoder->EncodePassage(tokens, encoding));
    if (variant.int8) ThroughInt8(encoding);
    for (size_t q = 0; q < variant.queries.size(); ++q) {
      variant.best[q].Add(
          {passage, tensor::Dot(variant.queries[q].data(), encoding.data(), encoding.size())});
    }
  }
  return absl::OkStatus();
}

std::vector<EncodingVariants::Result> EncodingVariants::Take() {
  std::vector<Result> out;
  for (Variant& variant : variants_) {
    out.push_back({variant.name, {}});
    for (BestList& best : variant.best) out.back().best.push_back(best.Take());
  }
  return out;
}

}  // namespace weir::cli
