// The "pre_tokenizer" of a tokenizer.json, compiled to a chain of steps over the words of a text.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "model/tokenizer/scan.h"
#include "nlohmann/json_fwd.hpp"

namespace weir::model {

// A text (valid UTF-8) and the byte ranges of it that are words, in order. What no range covers is
// gone.
struct Words {
  std::string text;
  std::vector<Range> ranges;
  bool opens_text = true;  // the first word begins where the caller's text begins
};

using WordStep = std::function<void(Words&)>;

struct PreTokenizer {
  std::vector<WordStep> steps;
  bool byte_level = false;    // words are to be encoded as bytes
  bool space_prefix = false;  // a space is put before the text, which decoding takes off again
};

absl::StatusOr<PreTokenizer> MakePreTokenizer(const nlohmann::json* description);

}  // namespace weir::model
