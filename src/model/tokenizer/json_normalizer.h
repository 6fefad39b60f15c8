// The "normalizer" of a tokenizer.json, compiled to a chain of text functions.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json_fwd.hpp"

namespace weir::model {

using TextStep = std::function<std::string(std::string_view)>;  // valid UTF-8 in and out

struct Normalizer {
  std::vector<TextStep> steps;
  bool byte_level = false;    // a ByteLevel step: bytes have become letters
  bool space_prefix = false;  // a Prepend of "▁", which decoding takes off again
  bool strips_left = false;   // a Strip of white space at the start

  std::string Apply(std::string_view text) const {
    std::string out(text);
    for (const TextStep& step : steps) out = step(out);
    return out;
  }
};

// `description` may be null (no steps). kUnimplemented for kinds and expressions we do not know.
absl::StatusOr<Normalizer> MakeNormalizer(const nlohmann::json* description);

}  // namespace weir::model
