// Hostile grammars and schemas: parsed, compiled and followed over the rest of the input.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "generate/constrain/grammar.h"
#include "generate/constrain/json_schema.h"
#include "generate/constrain/matcher.h"
#include "generate/constrain/token_trie.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weir::generate;
  if (size < 2) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t cut = input.size() * (data[0] % 64) / 64;
  const std::string_view text = input.substr(0, cut);
  std::string source(input.substr(cut));
  if (data[0] & 0x80) {
    absl::StatusOr<std::string> gbnf = JsonSchemaToGbnf(source);
    if (!gbnf.ok()) return 0;
    source = *std::move(gbnf);
  }
  GrammarLimits limits;
  limits.instructions = 1 << 14;  // keeps each input quick
  limits.repetition = 300;
  absl::StatusOr<std::shared_ptr<const Grammar>> grammar = Grammar::ParseGbnf(source, limits);
  if (!grammar.ok()) return 0;
  static const std::vector<std::string> pieces = {"a",  "ab",   "{",    "{\"",  "\"", "0",
                                                  "12", "\xC3", "\xA9", "true", " "};
  static const TokenTrie trie(pieces);
  Matcher matcher(*grammar);
  std::vector<uint8_t> allowed(pieces.size());
  for (size_t i = 0; i < text.size() && i < 256; ++i) {
    matcher.AdmitAll(trie, allowed);
    for (size_t p = 0; p < pieces.size(); ++p) {
      // After a failure everything is refused, so the mask may only be wider than the single
      // answer.
      if (matcher.Admits(pieces[p]) && !allowed[p]) __builtin_trap();
    }
    if (!matcher.Admits(text.substr(i, 1))) break;
    matcher.Accept(text.substr(i, 1));
    (void)matcher.MustEnd();
  }
  return 0;
}
