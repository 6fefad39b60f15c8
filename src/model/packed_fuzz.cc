// Packed weights beside a small model that is always the same: whatever is accepted must give every
// matrix.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "model/decoder_fixture.h"
#include "model/packed_file.h"
#include "tensor/packed.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weir::model;
  SmallDecoder small;
  small.layers = 1;
  static const std::string bytes = small.Fill().Builder().Build();
  static const auto source = *GgufFile::Parse(std::as_bytes(std::span(bytes)));
  const weir::tensor::AlignedBytes aligned = weir::tensor::AllocateAligned(size + 1);
  std::memcpy(aligned.get(), data, size);
  const auto file = PackedFile::Parse({aligned.get(), size}, *source, weir::Context());
  if (!file.ok()) return 0;
  for (const GgufTensor* tensor : PackableMatrices(*source)) {
    if (!PackedFile::Matrix(*file, *tensor).ok()) std::abort();
  }
  return 0;
}
