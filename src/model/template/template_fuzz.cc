// Compiles and renders arbitrary templates under small limits.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "model/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  weir::model::TemplateLimits limits;
  limits.steps = 20'000;
  limits.output_bytes = 1 << 16;
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  auto compiled = weir::model::ChatTemplate::Compile(source, limits);
  if (!compiled.ok()) return 0;
  const auto text =
      compiled->Render({{"system", "be brief"}, {"user", "h\xC3\xA9llo"}, {"assistant", ""}},
                       size % 2 == 0, "<s>", "</s>");
  if (text.ok() && static_cast<int64_t>(text->size()) > limits.output_bytes) __builtin_trap();
  return 0;
}
