// BERT's cleaning and word splitting, in the two ways the references differ: Hugging Face's
// BertNormalizer (which a tokenizer.json names) and llama.cpp's (which GGUF files are measured
// against).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace weir::model {

struct BertOptions {
  bool clean_text = true;
  bool separate_han = true;
  bool strip_accents = true;
  bool lower_case = true;
};

// Hugging Face: control characters out, white space to ' ', spaces around Han, NFD without Mn,
// lower case. `text` is valid UTF-8.
std::string BertNormalize(std::string_view text, const BertOptions& options);

// ASCII punctuation and symbols, and \p{P} as of Unicode 8.
bool IsBertPunctuation(char32_t c);

// llama.cpp: each code point becomes the first of its NFD (a Hangul syllable is its first
// consonant), all marks go, then words are cut at white space, punctuation and Han.
std::vector<std::string> GgufBertWords(std::string_view text, const BertOptions& options);

}  // namespace weir::model
