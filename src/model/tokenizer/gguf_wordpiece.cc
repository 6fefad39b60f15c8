// tokenizer.ggml.model "bert": WordPiece. Pieces that begin a word carry "▁" (converters turn
// "##ing" into "ing" and "the" into "▁the").
#include <utility>

#include "base/status.h"
#include "model/gguf.h"
#include "model/tokenizer/bert_words.h"
#include "model/tokenizer/gguf_tokenizer.h"
#include "model/tokenizer/wordpiece.h"

namespace weir::model {
namespace {

constexpr std::string_view kSpace = "\xE2\x96\x81";  // U+2581

class GgufWordPiece : public GgufTokenizer {
 public:
  GgufWordPiece(Common common, const BertOptions& options)
      : GgufTokenizer(std::move(common)),
        options_(options),
        pieces_(vocabulary(), {this->common().unknown, std::string(kSpace), "", 0}) {}

  std::string Piece(int32_t id, bool special) const override {
    if (Silent(id, special)) return "";
    const std::string_view text = vocabulary().text(id);
    if (!text.starts_with(kSpace)) return std::string(text);
    return " " + std::string(text.substr(kSpace.size()));
  }

  std::string Decode(std::span<const int32_t> ids) const override {
    std::string text = Tokenizer::Decode(ids);
    if (text.starts_with(' ')) text.erase(0, 1);
    return text;
  }

 protected:
  void EncodePlain(std::string_view text, bool, std::vector<int32_t>& out) const override {
    for (const std::string& word : GgufBertWords(text, options_)) pieces_.Encode(word, out);
  }

 private:
  BertOptions options_;
  WordPiece pieces_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> MakeGgufWordPiece(const GgufFile& file,
                                                             GgufTokenizer::Common common) {
  BertOptions options;
  WEIR_ASSIGN_OR_RETURN(options.lower_case,
                        BoolOr(file, "tokenizer.ggml.normalizer.lowercase", true));
  WEIR_ASSIGN_OR_RETURN(
      options.strip_accents,
      BoolOr(file, "tokenizer.ggml.normalizer.strip_accents", options.lower_case));
  return std::make_unique<GgufWordPiece>(std::move(common), options);
}

}  // namespace weir::model
