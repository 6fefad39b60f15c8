// Markdown and plain text bytes to Documents that keep their invariants.
#include <cstdlib>

#include "ingest/chunk.h"
#include "ingest/markdown_reader.h"
#include "ingest/text_reader.h"
#include "ingest/wire.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weir;
  ingest::ReadLimits limits;
  limits.text_mb = 1;
  for (const auto& reader : {ingest::MakeMarkdownReader(), ingest::MakeTextReader()}) {
    const auto d = reader->Read({reinterpret_cast<const char*>(data), size}, limits);
    if (!d.ok()) continue;
    if (!ingest::CheckDocument(*d, limits.text_mb << 20).ok()) std::abort();
    (void)ingest::Chunk(*d, {.words = 20, .overlap = 2});
  }
  return 0;
}
