// The "model" of a tokenizer.json: its pieces and the algorithm that turns a word into ids.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "model/tokenizer/byte_level.h"
#include "model/tokenizer/vocabulary.h"
#include "nlohmann/json_fwd.hpp"

namespace weir::model {

class WordModel {
 public:
  virtual ~WordModel() = default;
  // Appends the ids of one word (valid UTF-8).
  virtual void Encode(std::string_view word, ByteLevelWords::Scratch& scratch,
                      std::vector<int32_t>& out) const = 0;
};

struct JsonModel {
  std::unique_ptr<Vocabulary> vocabulary;  // before `words`, which refers to it
  std::unique_ptr<WordModel> words;
  int32_t unknown = -1;
  bool byte_fallback = false;
  std::string continuing_prefix;  // "##" for WordPiece
};

// byte_level: words are encoded as the letters of their bytes.
absl::StatusOr<JsonModel> MakeJsonModel(const nlohmann::json& description, bool byte_level);

}  // namespace weir::model
