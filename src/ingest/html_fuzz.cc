// HTML bytes to a Document that keeps its invariants, and its passages.
#include <cstdlib>

#include "ingest/chunk.h"
#include "ingest/html_reader.h"
#include "ingest/wire.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weir;
  const auto reader = ingest::MakeHtmlReader();
  ingest::ReadLimits limits;
  limits.memory_mb = 128;
  limits.text_mb = 1;
  const auto d = reader->Read({reinterpret_cast<const char*>(data), size}, limits);
  if (!d.ok()) return 0;
  if (!ingest::CheckDocument(*d, limits.text_mb << 20).ok()) std::abort();
  for (const auto& p : ingest::Chunk(*d, {})) {
    if (p.text != d->text.substr(p.span.start, p.span.size())) std::abort();
  }
  return 0;
}
