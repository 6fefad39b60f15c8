// The pieces of a model and what kind each is. Owns its text; ids are dense from 0.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace weir::model {

// The numbers of `tokenizer.ggml.token_type`.
enum class PieceKind : uint8_t {
  kUndefined = 0,
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

// Longer pieces are kept for decoding but never match text: a bound on what a hostile vocabulary
// can cost.
inline constexpr size_t kMaxMatchBytes = 1024;

class Vocabulary {
 public:
  // Of two equal texts the first keeps the text's id.
  explicit Vocabulary(std::span<const std::string_view> texts);
  Vocabulary(Vocabulary&&) = default;
  Vocabulary& operator=(Vocabulary&&) = default;

  int32_t size() const { return static_cast<int32_t>(texts_.size()); }
  std::string_view text(int32_t id) const { return texts_[id]; }
  bool contains(int32_t id) const { return id >= 0 && id < size(); }
  int32_t Find(std::string_view text) const {  // -1 when there is none
    auto it = ids_.find(text);
    return it == ids_.end() ? -1 : it->second;
  }
  PieceKind kind(int32_t id) const { return kinds_[id]; }
  void set_kind(int32_t id, PieceKind kind) { kinds_[id] = kind; }

 private:
  std::unique_ptr<char[]> arena_;
  std::vector<std::string_view> texts_;
  std::vector<PieceKind> kinds_;
  absl::flat_hash_map<std::string_view, int32_t> ids_;
};

// Value of "<0x41>" and the like, -1 for any other text.
int ByteOfPiece(std::string_view text);
// Ids of the 256 byte pieces, -1 where missing.
std::vector<int32_t> BytePieces(const Vocabulary& vocabulary);

// The letters that byte-level BPE writes for bytes (GPT-2): printable bytes stand for themselves,
// the others for code points from U+0100 on.
char32_t LetterOfByte(uint8_t byte);
int ByteOfLetter(char32_t letter);  // -1: no byte has this letter
std::string BytesOfLetters(std::string_view letters);  // text that is no letter stays as it is
std::string LettersOfBytes(std::string_view bytes);

}  // namespace weir::model
