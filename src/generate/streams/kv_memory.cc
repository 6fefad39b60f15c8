#include "generate/streams/kv_memory.h"

#include "base/status.h"

namespace weir::generate {

absl::StatusOr<std::unique_ptr<KvMemory>> KvMemory::Make(std::shared_ptr<const KvPolicy> policy,
                                                         const KvShape& shape, int64_t tokens) {
  std::unique_ptr<KvMemory> memory(new KvMemory());
  WEIR_ASSIGN_OR_RETURN(memory->placement_, policy->MakePlacement(shape, tokens));
  if (policy->shares_prefixes()) {
    const KvFormat& format = policy->format();
    memory->prefixes_ = std::make_unique<PrefixCache>(
        memory->placement_.get(), shape.layers,
        format.CompactBytes(shape) > 0 ? format.open_blocks() : 0, format.sink_blocks());
  }
  memory->policy_ = std::move(policy);
  memory->shape_ = shape;
  return memory;
}

int64_t KvMemory::blocks() const {
  return (placement_->free_blocks() + placement_->used_blocks()) / shape_.layers;
}

int64_t KvMemory::available() const {
  const int64_t kept = prefixes_ == nullptr ? 0 : prefixes_->evictable_blocks().open;
  return (placement_->free_blocks() + kept) / shape_.layers;
}

int64_t KvMemory::available_compact() const {
  if (policy_->format().CompactBytes(shape_) == 0) return INT64_MAX;
  const int64_t kept = prefixes_ == nullptr ? 0 : prefixes_->evictable_blocks().compact;
  return (placement_->free_compact_blocks() + kept) / shape_.layers;
}

}  // namespace weir::generate
