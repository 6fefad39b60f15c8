// The KV memory of one model: a policy, the blocks of its placement, and the prompts kept in them.
// Sessions and streams over one memory share prompts. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "generate/kv/policy.h"
#include "generate/kv/sequence.h"
#include "generate/streams/prefix_cache.h"

namespace weir::generate {

class KvMemory {
 public:
  // Room for `tokens` tokens. Errors: those of the placement.
  static absl::StatusOr<std::unique_ptr<KvMemory>> Make(std::shared_ptr<const KvPolicy> policy,
                                                        const KvShape& shape, int64_t tokens);

  const std::shared_ptr<const KvPolicy>& policy() const { return policy_; }
  const KvShape& shape() const { return shape_; }
  KvPlacement& placement() { return *placement_; }
  // Null when the policy cannot share prefixes.
  PrefixCache* prefixes() { return prefixes_.get(); }
  std::unique_ptr<PagedSequence> NewSequence() {
    return std::make_unique<PagedSequence>(policy_, shape_, placement_.get());
  }
  // Blocks of one layer: all, and those that are free or could be freed now. A format with a
  // compact form has as many compact ones beside them; INT64_MAX are available where it has none.
  int64_t blocks() const;
  int64_t available() const;
  int64_t available_compact() const;

 private:
  KvMemory() = default;
  std::shared_ptr<const KvPolicy> policy_;
  KvShape shape_;
  std::unique_ptr<KvPlacement> placement_;
  std::unique_ptr<PrefixCache> prefixes_;  // after the placement: it goes first
};

}  // namespace weir::generate
