// Bytes as YAML and as TOML front matter: fields within their limits, a shorter text, never a
// crash.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "ingest/front_matter.h"
#include "ingest/wire.h"
#include "text/unicode.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weir;
  const std::string inside =
      text::RepairUtf8(std::string_view(reinterpret_cast<const char*>(data), size));
  for (const char* fence : {"---", "+++"}) {
    const std::string whole = std::string(fence) + "\n" + inside + "\n" + fence + "\nbody";
    std::string_view left = whole;
    text::Document document;
    ingest::TakeFrontMatter(left, document);
    if (!std::string_view(whole).ends_with(left)) std::abort();
    if (!ingest::CheckDocument(document, 1 << 20).ok()) std::abort();
  }
  return 0;
}
