// The RAM placement: blocks in one allocation whose size is fixed when the pool is made, with a
// count of users each. Compact blocks, where the format has them, lie behind the open ones and are
// numbered on from them. Memory is touched only when a block is first written, and a block that was
// used is given out again before one that was not. Not thread-safe.
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
  // `blocks` open ones, and as many compact ones if compact_bytes > 0. Errors: kInvalidArgument (a
  // size that is not positive), kResourceExhausted (above 64 GiB, or the system refuses).
  static absl::StatusOr<std::unique_ptr<KvPlacement>> Make(size_t block_bytes, int64_t blocks,
                                                           size_t compact_bytes = 0);
  ~BlockPool() override;
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  absl::Status Allocate(std::span<BlockId> out) override { return Take(free_, out); }
  absl::Status AllocateCompact(std::span<BlockId> out) override { return Take(free_compact_, out); }
  void Share(BlockId id) override { ++users_[id]; }
  void Release(BlockId id) override;
  int Users(BlockId id) const override { return users_[id]; }
  std::byte* Address(BlockId id) override {
    return id < blocks_ ? memory_ + id * stride_
                        : memory_ + blocks_ * stride_ + (id - blocks_) * compact_stride_;
  }
  int64_t free_blocks() const override { return static_cast<int64_t>(free_.size()); }
  int64_t free_compact_blocks() const override {
    return static_cast<int64_t>(free_compact_.size());
  }
  int64_t used_blocks() const override { return static_cast<int64_t>(blocks_ - free_.size()); }
  size_t block_bytes() const override { return block_bytes_; }
  int64_t used_bytes() const override;

  void Pair(BlockId open, BlockId compact) override;
  void Unpair(BlockId id) override;
  BlockId Twin(BlockId id) const override { return twins_.empty() ? kNoBlock : twins_[id]; }
  bool Filled(BlockId compact) const override { return filled_[compact - blocks_]; }
  void SetFilled(BlockId compact) override { filled_[compact - blocks_] = true; }

 private:
  BlockPool(size_t block_bytes, size_t stride, size_t compact_stride, size_t blocks,
            std::byte* memory);
  absl::Status Take(std::vector<BlockId>& free, std::span<BlockId> out);
  size_t MappedBytes() const { return blocks_ * (stride_ + compact_stride_); }

  size_t block_bytes_, stride_, compact_stride_;
  size_t blocks_;      // open ones; as many compact ones if compact_stride_ > 0
  std::byte* memory_;  // mapped, MappedBytes()
  std::vector<int> users_;
  // Taken from the back: the lowest free number comes first at the start.
  std::vector<BlockId> free_, free_compact_;
  std::vector<BlockId> twins_;  // of open and compact blocks; empty without compact ones
  std::vector<bool> filled_;    // of compact blocks
};

}  // namespace weir::generate
