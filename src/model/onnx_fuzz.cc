#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "model/onnx.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto file = weir::model::OnnxFile::Parse(std::as_bytes(std::span(data, size)));
  if (!file.ok()) return 0;
  unsigned sum = 0;
  for (const auto& tensor : (*file)->tensors()) {
    if (!(*file)->Tensor(tensor.name).ok()) std::abort();
    (void)(*file)->WeightOfBias(tensor.name).ok();
    if (!tensor.FloatType().ok()) continue;
    for (std::byte b : tensor.data) sum += static_cast<unsigned>(b);
  }
  volatile unsigned sink = sum;
  (void)sink;
  return 0;
}
