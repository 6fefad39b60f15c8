// A whole model of 258 tokens (every byte, two control tokens) with random weights, as a GGUF file
// in a temporary folder: enough to run the engine's every path in milliseconds.
#pragma once

#include <string>
#include <vector>

#include "base/files.h"
#include "model/decoder_fixture.h"
#include "text/unicode.h"

namespace weir::generate {

inline constexpr int32_t kImStart = 256, kImEnd = 257;

// GPT-2's letters for bytes: printable ones stand for themselves, the rest follow from U+0100.
inline std::vector<std::string> ByteLetters() {
  std::vector<std::string> letters(256);
  char32_t next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable =
        (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    text::AppendUtf8(printable ? byte : next++, letters[byte]);
  }
  return letters;
}

inline constexpr char kChatTemplate[] =
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + "
    "message['content'] + "
    "'<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ "
    "'<|im_start|>assistant\\n' }}{% endif %}";

inline std::string SmallModelBytes(bool add_bos = false,
                                   const std::string& chat_template = kChatTemplate,
                                   model::SmallDecoder m = {}) {
  m.vocabulary = 258;
  m.tied = false;  // a head of its own keeps the logits small, so that sampled text varies
  std::vector<std::string> tokens = ByteLetters();
  tokens.push_back("<|im_start|>");
  tokens.push_back("<|im_end|>");
  std::vector<int32_t> types(258, 1);
  types[kImStart] = types[kImEnd] = 3;
  return m.Fill()
      .Builder()
      .Text("tokenizer.ggml.model", "gpt2")
      .Text("tokenizer.ggml.pre", "gpt-2")
      .Texts("tokenizer.ggml.tokens", tokens)
      .Numbers("tokenizer.ggml.token_type", model::GgufBuilder::kI32, types)
      .Texts("tokenizer.ggml.merges", {})
      .U32("tokenizer.ggml.bos_token_id", kImStart)
      .U32("tokenizer.ggml.eos_token_id", kImEnd)
      .Bool("tokenizer.ggml.add_bos_token", add_bos)
      .Text("tokenizer.chat_template", chat_template)
      .Build();
}

}  // namespace weir::generate
