#include "generate/kv/block_pool.h"

#include <sys/mman.h>

#include "absl/strings/str_cat.h"

namespace weir::generate {
namespace {

constexpr size_t kAlignment = 64;  // bytes: a cache line, and one vector load
constexpr uint64_t kMaxBytes = uint64_t{64} << 30;

size_t Stride(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

absl::StatusOr<std::unique_ptr<KvPlacement>> BlockPool::Make(size_t block_bytes, int64_t blocks,
                                                             size_t compact_bytes) {
  if (block_bytes == 0 || blocks <= 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("KV pool: ", blocks, " blocks of ", block_bytes, " bytes"));
  }
  const size_t stride = Stride(block_bytes), compact_stride = Stride(compact_bytes);
  const size_t both = stride + compact_stride;
  if (static_cast<uint64_t>(blocks) > kMaxBytes / both || blocks > INT32_MAX / 2) {
    return absl::ResourceExhaustedError(absl::StrCat("KV pool: ", blocks, " blocks of ", both,
                                                     " bytes; at most ", kMaxBytes, " bytes"));
  }
  void* memory = mmap(nullptr, both * blocks, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    return absl::ResourceExhaustedError(
        absl::StrCat("KV pool: the system has no ", both * blocks, " bytes"));
  }
  // Attention walks whole blocks: large pages spare it most address translation. A hint only.
  (void)madvise(memory, both * blocks, MADV_HUGEPAGE);
  return std::unique_ptr<KvPlacement>(new BlockPool(block_bytes, stride, compact_stride,
                                                    static_cast<size_t>(blocks),
                                                    static_cast<std::byte*>(memory)));
}

BlockPool::BlockPool(size_t block_bytes, size_t stride, size_t compact_stride, size_t blocks,
                     std::byte* memory)
    : block_bytes_(block_bytes),
      stride_(stride),
      compact_stride_(compact_stride),
      blocks_(blocks),
      memory_(memory),
      users_(blocks, 0) {
  free_.reserve(blocks);
  for (size_t id = blocks; id-- > 0;) free_.push_back(static_cast<BlockId>(id));
  if (compact_stride == 0) return;
  users_.resize(2 * blocks, 0);
  twins_.resize(2 * blocks, kNoBlock);
  filled_.resize(blocks);
  free_compact_.reserve(blocks);
  for (size_t id = 2 * blocks; id-- > blocks;) free_compact_.push_back(static_cast<BlockId>(id));
}

BlockPool::~BlockPool() { munmap(memory_, MappedBytes()); }

absl::Status BlockPool::Take(std::vector<BlockId>& free, std::span<BlockId> out) {
  // What is reclaimed may be of the other form: again, until nothing more comes.
  for (int64_t before = -1; out.size() > free.size() && used_bytes() != before;) {
    before = used_bytes();
    Reclaim(static_cast<int64_t>(out.size() - free.size()));
  }
  if (out.size() > free.size()) {
    return absl::ResourceExhaustedError(absl::StrCat("KV pool: ", out.size(), " blocks wanted, ",
                                                     free.size(), " of ", blocks_, " free"));
  }
  for (BlockId& id : out) {
    id = free.back();
    free.pop_back();
    users_[id] = 1;
    if (id >= blocks_) filled_[id - blocks_] = false;
  }
  return absl::OkStatus();
}

void BlockPool::Release(BlockId id) {
  if (--users_[id] > 0) return;
  Unpair(id);
  (id < blocks_ ? free_ : free_compact_).push_back(id);
}

int64_t BlockPool::used_bytes() const {
  const size_t compact = compact_stride_ == 0 ? 0 : blocks_ - free_compact_.size();
  return static_cast<int64_t>((blocks_ - free_.size()) * stride_ + compact * compact_stride_);
}

void BlockPool::Pair(BlockId open, BlockId compact) {
  twins_[open] = compact;
  twins_[compact] = open;
}

void BlockPool::Unpair(BlockId id) {
  const BlockId twin = Twin(id);
  if (twin == kNoBlock) return;
  twins_[id] = twins_[twin] = kNoBlock;
}

}  // namespace weir::generate
