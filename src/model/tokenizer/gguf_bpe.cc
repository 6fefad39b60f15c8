// tokenizer.ggml.model "gpt2": byte-level BPE.
#include <utility>

#include "base/status.h"
#include "model/gguf.h"
#include "model/tokenizer/byte_level.h"
#include "model/tokenizer/gguf_tokenizer.h"

namespace weir::model {
namespace {

class GgufBpe : public GgufTokenizer {
 public:
  GgufBpe(Common common, std::vector<SplitRule> rules, bool ignore_merges,
          std::span<const std::pair<std::string_view, std::string_view>> merges)
      : GgufTokenizer(std::move(common)),
        rules_(std::move(rules)),
        words_(vocabulary(), merges, ignore_merges) {}

  std::string Piece(int32_t id, bool special) const override {
    if (Silent(id, special)) return "";
    const std::string_view text = vocabulary().text(id);
    switch (vocabulary().kind(id)) {
      case PieceKind::kControl:
      case PieceKind::kUnknown:
      case PieceKind::kUserDefined:
        return std::string(text);
      default:
        return BytesOfLetters(text);
    }
  }

 protected:
  void EncodePlain(std::string_view text, bool, std::vector<int32_t>& out) const override {
    const Scan scan(text, UnicodeVersion::kV15_1);
    ByteLevelWords::Scratch scratch;
    for (const Range piece : SplitAll(rules_, scan, {0, scan.size()})) {
      words_.Encode(scan.Text(piece), scratch, out);
    }
  }

 private:
  std::vector<SplitRule> rules_;
  ByteLevelWords words_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> MakeGgufBpe(const GgufFile& file,
                                                       GgufTokenizer::Common common) {
  std::string_view pre;
  if (file.Has("tokenizer.ggml.pre")) {
    WEIR_ASSIGN_OR_RETURN(pre, file.String("tokenizer.ggml.pre"));
  }
  WEIR_ASSIGN_OR_RETURN(BpeDialect dialect, DialectOfGguf(pre));
  if (dialect.add_bos && !file.Has("tokenizer.ggml.add_bos_token")) common.add_bos = true;
  if (!file.Has("tokenizer.ggml.merges")) {
    return absl::DataLossError("tokenizer.ggml.merges: absent; expected for model gpt2");
  }
  WEIR_ASSIGN_OR_RETURN(const auto lines, file.Strings("tokenizer.ggml.merges"));
  std::vector<std::pair<std::string_view, std::string_view>> merges;
  merges.reserve(lines.size());
  for (const std::string_view line : lines) merges.push_back(SplitMerge(line));
  return std::make_unique<GgufBpe>(std::move(common), std::move(dialect.rules),
                                   dialect.ignore_merges, merges);
}

}  // namespace weir::model
