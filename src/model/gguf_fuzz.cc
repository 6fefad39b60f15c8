#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "model/gguf.h"

// Whatever parses must also be readable: each value by each typed read, each byte of each tensor.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using weir::model::GgufFile;
  auto file = GgufFile::Parse(std::as_bytes(std::span(data, size)));
  if (!file.ok()) return 0;
  for (const auto& [key, value] : (*file)->metadata()) {
    (void)(*file)->Unsigned(key).ok();
    (void)(*file)->Number(key).ok();
    (void)(*file)->Bool(key).ok();
    (void)(*file)->String(key).ok();
    (void)(*file)->Strings(key).ok();
    (void)(*file)->Numbers(key).ok();
    (void)(*file)->Integers(key).ok();
  }
  unsigned sum = 0;
  for (const auto& tensor : (*file)->tensors()) {
    const weir::tensor::MatrixView view = tensor.Matrix();
    const size_t bytes = weir::tensor::RowBytes(view.type, view.columns) * view.rows;
    if (bytes != tensor.data.size()) std::abort();
    for (std::byte b : tensor.data) sum += static_cast<unsigned>(b);
  }
  volatile unsigned sink = sum;
  (void)sink;
  return 0;
}
