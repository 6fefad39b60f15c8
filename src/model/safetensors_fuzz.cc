#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "model/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto file = weir::model::SafetensorsFile::Parse(std::as_bytes(std::span(data, size)));
  if (!file.ok()) return 0;
  size_t total = 0;
  for (const auto& tensor : (*file)->tensors()) {
    (void)tensor.FloatType().ok();
    if (!(*file)->Tensor(tensor.name).ok()) std::abort();
    total += tensor.data.size();
  }
  if (total > size) std::abort();  // no byte belongs to two tensors
  return 0;
}
