#include "generate/kv/plain_format.h"

#include <cmath>

#include "absl/strings/str_cat.h"

namespace weir::generate {

absl::Status PlainFormat::Check(const KvShape& shape) const {
  if (storage_ == tensor::KvStorage::kHalf || shape.head_dim % 32 == 0) return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat("KV format q8: heads of ", shape.head_dim,
                                               " channels; expected a multiple of 32 (use f16)"));
}

size_t PlainFormat::BlockBytes(const KvShape& shape) const {
  return tensor::KvBlockBytes(shape.kv_heads, shape.head_dim, storage_);
}

void PlainFormat::Write(std::byte* block, int slot, const float* k, const float* v,
                        const KvShape& shape) const {
  tensor::WriteKv(block, slot, k, v, shape.kv_heads, shape.head_dim, storage_);
}

absl::Status PlainFormat::Read(const std::byte* block, int slot, float* k, float* v,
                               const KvShape& shape) const {
  tensor::ReadKv(block, slot, k, v, shape.kv_heads, shape.head_dim, storage_);
  return absl::OkStatus();
}

void PlainFormat::Attend(const AttendJob& job, const KvShape& shape, Threads* threads) const {
  tensor::PagedAttention a;
  a.blocks = job.blocks;
  a.length = job.length;
  a.window = job.window;
  a.heads = shape.heads;
  a.kv_heads = shape.kv_heads;
  a.head_dim = shape.head_dim;
  a.scale = 1.0f / std::sqrt(static_cast<float>(shape.head_dim));
  a.storage = storage_;
  a.positions = job.positions;
  tensor::Attend(a, job.q, job.queries, job.out, job.lse, threads);
}

}  // namespace weir::generate
