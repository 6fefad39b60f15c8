// The formats whose kernels live in tensor/attention.h: f16 (half precision) and q8 (int8 keys in
// parts of 32 channels, int8 values with one scale a token).
#pragma once

#include "generate/kv/policy.h"

namespace weir::generate {

class PlainFormat : public KvFormat {
 public:
  explicit PlainFormat(tensor::KvStorage storage) : storage_(storage) {}
  tensor::KvStorage storage() const { return storage_; }

  absl::Status Check(const KvShape& shape) const override;
  size_t BlockBytes(const KvShape& shape) const override;
  void Write(std::byte* block, int slot, const float* k, const float* v,
             const KvShape& shape) const override;
  absl::Status Read(const std::byte* block, int slot, float* k, float* v,
                    const KvShape& shape) const override;
  // Any subset of whole blocks works, since softmax does not mind which tokens are there; single
  // tokens would need a gathering kernel.
  bool Reads(ReadPlan::Kind kind) const override { return kind != ReadPlan::Kind::kTokens; }
  void Attend(const AttendJob& job, const KvShape& shape, Threads* threads) const override;

 private:
  tensor::KvStorage storage_;
};

}  // namespace weir::generate
