// A reader's reply is hostile: any bytes decode to an error or to a Document with its invariants.
#include <cstdlib>

#include "ingest/wire.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto d = weir::ingest::DecodeReply({reinterpret_cast<const char*>(data), size}, 1 << 20);
  if (d.ok() && !weir::ingest::CheckDocument(*d, 1 << 20).ok()) std::abort();
  return 0;
}
