// The tokenizer.json loader, the GGUF loader, and encoding with what they accept.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "model/gguf.h"
#include "model/tokenizer.h"

namespace {

void Use(const weir::model::Tokenizer& tokenizer, std::string_view text) {
  for (const bool special : {false, true}) {
    const auto ids = tokenizer.Encode(text, {special, special});
    for (const int32_t id : ids) {
      if (id < 0 || id >= tokenizer.vocabulary_size()) __builtin_trap();
    }
    (void)tokenizer.Decode(ids);
  }
  (void)tokenizer.Piece(-1);
  (void)tokenizer.Piece(tokenizer.vocabulary_size());
}

}  // namespace

// The input up to its first NUL NUL is the vocabulary (GGUF by its magic, else JSON), the rest a
// text.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  if (all.starts_with("GGUF")) {
    auto file = weir::model::GgufFile::Parse(std::as_bytes(std::span(data, size)));
    if (!file.ok()) return 0;
    auto tokenizer = weir::model::Tokenizer::FromGguf(**file);
    if (tokenizer.ok()) Use(**tokenizer, all.substr(all.size() / 2));
    return 0;
  }
  const size_t cut = all.find(std::string_view("\0\0", 2));
  auto tokenizer = weir::model::Tokenizer::FromJson(all.substr(0, cut));
  if (!tokenizer.ok()) return 0;
  Use(**tokenizer, "Hello  w\xC3\xB6rld 123 <s> \xF0\x9F\x9A\x80\n");
  Use(**tokenizer, cut == std::string_view::npos ? "" : all.substr(cut + 2));
  return 0;
}
