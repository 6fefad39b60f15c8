// Bytes as the file of a passage: as they are, and with a header, table and checksums that fit.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "generate/passages/passage_file.h"
#include "tensor/attention.h"

namespace wg = weir::generate;

namespace {

void ReadAll(const std::string& bytes) {
  const auto file = wg::PassageFile::FromBytes(std::as_bytes(std::span(bytes)), "fuzz");
  if (!file.ok()) return;
  uint64_t sum = 0;
  const bool blocks = (*file)->header().form == wg::PassageForm::kBlocks;
  for (int l = 0; blocks && l < (*file)->header().layers; ++l) {
    (void)(*file)->Verify(l);
    for (std::byte b : (*file)->layer(l).bytes) sum += static_cast<uint8_t>(b);
  }
  for (size_t c = 0; c < (*file)->chunks().size(); ++c) {
    (void)(*file)->Verify(c);
    for (char b : (*file)->chunks()[c].bytes) sum += static_cast<uint8_t>(b);
  }
  for (int32_t t : (*file)->tokens()) sum += static_cast<uint32_t>(t);
  asm volatile("" : : "r"(sum));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ReadAll(std::string(reinterpret_cast<const char*>(data), size));
  if (size < 4) return 0;
  const int heads = data[0] % 3 + 1, tokens = data[1] % 70 + 1, layers = data[2] % 3 + 1;
  const size_t blocks = (tokens + 31) / 32;
  std::vector<std::byte> layer(
      blocks * weir::tensor::KvBlockBytes(heads, 32, weir::tensor::KvStorage::kInt8));
  std::memcpy(layer.data(), data, std::min(size, layer.size()));
  const std::vector<wg::PassageLayer> all(layers, wg::PassageLayer{0, layer});
  const std::vector<int32_t> ids(tokens, data[3]);
  wg::PassageHeader header;
  header.layers = layers;
  header.kv_heads = heads;
  header.head_dim = 32;
  std::vector<wg::PassageChunk> chunks = wg::ChunksOf(tokens);
  for (wg::PassageChunk& c : chunks) c.bytes = {reinterpret_cast<const char*>(data), size};
  wg::PassageHeader cold = header;
  cold.form = wg::PassageForm::kCoded;
  for (std::string bytes : {wg::EncodePassage(header, ids, all),
                            wg::EncodeColdPassage(cold, ids, chunks)}) {
    ReadAll(bytes);
    // One changed byte must not lead outside of the file.
    bytes[(data[3] * 257u + data[1]) % bytes.size()] = static_cast<char>(data[2]);
    ReadAll(bytes);
  }
  return 0;
}
