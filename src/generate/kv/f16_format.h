// The plain format: keys and values in half precision, in the block layout of tensor/attention.h.
#pragma once

#include "generate/kv/policy.h"

namespace weir::generate {

class F16Format : public KvFormat {
 public:
  size_t BlockBytes(const KvShape& shape) const override;
  void Write(std::byte* block, int slot, const float* k, const float* v,
             const KvShape& shape) const override;
  // Any subset of whole blocks works, since softmax does not mind which tokens are there; single
  // tokens would need a gathering kernel.
  bool Reads(ReadPlan::Kind kind) const override { return kind != ReadPlan::Kind::kTokens; }
  void Attend(const AttendJob& job, const KvShape& shape, Threads* threads) const override;
};

}  // namespace weir::generate
