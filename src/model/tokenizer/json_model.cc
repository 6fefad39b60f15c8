#include "model/tokenizer/json_model.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/status.h"
#include "model/quoted.h"
#include "model/tokenizer/bpe.h"
#include "model/tokenizer/json_fields.h"
#include "model/tokenizer/unigram.h"
#include "model/tokenizer/wordpiece.h"
#include "text/unicode.h"

namespace weir::model {
namespace {

constexpr size_t kMaxPieces = size_t{1} << 24;

// {"piece": id, ...}; ids may leave holes, but not many.
absl::StatusOr<std::vector<std::string_view>> ReadPieces(const Json& model) {
  const Json* vocab = Field(model, "vocab");
  if (vocab == nullptr || !vocab->is_object() || vocab->empty() || vocab->size() > kMaxPieces) {
    return WrongField("vocab", "an object of pieces and their ids");
  }
  const uint64_t limit = 4 * vocab->size() + 4096;
  uint64_t size = 0;
  for (const auto& [text, id] : vocab->items()) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= limit) {
      return WrongField("vocab", absl::StrCat("ids below ", limit));
    }
    size = std::max(size, id.get<uint64_t>() + 1);
  }
  std::vector<std::string_view> pieces(size);
  std::vector<bool> taken(size, false);
  for (auto it = vocab->begin(); it != vocab->end(); ++it) {
    const uint64_t id = it->get<uint64_t>();
    if (taken[id]) return WrongField("vocab", absl::StrCat("one piece of id ", id));
    taken[id] = true;
    pieces[id] = it.key();
  }
  return pieces;
}

absl::StatusOr<int32_t> PieceNamed(const Json& model, const char* key,
                                   const Vocabulary& vocabulary) {
  WEIR_ASSIGN_OR_RETURN(const std::string text, TextField(model, key, ""));
  return text.empty() ? -1 : vocabulary.Find(text);
}

class ByteWords : public WordModel {
 public:
  ByteWords(const Vocabulary& vocabulary,
            std::span<const std::pair<std::string_view, std::string_view>> merges,
            bool ignore_merges, int32_t unknown)
      : words_(vocabulary, merges, ignore_merges), unknown_(unknown) {}
  void Encode(std::string_view word, ByteLevelWords::Scratch& scratch,
              std::vector<int32_t>& out) const override {
    words_.Encode(word, scratch, out, unknown_);
  }

 private:
  ByteLevelWords words_;
  int32_t unknown_;
};

// BPE over code points, as Llama's tokenizer.json has it.
class CharacterWords : public WordModel {
 public:
  struct Options {
    int32_t unknown = -1;
    bool byte_fallback = false, fuse_unknown = false, ignore_merges = false;
  };
  CharacterWords(const Vocabulary& vocabulary,
                 std::span<const std::pair<std::string_view, std::string_view>> merges,
                 const Options& options)
      : vocabulary_(vocabulary),
        merges_(vocabulary, merges),
        byte_ids_(BytePieces(vocabulary)),
        options_(options) {}

  void Encode(std::string_view word, ByteLevelWords::Scratch& scratch,
              std::vector<int32_t>& out) const override {
    if (options_.ignore_merges) {
      if (const int32_t id = vocabulary_.Find(word); id >= 0) return out.push_back(id);
    }
    std::vector<int32_t>& symbols = scratch.symbols;
    symbols.clear();
    bool last_unknown = false;
    for (size_t at = 0; at < word.size();) {
      const size_t start = at;
      text::NextCodePoint(word, at);
      const std::string_view character = word.substr(start, at - start);
      int32_t id = vocabulary_.Find(character);
      const bool known = id >= 0 || Fallback(character, symbols);
      if (!known) id = options_.unknown;
      if (id >= 0 && !(!known && last_unknown && options_.fuse_unknown)) symbols.push_back(id);
      last_unknown = !known;
    }
    scratch.begins.resize(symbols.size());
    const std::vector<int32_t> characters = symbols;
    const size_t count = merges_.Run(symbols, scratch.begins);
    for (size_t k = 0; k < count; ++k) {
      if (symbols[k] < vocabulary_.size()) {
        out.push_back(symbols[k]);
        continue;
      }
      const size_t end = k + 1 < count ? scratch.begins[k + 1] : characters.size();
      out.insert(out.end(), characters.begin() + scratch.begins[k], characters.begin() + end);
    }
  }

 private:
  bool Fallback(std::string_view character, std::vector<int32_t>& symbols) const {
    if (!options_.byte_fallback) return false;
    const size_t before = symbols.size();
    for (const char c : character) {
      const int32_t id = byte_ids_[static_cast<uint8_t>(c)];
      if (id < 0) {
        symbols.resize(before);
        return false;
      }
      symbols.push_back(id);
    }
    return true;
  }

  const Vocabulary& vocabulary_;
  BpeMerges merges_;
  std::vector<int32_t> byte_ids_;
  Options options_;
};

class Pieces : public WordModel {
 public:
  Pieces(const Vocabulary& vocabulary, WordPiece::Options options)
      : pieces_(vocabulary, std::move(options)) {}
  void Encode(std::string_view word, ByteLevelWords::Scratch&,
              std::vector<int32_t>& out) const override {
    pieces_.Encode(word, out);
  }

 private:
  WordPiece pieces_;
};

class Lattice : public WordModel {
 public:
  explicit Lattice(Unigram unigram) : unigram_(std::move(unigram)) {}
  void Encode(std::string_view word, ByteLevelWords::Scratch&,
              std::vector<int32_t>& out) const override {
    unigram_.Encode(word, out);
  }

 private:
  Unigram unigram_;
};

class WholeWords : public WordModel {
 public:
  WholeWords(const Vocabulary& vocabulary, int32_t unknown)
      : vocabulary_(vocabulary), unknown_(unknown) {}
  void Encode(std::string_view word, ByteLevelWords::Scratch&,
              std::vector<int32_t>& out) const override {
    int32_t id = vocabulary_.Find(word);
    if (id < 0) id = unknown_;
    if (id >= 0) out.push_back(id);
  }

 private:
  const Vocabulary& vocabulary_;
  int32_t unknown_;
};

absl::StatusOr<std::vector<std::pair<std::string_view, std::string_view>>> ReadMerges(
    const Json& model) {
  std::vector<std::pair<std::string_view, std::string_view>> out;
  const Json* merges = Field(model, "merges");
  if (merges == nullptr || !merges->is_array()) return WrongField("merges", "a list");
  out.reserve(merges->size());
  for (const Json& merge : *merges) {
    if (merge.is_string()) {
      out.push_back(SplitMerge(merge.get_ref<const std::string&>()));
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
               merge[1].is_string()) {
      out.emplace_back(merge[0].get_ref<const std::string&>(),
                       merge[1].get_ref<const std::string&>());
    } else {
      return WrongField("merges", "\"left right\" or [left, right]");
    }
    if (out.back().first.empty() || out.back().second.empty()) {
      return WrongField("merges", "two texts a merge");
    }
  }
  return out;
}

absl::StatusOr<JsonModel> MakeBpe(const Json& d, bool byte_level) {
  JsonModel model;
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    WEIR_ASSIGN_OR_RETURN(const std::string affix, TextField(d, key, ""));
    if (!affix.empty()) return absl::UnimplementedError(absl::StrCat("tokenizer.json BPE ", key));
  }
  WEIR_ASSIGN_OR_RETURN(const auto pieces, ReadPieces(d));
  WEIR_ASSIGN_OR_RETURN(const auto merges, ReadMerges(d));
  model.vocabulary = std::make_unique<Vocabulary>(pieces);
  WEIR_ASSIGN_OR_RETURN(model.unknown, PieceNamed(d, "unk_token", *model.vocabulary));
  CharacterWords::Options options;
  options.unknown = model.unknown;
  WEIR_ASSIGN_OR_RETURN(options.byte_fallback, FlagField(d, "byte_fallback", false));
  WEIR_ASSIGN_OR_RETURN(options.fuse_unknown, FlagField(d, "fuse_unk", false));
  WEIR_ASSIGN_OR_RETURN(options.ignore_merges, FlagField(d, "ignore_merges", false));
  model.byte_fallback = options.byte_fallback;
  if (byte_level) {
    model.words = std::make_unique<ByteWords>(*model.vocabulary, merges, options.ignore_merges,
                                              model.unknown);
  } else {
    model.words = std::make_unique<CharacterWords>(*model.vocabulary, merges, options);
  }
  return model;
}

absl::StatusOr<JsonModel> MakeWordPiece(const Json& d) {
  JsonModel model;
  WEIR_ASSIGN_OR_RETURN(const auto pieces, ReadPieces(d));
  model.vocabulary = std::make_unique<Vocabulary>(pieces);
  WEIR_ASSIGN_OR_RETURN(model.unknown, PieceNamed(d, "unk_token", *model.vocabulary));
  if (model.unknown < 0) return WrongField("unk_token", "a piece of the vocabulary");
  WordPiece::Options options;
  options.unknown = model.unknown;
  WEIR_ASSIGN_OR_RETURN(options.continuing_prefix, TextField(d, "continuing_subword_prefix", "##"));
  WEIR_ASSIGN_OR_RETURN(const int64_t longest,
                        CountField(d, "max_input_chars_per_word", 100, 1 << 30));
  options.longest_word = static_cast<size_t>(std::max<int64_t>(longest, 1));
  model.continuing_prefix = options.continuing_prefix;
  model.words = std::make_unique<Pieces>(*model.vocabulary, std::move(options));
  return model;
}

absl::StatusOr<JsonModel> MakeUnigram(const Json& d) {
  JsonModel model;
  const Json* vocab = Field(d, "vocab");
  if (vocab == nullptr || !vocab->is_array() || vocab->empty() || vocab->size() > kMaxPieces) {
    return WrongField("vocab", "a list of [piece, score]");
  }
  std::vector<std::string_view> texts;
  std::vector<double> scores;
  for (const Json& entry : *vocab) {
    if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_number() ||
        !std::isfinite(entry[1].get<double>())) {
      return WrongField("vocab", "a list of [piece, score]");
    }
    texts.push_back(entry[0].get_ref<const std::string&>());
    scores.push_back(entry[1].get<double>());
  }
  model.vocabulary = std::make_unique<Vocabulary>(texts);
  WEIR_ASSIGN_OR_RETURN(const int64_t unknown,
                        CountField(d, "unk_id", -1, static_cast<int64_t>(texts.size()) - 1));
  if (unknown < 0) return WrongField("unk_id", "the id of a piece");
  model.unknown = static_cast<int32_t>(unknown);
  WEIR_ASSIGN_OR_RETURN(model.byte_fallback, FlagField(d, "byte_fallback", false));
  Unigram::Options options;
  options.unknown = model.unknown;
  options.byte_fallback = model.byte_fallback;
  options.unknown_score = *std::min_element(scores.begin(), scores.end()) - 10;
  std::vector<std::pair<std::string_view, int32_t>> matching;
  for (int32_t id = 0; id < model.vocabulary->size(); ++id) {
    matching.emplace_back(model.vocabulary->text(id), id);
  }
  model.words = std::make_unique<Lattice>(
      Unigram(*model.vocabulary, std::move(matching), std::move(scores), options));
  return model;
}

}  // namespace

absl::StatusOr<JsonModel> MakeJsonModel(const nlohmann::json& d, bool byte_level) {
  WEIR_ASSIGN_OR_RETURN(const std::string given, TextField(d, "type", ""));
  std::string_view type = given;
  if (type.empty()) {  // files of the first versions do not say
    const Json* vocab = Field(d, "vocab");
    type = Field(d, "merges") != nullptr                      ? "BPE"
           : vocab != nullptr && vocab->is_array()            ? "Unigram"
           : Field(d, "max_input_chars_per_word") != nullptr  ? "WordPiece"
                                                              : "WordLevel";
  }
  if (type == "BPE") return MakeBpe(d, byte_level);
  if (byte_level)
    return absl::UnimplementedError("tokenizer.json: ByteLevel before another model than BPE");
  if (type == "WordPiece") return MakeWordPiece(d);
  if (type == "Unigram") return MakeUnigram(d);
  if (type == "WordLevel") {
    JsonModel model;
    WEIR_ASSIGN_OR_RETURN(const auto pieces, ReadPieces(d));
    model.vocabulary = std::make_unique<Vocabulary>(pieces);
    WEIR_ASSIGN_OR_RETURN(model.unknown, PieceNamed(d, "unk_token", *model.vocabulary));
    model.words = std::make_unique<WholeWords>(*model.vocabulary, model.unknown);
    return model;
  }
  return absl::UnimplementedError(absl::StrCat("tokenizer.json model ", Quoted(type)));
}

}  // namespace weir::model
