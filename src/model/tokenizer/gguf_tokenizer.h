// Tokenizers made from GGUF metadata; ids equal llama.cpp's (differences: docs/tokenizers.md).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "model/tokenizer.h"
#include "model/tokenizer/added_tokens.h"
#include "model/tokenizer/charsmap.h"
#include "model/tokenizer/vocabulary.h"

namespace weir::model {

// What the four algorithms share: vocabulary, special ids, cutting at added tokens.
class GgufTokenizer : public Tokenizer {
 public:
  struct Common {
    std::unique_ptr<Vocabulary> vocabulary;
    int32_t bos = -1, eos = -1, unknown = -1, separator = -1;
    bool add_bos = false, add_eos = false, add_separator = false;
    std::vector<int32_t> end_ids;
  };

  std::vector<int32_t> Encode(std::string_view text, const TokenizeOptions& options) const override;
  int32_t vocabulary_size() const override { return common_.vocabulary->size(); }
  int32_t bos() const override { return common_.bos; }
  int32_t eos() const override { return common_.eos; }
  std::span<const int32_t> end_ids() const override { return common_.end_ids; }

 protected:
  explicit GgufTokenizer(Common common);
  // Appends the ids of a stretch of plain text. `after_special`: it opens the text or follows a
  // token.
  virtual void EncodePlain(std::string_view text, bool after_special,
                           std::vector<int32_t>& out) const = 0;
  // True: EncodePlain wants valid UTF-8 (U+FFFD in place of other bytes).
  virtual bool wants_valid_text() const { return true; }
  const Vocabulary& vocabulary() const { return *common_.vocabulary; }
  const Common& common() const { return common_; }
  // Control and unknown pieces are silent unless `special`.
  bool Silent(int32_t id, bool special) const;

 private:
  Common common_;
  AddedTokens added_;
};

absl::StatusOr<std::unique_ptr<Tokenizer>> MakeGgufBpe(const GgufFile& file,
                                                       GgufTokenizer::Common common);
absl::StatusOr<std::unique_ptr<Tokenizer>> MakeGgufSpm(const GgufFile& file,
                                                       GgufTokenizer::Common common);
absl::StatusOr<std::unique_ptr<Tokenizer>> MakeGgufUnigram(const GgufFile& file,
                                                           GgufTokenizer::Common common);
absl::StatusOr<std::unique_ptr<Tokenizer>> MakeGgufWordPiece(const GgufFile& file,
                                                             GgufTokenizer::Common common);

// What becomes of a text before SentencePiece's unigram cuts it.
struct UnigramRules {
  bool space_prefix = false, merge_spaces = false;
  CharsMap map = {};
  std::function<std::string(std::string_view)> first = nullptr;  // before all that; or none
};
// REQUIRES: a score for each piece, finite; an unknown id.
std::unique_ptr<Tokenizer> MakeUnigram(GgufTokenizer::Common common, UnigramRules rules,
                                       std::vector<double> scores);

// A flag that may be absent; kDataLoss when it is of another type.
absl::StatusOr<bool> BoolOr(const GgufFile& file, std::string_view key, bool otherwise);

}  // namespace weir::model
