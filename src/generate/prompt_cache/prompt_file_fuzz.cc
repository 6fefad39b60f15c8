// Any bytes as a saved prompt: refused or read, never more memory or time than their size allows.
#include <cstdint>
#include <vector>

#include "generate/prompt_cache/prompt_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weir::generate;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  // The tables and a chunk without the checksums that keep random bytes out.
  if (const auto codec = LoadKvCodec(bytes); codec.ok()) {
    const KvCodecShape& shape = (*codec)->shape();
    if (static_cast<int64_t>(shape.layers) * shape.width() < 4096) {
      std::vector<float> k(size_t{16} * shape.layers * shape.width()), v(k.size());
      (void)(*codec)->Decode(bytes.substr(size / 2), 16, k.data(), v.data(), nullptr);
    }
  }
  const auto file = PromptFile::Parse(bytes, "fuzz");
  if (!file.ok()) return 0;
  const PromptHead& head = (*file)->head();
  if (static_cast<int64_t>(head.identity.shape.layers) * head.identity.shape.width() > 4096) {
    return 0;
  }
  for (int chunk = 0; chunk < head.chunks(); ++chunk) {
    const auto chunk_bytes = (*file)->Chunk(chunk, head.levels[0]);
    if (!chunk_bytes.ok()) continue;
    const int tokens = static_cast<int>(head.chunk_tokens(chunk).size());
    std::vector<float> k(static_cast<size_t>(tokens) * head.identity.shape.layers *
                         head.identity.shape.width());
    std::vector<float> v(k.size());
    (void)(*file)->codec()->Decode(*chunk_bytes, tokens, k.data(), v.data(), nullptr);
  }
  return 0;
}
