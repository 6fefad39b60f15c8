// tokenizer.ggml.model "llama" (SentencePiece BPE) and "t5" (SentencePiece unigram).
#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status.h"
#include "model/gguf.h"
#include "model/tokenizer/charsmap.h"
#include "model/tokenizer/gguf_tokenizer.h"
#include "model/tokenizer/scan.h"
#include "model/tokenizer/spm_bpe.h"
#include "model/tokenizer/unigram.h"
#include "text/unicode.h"

namespace weir::model {
namespace {

constexpr std::string_view kSpace = "\xE2\x96\x81";  // U+2581

absl::StatusOr<std::vector<double>> ReadScores(const GgufFile& file, int32_t size) {
  constexpr std::string_view kKey = "tokenizer.ggml.scores";
  if (!file.Has(kKey)) return std::vector<double>(size, 0.0);
  WEIR_ASSIGN_OR_RETURN(const std::span<const double> numbers, file.Numbers(kKey));
  if (numbers.size() < static_cast<size_t>(size)) {
    return absl::DataLossError(
        absl::StrCat(kKey, ": ", numbers.size(), " entries; expected ", size));
  }
  std::vector<double> scores(numbers.begin(), numbers.begin() + size);
  for (const double score : scores) {
    if (!std::isfinite(score)) {
      return absl::DataLossError(
          absl::StrCat(kKey, ": a score that is no number; expected finite"));
    }
  }
  return scores;
}

class SentencePiece : public GgufTokenizer {
 public:
  SentencePiece(Common common, bool space_prefix)
      : GgufTokenizer(std::move(common)), space_prefix_(space_prefix) {}

  std::string Piece(int32_t id, bool special) const override {
    if (Silent(id, special)) return "";
    const std::string_view text = vocabulary().text(id);
    switch (vocabulary().kind(id)) {
      case PieceKind::kByte: {
        const int byte = ByteOfPiece(text);
        return byte < 0 ? std::string(text) : std::string(1, static_cast<char>(byte));
      }
      case PieceKind::kControl:
      case PieceKind::kUnknown:
      case PieceKind::kUserDefined:
        return std::string(text);
      default:
        return absl::StrReplaceAll(text, {{kSpace, " "}});
    }
  }

  // Without the space that Encode put before the text.
  std::string Decode(std::span<const int32_t> ids) const override {
    std::string text = Tokenizer::Decode(ids);
    if (space_prefix_ && text.starts_with(' ')) text.erase(0, 1);
    return text;
  }

 protected:
  bool space_prefix() const { return space_prefix_; }

 private:
  bool space_prefix_;
};

class GgufSpm : public SentencePiece {
 public:
  GgufSpm(Common common, bool space_prefix, std::vector<float> scores)
      : SentencePiece(std::move(common), space_prefix),
        bpe_(vocabulary(), std::move(scores), this->common().unknown) {}

 protected:
  bool wants_valid_text() const override { return false; }  // byte pieces carry any byte
  void EncodePlain(std::string_view text, bool after_special,
                   std::vector<int32_t>& out) const override {
    const std::string_view prefix = space_prefix() && after_special ? kSpace : "";
    bpe_.Encode(absl::StrCat(prefix, absl::StrReplaceAll(text, {{" ", kSpace}})), out);
  }

 private:
  SpmBpe bpe_;
};

class UnigramTokenizer : public SentencePiece {
 public:
  UnigramTokenizer(Common common, UnigramRules rules, std::vector<double> scores)
      : SentencePiece(std::move(common), rules.space_prefix), rules_(std::move(rules)) {
    std::vector<std::pair<std::string_view, int32_t>> matching, user_defined;
    double lowest = 0;
    bool any = false;
    for (int32_t id = 0; id < vocabulary().size(); ++id) {
      const PieceKind kind = vocabulary().kind(id);
      const std::string_view text = vocabulary().text(id);
      if (kind == PieceKind::kNormal) {
        lowest = any ? std::min(lowest, scores[id]) : scores[id];
        any = true;
      } else if (kind == PieceKind::kUserDefined) {
        scores[id] = 0;
        user_defined.emplace_back(text, id);
      } else if (kind != PieceKind::kUnused) {
        continue;
      }
      matching.emplace_back(text, id);
    }
    user_defined_ = Trie(std::move(user_defined));
    Unigram::Options options;
    options.unknown = this->common().unknown;
    options.unknown_score = lowest - 10;
    unigram_ =
        std::make_unique<Unigram>(vocabulary(), std::move(matching), std::move(scores), options);
  }

 protected:
  void EncodePlain(std::string_view text, bool, std::vector<int32_t>& out) const override {
    unigram_->Encode(
        rules_.first == nullptr ? Normalized(text) : Normalized(rules_.first(text)), out);
  }

 private:
  // Spaces become "▁"; runs count once with merge_spaces, and trailing ones vanish.
  std::string Normalized(std::string_view text) const {
    std::string out;
    bool prefixed = false, in_word = false;
    for (size_t at = 0; at < text.size();) {
      std::string_view source;
      const size_t user = user_defined_.Longest(text.substr(at)).length;
      const CharsMap::Match rule =
          user > 0 ? CharsMap::Match{} : rules_.map.Longest(text.substr(at));
      if (rule.length > 0) {
        source = rule.replacement;
        at += rule.length;
      } else {
        const size_t start = at;
        if (user > 0) {
          at += user;
        } else {
          text::NextCodePoint(text, at);
        }
        source = text.substr(start, at - start);
      }
      for (const char c : source) {
        if (c == ' ') {
          in_word = false;
          if (!rules_.merge_spaces) out.append(kSpace);
          continue;
        }
        if (!in_word && ((rules_.space_prefix && !prefixed) || rules_.merge_spaces)) {
          out.append(kSpace);
          prefixed = true;
        }
        in_word = true;
        out.push_back(c);
      }
    }
    return out;
  }

  UnigramRules rules_;
  Trie user_defined_;
  std::unique_ptr<Unigram> unigram_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> MakeGgufSpm(const GgufFile& file,
                                                       GgufTokenizer::Common common) {
  WEIR_ASSIGN_OR_RETURN(const std::vector<double> scores,
                        ReadScores(file, common.vocabulary->size()));
  WEIR_ASSIGN_OR_RETURN(const bool prefix, BoolOr(file, "tokenizer.ggml.add_space_prefix", true));
  return std::make_unique<GgufSpm>(std::move(common), prefix,
                                   std::vector<float>(scores.begin(), scores.end()));
}

absl::StatusOr<std::unique_ptr<Tokenizer>> MakeGgufUnigram(const GgufFile& file,
                                                           GgufTokenizer::Common common) {
  WEIR_ASSIGN_OR_RETURN(std::vector<double> scores, ReadScores(file, common.vocabulary->size()));
  if (common.unknown < 0) {
    return absl::DataLossError(
        "tokenizer.ggml.unknown_token_id: out of range; expected for model t5");
  }
  UnigramRules rules;
  WEIR_ASSIGN_OR_RETURN(rules.space_prefix, BoolOr(file, "tokenizer.ggml.add_space_prefix", false));
  WEIR_ASSIGN_OR_RETURN(rules.merge_spaces,
                        BoolOr(file, "tokenizer.ggml.remove_extra_whitespaces", false));
  if (file.Has("tokenizer.ggml.precompiled_charsmap")) {
    WEIR_ASSIGN_OR_RETURN(const std::vector<int64_t> numbers,
                          file.Integers("tokenizer.ggml.precompiled_charsmap"));
    std::string bytes;
    for (const int64_t n : numbers) bytes.push_back(static_cast<char>(n));
    WEIR_ASSIGN_OR_RETURN(rules.map, CharsMap::Parse(bytes));
  }
  return MakeUnigram(std::move(common), std::move(rules), std::move(scores));
}

std::unique_ptr<Tokenizer> MakeUnigram(GgufTokenizer::Common common, UnigramRules rules,
                                       std::vector<double> scores) {
  return std::make_unique<UnigramTokenizer>(std::move(common), std::move(rules), std::move(scores));
}

}  // namespace weir::model
