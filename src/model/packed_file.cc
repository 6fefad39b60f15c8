#include "model/packed_file.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/file_writer.h"
#include "base/progress.h"
#include "base/status.h"
#include "base/threads.h"

namespace weir::model {
namespace {

static_assert(std::endian::native == std::endian::little, "the file is little-endian");

constexpr char kMagic[8] = {'W', 'E', 'I', 'R', 'P', 'A', 'C', 'K'};
// Raised with every change of tensor/packed.h.
constexpr uint32_t kVersion = 1;
constexpr size_t kPage = 4096;
constexpr size_t kSampleBytes = 4096;

struct Header {
  char magic[8];
  uint32_t version;
  uint32_t matrices;
  uint64_t source;      // fingerprint of the tensors
  uint64_t file_bytes;
  uint64_t index_hash;  // XXH3 of the index
};
static_assert(sizeof(Header) == 40);

struct IndexEntry {
  uint64_t offset, bytes;
  uint64_t hash;  // XXH3 of the matrix
};

uint64_t Fingerprint(std::span<const GgufTensor* const> tensors) {
  std::string all;
  for (const GgufTensor* t : tensors) {
    const size_t sample = std::min(t->data.size(), kSampleBytes);
    absl::StrAppend(&all, t->name.size(), " ", t->name, " ", static_cast<int>(t->type), " ",
                    t->shape[0], " ", t->shape[1], " ", XXH3_64bits(t->data.data(), sample), " ",
                    XXH3_64bits(t->data.data() + t->data.size() - sample, sample), "\n");
  }
  return XXH3_64bits(all.data(), all.size());
}

uint64_t RoundUp(uint64_t n, uint64_t unit) { return (n + unit - 1) / unit * unit; }

template <class T>
std::span<const std::byte> BytesOf(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

absl::Status CheckHeader(const Header& h, size_t bytes, uint64_t source, size_t matrices) {
  if (std::memcmp(h.magic, kMagic, sizeof(kMagic)) != 0) {
    return absl::DataLossError("no packed weights: the file does not begin with WEIRPACK");
  }
  if (h.version != kVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("packed by layout ", h.version, "; this build reads ", kVersion));
  }
  if (h.source != source || h.matrices != matrices) {
    return absl::FailedPreconditionError("packed from other weights than the model file holds");
  }
  if (h.file_bytes != bytes) {
    return absl::DataLossError(absl::StrCat(bytes, " bytes; its header says ", h.file_bytes));
  }
  return absl::OkStatus();
}

}  // namespace

std::string PackedPathOf(const std::string& gguf_path) { return gguf_path + ".packed"; }

std::vector<const GgufTensor*> PackableMatrices(const GgufFile& source) {
  std::vector<const GgufTensor*> found;
  const bool own_head = source.Tensor("output.weight").ok();
  for (const GgufTensor& tensor : source.tensors()) {
    if (tensor.shape.size() != 2 || (own_head && tensor.name == "token_embd.weight")) continue;
    if (tensor::Matrix::PackedBytes(tensor.Matrix()) > 0) found.push_back(&tensor);
  }
  return found;
}

absl::StatusOr<std::shared_ptr<const PackedFile>> PackedFile::Parse(
    std::span<const std::byte> bytes, const GgufFile& source, const Context& context) {
  const std::vector<const GgufTensor*> tensors = PackableMatrices(source);
  const size_t index_bytes = tensors.size() * sizeof(IndexEntry);
  if (bytes.size() < sizeof(Header)) {
    return absl::DataLossError(absl::StrCat(bytes.size(), " bytes are no packed weights"));
  }
  Header header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  WEIR_RETURN_IF_ERROR(
      CheckHeader(header, bytes.size(), Fingerprint(tensors), tensors.size()));
  const std::span<const std::byte> rest = bytes.subspan(sizeof(Header));
  if (rest.size() < index_bytes || XXH3_64bits(rest.data(), index_bytes) != header.index_hash) {
    return absl::DataLossError("damaged index");
  }
  std::shared_ptr<PackedFile> file(new PackedFile());
  std::vector<IndexEntry> index(tensors.size());
  std::memcpy(index.data(), rest.data(), index_bytes);
  for (size_t i = 0; i < index.size(); ++i) {
    const IndexEntry& e = index[i];
    const bool inside = e.offset <= bytes.size() && e.bytes <= bytes.size() - e.offset;
    if (!inside || e.offset % 64 != 0 ||
        e.bytes != tensor::Matrix::PackedBytes(tensors[i]->Matrix())) {
      return absl::DataLossError(
          absl::StrCat("tensor ", tensors[i]->name, ": not where it is said"));
    }
    file->matrices_[std::string(tensors[i]->name)] = bytes.subspan(e.offset, e.bytes);
  }
  std::vector<uint8_t> sound(index.size());
  ParallelFor(context.threads, index.size(), 1, [&](size_t begin, size_t end, int) {
    for (size_t i = begin; i < end; ++i) {
      sound[i] = XXH3_64bits(bytes.data() + index[i].offset, index[i].bytes) == index[i].hash;
    }
  });
  const auto bad = std::find(sound.begin(), sound.end(), 0);
  if (bad != sound.end()) {
    return absl::DataLossError(
        absl::StrCat("tensor ", tensors[bad - sound.begin()]->name, ": damaged"));
  }
  return file;
}

absl::StatusOr<std::shared_ptr<const PackedFile>> PackedFile::Open(const std::string& path,
                                                                   const GgufFile& source,
                                                                   const Context& context) {
  WEIR_ASSIGN_OR_RETURN(std::shared_ptr<const MappedFile> map, MappedFile::Open(path));
  absl::StatusOr<std::shared_ptr<const PackedFile>> file = Parse(map->bytes(), source, context);
  if (!file.ok()) return Annotate(file.status(), path);
  const_cast<PackedFile&>(**file).map_ = std::move(map);
  return file;
}

absl::StatusOr<tensor::Matrix> PackedFile::Matrix(std::shared_ptr<const PackedFile> file,
                                                  const GgufTensor& tensor) {
  const auto found = file->matrices_.find(tensor.name);
  if (found == file->matrices_.end()) {
    return absl::NotFoundError(absl::StrCat("tensor ", tensor.name, ": not packed"));
  }
  const tensor::MatrixView view = tensor.Matrix();
  const std::span<const std::byte> bytes = found->second;
  return tensor::Matrix::Borrow(view.type, view.rows, view.columns, bytes, std::move(file));
}

absl::Status WritePackedFile(const GgufFile& source, const std::string& path,
                             const Context& context) {
  const std::vector<const GgufTensor*> tensors = PackableMatrices(source);
  std::vector<IndexEntry> index(tensors.size());
  const size_t index_bytes = index.size() * sizeof(IndexEntry);
  WEIR_ASSIGN_OR_RETURN(const std::unique_ptr<FileWriter> out, FileWriter::Make(path));
  WEIR_RETURN_IF_ERROR(
      out->Append(std::vector<std::byte>(RoundUp(sizeof(Header) + index_bytes, kPage))));
  if (context.progress != nullptr) {
    int64_t total = 0;
    for (const GgufTensor* t : tensors) total += static_cast<int64_t>(t->data.size());
    context.progress->Start("pack weights", total, "bytes");
  }
  for (size_t i = 0; i < tensors.size(); ++i) {
    WEIR_RETURN_IF_ERROR(context.CheckCancelled());
    absl::StatusOr<tensor::Matrix> packed =
        tensor::Matrix::Pack(tensors[i]->Matrix(), context.threads);
    if (!packed.ok()) return Annotate(packed.status(), absl::StrCat("tensor ", tensors[i]->name));
    const std::span<const std::byte> bytes = packed->packed();
    index[i] = {out->size(), bytes.size(), XXH3_64bits(bytes.data(), bytes.size())};
    WEIR_RETURN_IF_ERROR(out->Append(bytes));
    WEIR_RETURN_IF_ERROR(source.Release(*tensors[i]));
    if (context.progress != nullptr) {
      context.progress->Advance(static_cast<int64_t>(tensors[i]->data.size()));
    }
  }
  if (context.progress != nullptr) context.progress->Finish();
  Header header{.version = kVersion,
                .matrices = static_cast<uint32_t>(tensors.size()),
                .source = Fingerprint(tensors),
                .file_bytes = out->size(),
                .index_hash = XXH3_64bits(index.data(), index_bytes)};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  WEIR_RETURN_IF_ERROR(out->Patch(0, BytesOf(header)));
  WEIR_RETURN_IF_ERROR(out->Patch(sizeof(Header), std::as_bytes(std::span(index))));
  return out->Finish();
}

absl::StatusOr<std::string> PackModel(const ModelRecord& record, const Context& context) {
  if (record.kind != ModelKind::kDecoder) {
    return absl::InvalidArgumentError(
        absl::StrCat(record.name, ": of the kind ", std::string(KindName(record.kind)),
                     "; only decoders are kept packed"));
  }
  const std::string path = PackedPathOf(record.path);
  WEIR_ASSIGN_OR_RETURN(const auto source, GgufFile::Open(record.path));
  if (!PackedFile::Open(path, *source, context).ok()) {
    WEIR_RETURN_IF_ERROR(WritePackedFile(*source, path, context));
  }
  return path;
}

}  // namespace weir::model
