#include "model/tokenizer/byte_level.h"

#include <string>

#include "text/unicode.h"

namespace weir::model {

ByteLevelWords::ByteLevelWords(
    const Vocabulary& vocabulary,
    std::span<const std::pair<std::string_view, std::string_view>> merges, bool ignore_merges)
    : vocabulary_(vocabulary), merges_(vocabulary, merges), ignore_merges_(ignore_merges) {
  for (int b = 0; b < 256; ++b) {
    std::string letter;
    text::AppendUtf8(LetterOfByte(static_cast<uint8_t>(b)), letter);
    symbol_of_byte_[b] = merges_.Symbol(letter);
  }
}

void ByteLevelWords::Encode(std::string_view word, Scratch& scratch, std::vector<int32_t>& out,
                            int32_t unknown) const {
  const auto emit = [&](int32_t id) {
    if (id < 0 || id >= vocabulary_.size()) id = unknown;
    if (id >= 0) out.push_back(id);
  };
  if (word.size() == 1) return emit(symbol_of_byte_[static_cast<uint8_t>(word[0])]);
  if (ignore_merges_ && word.size() <= kMaxMatchBytes) {
    if (const int32_t id = vocabulary_.Find(LettersOfBytes(word)); id >= 0) return emit(id);
  }
  scratch.symbols.resize(word.size());
  scratch.begins.resize(word.size());
  for (size_t i = 0; i < word.size(); ++i) {
    scratch.symbols[i] = symbol_of_byte_[static_cast<uint8_t>(word[i])];
  }
  const size_t count = merges_.Run(scratch.symbols, scratch.begins);
  for (size_t k = 0; k < count; ++k) {
    const int32_t id = scratch.symbols[k];
    if (id < vocabulary_.size()) {
      emit(id);
      continue;
    }
    // A merge made a text that is no piece: its bytes, each alone.
    const size_t end = k + 1 < count ? scratch.begins[k + 1] : word.size();
    for (size_t i = scratch.begins[k]; i < end; ++i) {
      emit(symbol_of_byte_[static_cast<uint8_t>(word[i])]);
    }
  }
}

std::pair<std::string_view, std::string_view> SplitMerge(std::string_view line) {
  const size_t space = line.find(' ', 1);
  if (space == std::string_view::npos) return {};
  return {line.substr(0, space), line.substr(space + 1)};
}

}  // namespace weir::model
