#include "model/tokenizer/gguf_tokenizer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "model/gguf.h"
#include "model/quoted.h"
#include "model/tokenizer/scan.h"

namespace weir::model {
namespace {

// Longer input is cut here; offsets inside are 32 bits wide.
constexpr size_t kMaxTextBytes = size_t{1} << 30;

// Pieces that end a turn or a text in the public model families; files do not say which do.
constexpr std::string_view kEndPieces[] = {
    "<|endoftext|>", "<|im_end|>",    "<|eot_id|>",      "<|eom_id|>",    "<|end|>",
    "<|return|>",    "<end_of_turn>", "<|end_of_text|>", "<EOT>",         "[EOS]",
    "<|fim_pad|>",   "<|repo_name|>", "<|file_sep|>",    "<｜end▁of▁sentence｜>",
    "</s>"};

absl::StatusOr<int32_t> IdOr(const GgufFile& file, std::string_view key, int32_t otherwise,
                             int32_t size) {
  if (file.Has(key)) {
    WEIR_ASSIGN_OR_RETURN(const uint64_t id, file.Unsigned(key));
    // Out of range is what some converters write for "none".
    if (id < static_cast<uint64_t>(size)) return static_cast<int32_t>(id);
  }
  return otherwise < size ? otherwise : -1;
}

absl::Status ReadKinds(const GgufFile& file, Vocabulary& vocabulary) {
  constexpr std::string_view kKey = "tokenizer.ggml.token_type";
  if (!file.Has(kKey)) return absl::OkStatus();
  WEIR_ASSIGN_OR_RETURN(const std::vector<int64_t> kinds, file.Integers(kKey));
  if (kinds.size() < static_cast<size_t>(vocabulary.size())) {
    return absl::DataLossError(
        absl::StrCat(kKey, ": ", kinds.size(), " entries; expected ", vocabulary.size()));
  }
  for (int32_t id = 0; id < vocabulary.size(); ++id) {
    const bool known = kinds[id] >= 1 && kinds[id] <= 6;
    vocabulary.set_kind(id, known ? static_cast<PieceKind>(kinds[id]) : PieceKind::kUndefined);
  }
  return absl::OkStatus();
}

absl::Status ReadEnds(const GgufFile& file, GgufTokenizer::Common& common) {
  std::vector<int32_t>& ends = common.end_ids;
  const int32_t size = common.vocabulary->size();
  if (common.eos >= 0) ends.push_back(common.eos);
  for (const std::string_view key :
       {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
    WEIR_ASSIGN_OR_RETURN(const int32_t id, IdOr(file, key, -1, size));
    if (id >= 0) ends.push_back(id);
  }
  for (const std::string_view text : kEndPieces) {
    const int32_t id = common.vocabulary->Find(text);
    if (id < 0) continue;
    ends.push_back(id);
    common.vocabulary->set_kind(id, PieceKind::kControl);  // some converters forget to say so
  }
  std::sort(ends.begin(), ends.end());
  ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<bool> BoolOr(const GgufFile& file, std::string_view key, bool otherwise) {
  if (!file.Has(key)) return otherwise;
  return file.Bool(key);
}

GgufTokenizer::GgufTokenizer(Common common) : common_(std::move(common)) {
  std::vector<AddedToken> added;
  for (int32_t id = 0; id < vocabulary_size(); ++id) {
    const PieceKind kind = vocabulary().kind(id);
    const bool special = kind == PieceKind::kControl || kind == PieceKind::kUnknown;
    if (!special && kind != PieceKind::kUserDefined) continue;
    AddedToken token;
    token.id = id;
    token.text = vocabulary().text(id);
    token.special = special;
    added.push_back(token);
  }
  added_ = AddedTokens(std::move(added));
}

bool GgufTokenizer::Silent(int32_t id, bool special) const {
  if (!vocabulary().contains(id)) return true;
  const PieceKind kind = vocabulary().kind(id);
  return !special && (kind == PieceKind::kControl || kind == PieceKind::kUnknown);
}

std::vector<int32_t> GgufTokenizer::Encode(std::string_view text,
                                           const TokenizeOptions& options) const {
  std::string storage;
  text = text.substr(0, kMaxTextBytes);
  if (wants_valid_text()) text = ValidText(text, storage);
  std::vector<int32_t> ids;
  ids.reserve(text.size() / 3 + 2);
  if (options.add_special && common_.add_bos && common_.bos >= 0) ids.push_back(common_.bos);
  std::vector<Fragment> fragments;
  added_.Cut(text, options.parse_special, fragments);
  bool after_special = true;
  for (const Fragment& fragment : fragments) {
    if (fragment.id >= 0) {
      ids.push_back(fragment.id);
    } else {
      EncodePlain(fragment.text, after_special, ids);
    }
    after_special = fragment.id >= 0;
  }
  if (options.add_special && common_.add_separator && common_.separator >= 0) {
    ids.push_back(common_.separator);
  }
  if (options.add_special && common_.add_eos && common_.eos >= 0) ids.push_back(common_.eos);
  return ids;
}

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::FromGguf(const GgufFile& file) {
  if (!file.Has("tokenizer.ggml.model") || !file.Has("tokenizer.ggml.tokens")) {
    return absl::DataLossError(
        "GGUF file: no tokenizer; expected tokenizer.ggml.model and .tokens");
  }
  WEIR_ASSIGN_OR_RETURN(const std::string_view model, file.String("tokenizer.ggml.model"));
  WEIR_ASSIGN_OR_RETURN(const auto texts, file.Strings("tokenizer.ggml.tokens"));
  constexpr size_t kMaxPieces = size_t{1} << 24;
  if (texts.empty() || texts.size() > kMaxPieces) {
    return absl::DataLossError(absl::StrCat("tokenizer.ggml.tokens: ", texts.size(),
                                            " entries; expected 1 to ", kMaxPieces));
  }
  // Ids where the file is silent, as llama.cpp assumes them.
  const bool spm = model == "llama", bert = model == "bert", t5 = model == "t5";
  GgufTokenizer::Common common;
  common.vocabulary = std::make_unique<Vocabulary>(texts);
  WEIR_RETURN_IF_ERROR(ReadKinds(file, *common.vocabulary));
  const int32_t size = common.vocabulary->size();
  const std::string_view bos_key =
      bert && file.Has("tokenizer.ggml.cls_token_id") ? "tokenizer.ggml.cls_token_id"
                                                      : "tokenizer.ggml.bos_token_id";
  WEIR_ASSIGN_OR_RETURN(common.bos, IdOr(file, bos_key, spm ? 1 : bert ? 101 : -1, size));
  WEIR_ASSIGN_OR_RETURN(common.eos, IdOr(file, "tokenizer.ggml.eos_token_id",
                                         spm ? 2 : t5 ? 1 : -1, size));
  WEIR_ASSIGN_OR_RETURN(common.unknown, IdOr(file, "tokenizer.ggml.unknown_token_id",
                                             spm ? 0 : bert ? 100 : t5 ? 2 : -1, size));
  WEIR_ASSIGN_OR_RETURN(common.separator, IdOr(file, "tokenizer.ggml.seperator_token_id",
                                               bert ? 102 : -1, size));
  common.add_separator = bert;
  WEIR_ASSIGN_OR_RETURN(common.add_bos,
                        BoolOr(file, "tokenizer.ggml.add_bos_token", spm || bert));
  WEIR_ASSIGN_OR_RETURN(common.add_eos, BoolOr(file, "tokenizer.ggml.add_eos_token", t5));
  WEIR_RETURN_IF_ERROR(ReadEnds(file, common));
  if (spm) return MakeGgufSpm(file, std::move(common));
  if (t5) return MakeGgufUnigram(file, std::move(common));
  if (bert) return MakeGgufWordPiece(file, std::move(common));
  if (model == "gpt2") return MakeGgufBpe(file, std::move(common));
  return absl::UnimplementedError(absl::StrCat("tokenizer.ggml.model: ", Quoted(model),
                                               "; expected gpt2, llama, t5 or bert"));
}

}  // namespace weir::model
