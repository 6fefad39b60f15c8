#include "generate/kv/block_pool.h"

#include <sys/mman.h>

#include "absl/strings/str_cat.h"

namespace weir::generate {
namespace {

constexpr size_t kAlignment = 64;  // bytes: a cache line, and one vector load
constexpr uint64_t kMaxBytes = uint64_t{64} << 30;

}  // namespace

absl::StatusOr<std::unique_ptr<KvPlacement>> BlockPool::Make(size_t block_bytes, int64_t blocks) {
  if (block_bytes == 0 || blocks <= 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("KV pool: ", blocks, " blocks of ", block_bytes, " bytes"));
  }
  const size_t stride = (block_bytes + kAlignment - 1) / kAlignment * kAlignment;
  if (static_cast<uint64_t>(blocks) > kMaxBytes / stride || blocks > INT32_MAX) {
    return absl::ResourceExhaustedError(absl::StrCat("KV pool: ", blocks, " blocks of ", stride,
                                                     " bytes; at most ", kMaxBytes, " bytes"));
  }
  void* memory = mmap(nullptr, stride * blocks, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    return absl::ResourceExhaustedError(
        absl::StrCat("KV pool: the system has no ", stride * blocks, " bytes"));
  }
  // Attention walks whole blocks: large pages spare it most address translation. A hint only.
  (void)madvise(memory, stride * blocks, MADV_HUGEPAGE);
  return std::unique_ptr<KvPlacement>(
      new BlockPool(block_bytes, stride, blocks, static_cast<std::byte*>(memory)));
}

BlockPool::BlockPool(size_t block_bytes, size_t stride, int64_t blocks, std::byte* memory)
    : block_bytes_(block_bytes), stride_(stride), memory_(memory), users_(blocks, 0) {
  free_.reserve(blocks);
  for (int64_t id = blocks; id-- > 0;) free_.push_back(static_cast<BlockId>(id));
}

BlockPool::~BlockPool() { munmap(memory_, stride_ * users_.size()); }

absl::Status BlockPool::Allocate(std::span<BlockId> out) {
  if (out.size() > free_.size()) Reclaim(static_cast<int64_t>(out.size() - free_.size()));
  if (out.size() > free_.size()) {
    return absl::ResourceExhaustedError(absl::StrCat("KV pool: ", out.size(), " blocks wanted, ",
                                                     free_.size(), " of ", users_.size(), " free"));
  }
  for (BlockId& id : out) {
    id = free_.back();
    free_.pop_back();
    users_[id] = 1;
  }
  return absl::OkStatus();
}

void BlockPool::Release(BlockId id) {
  if (--users_[id] == 0) free_.push_back(id);
}

}  // namespace weir::generate
