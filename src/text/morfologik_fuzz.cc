// Bytes as a dictionary, then words looked up in it: refused or answered within the limits.
#include <cstddef>
#include <cstdint>
#include <string>

#include "text/morfologik.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using weir::text::MorfologikDictionary;
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const auto parsed = MorfologikDictionary::Parse(bytes);
  if (!parsed.ok()) return 0;
  for (const std::string& form :
       {std::string("kotem"), std::string("zolty"), bytes.substr(size / 2, 20)}) {
    std::vector<std::string> lemmas;
    (*parsed)->Lookup(form, lemmas);
    (*parsed)->LookupWithoutDiacritics(form, lemmas);
    if (lemmas.size() > 2 * MorfologikDictionary::kMaxLemmas) __builtin_trap();
  }
  return 0;
}
