// Tokenizers made from a tokenizer.json (Hugging Face). Padding and truncation are left to the
// caller.
#include <algorithm>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "base/status.h"
#include "model/tokenizer.h"
#include "model/tokenizer/added_tokens.h"
#include "model/tokenizer/json_fields.h"
#include "model/tokenizer/json_model.h"
#include "model/tokenizer/json_normalizer.h"
#include "model/tokenizer/json_words.h"
#include "model/tokenizer/scan.h"
#include "text/unicode.h"

namespace weir::model {
namespace {

constexpr size_t kMaxJsonBytes = size_t{256} << 20;
constexpr size_t kMaxTextBytes = size_t{1} << 30;
constexpr size_t kMaxAdded = size_t{1} << 20;
constexpr int kMaxDepth = 32;
constexpr std::string_view kSpace = "\xE2\x96\x81";  // U+2581

// Nesting is bounded before the parser sees the text.
bool TooDeep(std::string_view json) {
  int depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxDepth) return true;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return false;
}

bool StartsWithSpace(std::string_view text) {
  size_t at = 0;
  return !text.empty() && IsWhiteSpace(text::NextCodePoint(text, at));
}

struct Added {
  std::string text;
  bool special = false;
};

struct Parts {
  JsonModel model;
  Normalizer normalizer;
  PreTokenizer words;
  absl::flat_hash_map<int32_t, Added> added;  // node pointers are not kept; texts live in `texts`
  std::vector<std::unique_ptr<std::string>> texts;
  AddedTokens raw, normalized;  // matched before and after normalising
  std::vector<int32_t> before, after;  // TemplateProcessing
  int32_t size = 0;
};

class JsonTokenizer : public Tokenizer {
 public:
  explicit JsonTokenizer(Parts parts) : parts_(std::move(parts)) {
    for (const auto& [id, added] : parts_.added) {
      for (const std::string_view end : {"<|endoftext|>", "<|im_end|>", "<|eot_id|>", "<|end|>",
                                         "<end_of_turn>", "</s>", "<eos>"}) {
        if (added.text == end) ends_.push_back(id);
      }
    }
    std::sort(ends_.begin(), ends_.end());
  }

  std::vector<int32_t> Encode(std::string_view text,
                              const TokenizeOptions& options) const override {
    std::string storage;
    text = ValidText(text.substr(0, kMaxTextBytes), storage);
    std::vector<int32_t> ids;
    ids.reserve(text.size() / 3 + 2);
    if (options.add_special) ids = parts_.before;
    std::vector<Fragment> fragments;
    parts_.raw.Cut(text, options.parse_special, fragments);
    ByteLevelWords::Scratch scratch;
    for (const Fragment& fragment : fragments) {
      if (fragment.id >= 0) {
        ids.push_back(fragment.id);
      } else {
        EncodeStretch(fragment.text, fragment.text.data() == text.data(), options.parse_special,
                      scratch, ids);
      }
    }
    if (options.add_special) ids.insert(ids.end(), parts_.after.begin(), parts_.after.end());
    return ids;
  }

  std::string Piece(int32_t id, bool special) const override {
    if (auto it = parts_.added.find(id); it != parts_.added.end()) {
      return it->second.special && !special ? "" : it->second.text;
    }
    const Vocabulary& vocabulary = *parts_.model.vocabulary;
    if (!vocabulary.contains(id)) return "";
    const std::string_view text = vocabulary.text(id);
    if (parts_.words.byte_level || parts_.normalizer.byte_level) return BytesOfLetters(text);
    if (parts_.model.byte_fallback) {
      if (const int byte = ByteOfPiece(text); byte >= 0)
        return std::string(1, static_cast<char>(byte));
    }
    const std::string& prefix = parts_.model.continuing_prefix;
    if (!prefix.empty()) {
      if (text.starts_with(prefix)) return std::string(text.substr(prefix.size()));
      return absl::StrCat(" ", text);
    }
    std::string out;
    for (size_t at = 0; at < text.size();) {
      if (text.substr(at).starts_with(kSpace)) {
        out.push_back(' ');
        at += kSpace.size();
      } else {
        out.push_back(text[at++]);
      }
    }
    return out;
  }

  std::string Decode(std::span<const int32_t> ids) const override {
    std::string text = Tokenizer::Decode(ids);
    const bool prefix = parts_.normalizer.space_prefix || parts_.words.space_prefix ||
                        !parts_.model.continuing_prefix.empty();
    if (prefix && text.starts_with(' ')) text.erase(0, 1);
    return text;
  }

  int32_t vocabulary_size() const override { return parts_.size; }
  int32_t bos() const override { return parts_.before.empty() ? -1 : parts_.before.front(); }
  int32_t eos() const override {
    return !parts_.after.empty() ? parts_.after.back() : ends_.empty() ? -1 : ends_.front();
  }
  std::span<const int32_t> end_ids() const override { return ends_; }

 private:
  void EncodeStretch(std::string_view text, bool opens_text, bool parse_special,
                     ByteLevelWords::Scratch& scratch, std::vector<int32_t>& ids) const {
    const std::string normal = parts_.normalizer.Apply(text);
    std::vector<Fragment> fragments;
    parts_.normalized.Cut(normal, parse_special, fragments);
    for (const Fragment& fragment : fragments) {
      if (fragment.id >= 0) {
        ids.push_back(fragment.id);
        continue;
      }
      Words words;
      words.text = std::string(fragment.text);
      words.ranges.push_back({0, static_cast<uint32_t>(words.text.size())});
      words.opens_text = opens_text && fragment.text.data() == normal.data() &&
                         !(parts_.normalizer.strips_left && StartsWithSpace(text));
      for (const WordStep& step : parts_.words.steps) step(words);
      for (const Range& word : words.ranges) {
        if (word.begin == word.end) continue;
        const std::string_view piece(words.text.data() + word.begin, word.end - word.begin);
        parts_.model.words->Encode(piece, scratch, ids);
      }
    }
  }

  Parts parts_;
  std::vector<int32_t> ends_;
};

absl::Status ReadAdded(const Json& root, Parts& parts) {
  const int32_t model_size = parts.model.vocabulary->size();
  parts.size = model_size;
  const Json* list = Field(root, "added_tokens");
  if (list == nullptr) return absl::OkStatus();
  if (!list->is_array() || list->size() > kMaxAdded) return WrongField("added_tokens", "a list");
  const int64_t most = model_size + 4 * static_cast<int64_t>(list->size()) + 4096;
  std::vector<AddedToken> raw, normalized;
  for (const Json& entry : *list) {
    WEIR_ASSIGN_OR_RETURN(const std::string content, TextField(entry, "content", ""));
    WEIR_ASSIGN_OR_RETURN(const int64_t id, CountField(entry, "id", -1, most));
    if (content.empty() || id < 0) return WrongField("added_tokens", "content and id in each");
    AddedToken token;
    token.id = static_cast<int32_t>(id);
    WEIR_ASSIGN_OR_RETURN(token.special, FlagField(entry, "special", false));
    WEIR_ASSIGN_OR_RETURN(token.lstrip, FlagField(entry, "lstrip", false));
    WEIR_ASSIGN_OR_RETURN(token.rstrip, FlagField(entry, "rstrip", false));
    WEIR_ASSIGN_OR_RETURN(token.single_word, FlagField(entry, "single_word", false));
    WEIR_ASSIGN_OR_RETURN(const bool normal, FlagField(entry, "normalized", !token.special));
    parts.texts.push_back(
        std::make_unique<std::string>(normal ? parts.normalizer.Apply(content) : content));
    token.text = *parts.texts.back();
    (normal ? normalized : raw).push_back(token);
    parts.added[token.id] = {content, token.special};
    parts.size = std::max(parts.size, token.id + 1);
  }
  parts.raw = AddedTokens(std::move(raw));
  parts.normalized = AddedTokens(std::move(normalized));
  return absl::OkStatus();
}

// Ids of one special token: of the template's own table, or of its text.
absl::Status AppendSpecial(const Json& processor, const std::string& name, const Parts& parts,
                           std::vector<int32_t>& out) {
  const Json* table = Field(processor, "special_tokens");
  const Json* entry = table == nullptr ? nullptr : Field(*table, name.c_str());
  const Json* ids = entry == nullptr ? nullptr : Field(*entry, "ids");
  if (ids == nullptr || !ids->is_array()) return WrongField("special_tokens", "ids of each token");
  for (const Json& id : *ids) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= static_cast<uint64_t>(parts.size)) {
      return WrongField("special_tokens", absl::StrCat("ids below ", parts.size));
    }
    out.push_back(id.get<int32_t>());
  }
  return absl::OkStatus();
}

absl::Status ReadTemplate(const Json& processor, Parts& parts) {
  const Json* single = Field(processor, "single");
  if (single == nullptr || !single->is_array()) return WrongField("single", "a list");
  bool seen = false;
  for (const Json& part : *single) {
    if (Field(part, "Sequence") != nullptr) {
      seen = true;
      continue;
    }
    const Json* special = Field(part, "SpecialToken");
    if (special == nullptr) return WrongField("single", "Sequence or SpecialToken");
    WEIR_ASSIGN_OR_RETURN(const std::string name, TextField(*special, "id", ""));
    WEIR_RETURN_IF_ERROR(AppendSpecial(processor, name, parts, seen ? parts.after : parts.before));
  }
  return absl::OkStatus();
}

absl::Status ReadPair(const Json& processor, const char* key, const Parts& parts,
                      std::vector<int32_t>& out) {
  const Json* pair = Field(processor, key);
  if (pair == nullptr || !pair->is_array() || pair->size() != 2 ||
      !(*pair)[1].is_number_unsigned() ||
      (*pair)[1].get<uint64_t>() >= static_cast<uint64_t>(parts.size)) {
    return WrongField(key, "[text, id]");
  }
  out.push_back((*pair)[1].get<int32_t>());
  return absl::OkStatus();
}

absl::Status ReadProcessor(const Json& processor, Parts& parts, int depth) {
  WEIR_ASSIGN_OR_RETURN(const std::string type, TextField(processor, "type", ""));
  if (type == "TemplateProcessing") return ReadTemplate(processor, parts);
  if (type == "BertProcessing" || type == "RobertaProcessing") {
    WEIR_RETURN_IF_ERROR(ReadPair(processor, "cls", parts, parts.before));
    return ReadPair(processor, "sep", parts, parts.after);
  }
  if (type == "ByteLevel") return absl::OkStatus();  // moves offsets only
  const Json* list = Field(processor, "processors");
  if (type == "Sequence" && list != nullptr && list->is_array() && depth < kMaxDepth) {
    for (const Json& part : *list) WEIR_RETURN_IF_ERROR(ReadProcessor(part, parts, depth + 1));
    return absl::OkStatus();
  }
  return absl::UnimplementedError(
      absl::StrCat("tokenizer.json post_processor of type \"", type, "\""));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::FromJson(std::string_view tokenizer_json) {
  if (tokenizer_json.size() > kMaxJsonBytes) {
    return absl::DataLossError(absl::StrCat("tokenizer.json: ", tokenizer_json.size(),
                                            " bytes; expected at most ", kMaxJsonBytes));
  }
  if (TooDeep(tokenizer_json)) {
    return absl::DataLossError(absl::StrCat("tokenizer.json: nested deeper than ", kMaxDepth));
  }
  const Json root = Json::parse(tokenizer_json.begin(), tokenizer_json.end(), nullptr, false);
  if (root.is_discarded() || !root.is_object()) {
    return absl::DataLossError("tokenizer.json: no JSON object");
  }
  Parts parts;
  WEIR_ASSIGN_OR_RETURN(parts.normalizer, MakeNormalizer(Field(root, "normalizer")));
  WEIR_ASSIGN_OR_RETURN(parts.words, MakePreTokenizer(Field(root, "pre_tokenizer")));
  const Json* model = Field(root, "model");
  if (model == nullptr || !model->is_object()) return WrongField("model", "an object");
  WEIR_ASSIGN_OR_RETURN(
      parts.model, MakeJsonModel(*model, parts.words.byte_level || parts.normalizer.byte_level));
  WEIR_RETURN_IF_ERROR(ReadAdded(root, parts));
  if (const Json* processor = Field(root, "post_processor"); processor != nullptr) {
    WEIR_RETURN_IF_ERROR(ReadProcessor(*processor, parts, 0));
  }
  return std::make_unique<JsonTokenizer>(std::move(parts));
}

}  // namespace weir::model
