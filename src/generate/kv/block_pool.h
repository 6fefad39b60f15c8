// The RAM placement: equal blocks in one allocation whose size is fixed when the pool is made, with
// a count of users each. Memory is touched only when a block is first written. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "generate/kv/policy.h"

namespace weir::generate {

class BlockPool : public KvPlacement {
 public:
  // Errors: kInvalidArgument (a size that is not positive), kResourceExhausted (above 64 GiB, or
  // the system refuses).
  static absl::StatusOr<std::unique_ptr<KvPlacement>> Make(size_t block_bytes, int64_t blocks);
  ~BlockPool() override;
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  absl::Status Allocate(std::span<BlockId> out) override;
  void Share(BlockId id) override { ++users_[id]; }
  void Release(BlockId id) override;
  int Users(BlockId id) const override { return users_[id]; }
  std::byte* Address(BlockId id) override { return memory_ + id * stride_; }
  int64_t free_blocks() const override { return static_cast<int64_t>(free_.size()); }
  int64_t used_blocks() const override {
    return static_cast<int64_t>(users_.size() - free_.size());
  }
  size_t block_bytes() const override { return block_bytes_; }

 private:
  BlockPool(size_t block_bytes, size_t stride, int64_t blocks, std::byte* memory);

  size_t block_bytes_, stride_;
  std::byte* memory_;  // mapped, blocks * stride_ bytes
  std::vector<int> users_;
  std::vector<BlockId>
      free_;  // taken from the back: the lowest free number comes first at the start
};

}  // namespace weir::generate
