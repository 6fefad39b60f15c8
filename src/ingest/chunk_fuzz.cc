// Documents of random blocks over random text; every passage is the text of its span and none is
// lost.
#include <cctype>
#include <cstdlib>

#include "ingest/chunk.h"
#include "ingest/document_builder.h"
#include "text/unicode.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weir;
  if (size < 2) return 0;
  ingest::DocumentBuilder b("text", 1 << 20);
  const ingest::ChunkOptions options{.words = 20 + data[0], .overlap = data[1] % 6};
  for (size_t i = 2; i + 2 < size;) {
    const size_t n = std::min<size_t>(data[i + 1] * 4, size - i - 2);
    const std::string s =
        text::RepairUtf8({reinterpret_cast<const char*>(data) + i + 2, n});
    const auto kind = static_cast<text::BlockKind>(data[i] % 7);
    const std::string clean = data[i] & 64 ? ingest::CleanLines(s) : ingest::CleanInline(s);
    if (data[i] & 128) {
      b.Continue(kind, clean, {});
    } else {
      b.Add(kind, clean, kind == text::BlockKind::kHeading ? 1 + data[i] % 4 : 0);
    }
    i += n + 2;
  }
  const text::Document d = b.Finish();
  std::vector<bool> covered(d.text.size());
  for (const auto& p : ingest::Chunk(d, options)) {
    if (p.text != d.text.substr(p.span.start, p.span.size())) std::abort();
    if (!text::IsValidUtf8(p.text)) std::abort();
    for (int64_t i = p.span.start; i < p.span.end; ++i) covered[i] = true;
  }
  for (size_t i = 0; i < d.text.size(); ++i) {
    if (!covered[i] && !std::isspace(static_cast<uint8_t>(d.text[i]))) std::abort();
  }
  return 0;
}
