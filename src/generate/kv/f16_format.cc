#include "generate/kv/f16_format.h"

#include <cmath>

namespace weir::generate {

size_t F16Format::BlockBytes(const KvShape& shape) const {
  return tensor::KvBlockBytes(shape.kv_heads, shape.head_dim);
}

void F16Format::Write(std::byte* block, int slot, const float* k, const float* v,
                      const KvShape& shape) const {
  tensor::WriteKv(block, slot, k, v, shape.kv_heads, shape.head_dim);
}

void F16Format::Attend(const AttendJob& job, const KvShape& shape, Threads* threads) const {
  tensor::PagedAttention a;
  a.blocks = job.blocks;
  a.length = job.length;
  a.window = job.window;
  a.heads = shape.heads;
  a.kv_heads = shape.kv_heads;
  a.head_dim = shape.head_dim;
  a.scale = 1.0f / std::sqrt(static_cast<float>(shape.head_dim));
  tensor::Attend(a, job.q, job.queries, job.out, job.lse, threads);
}

}  // namespace weir::generate
