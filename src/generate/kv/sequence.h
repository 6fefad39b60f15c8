// One sequence's KV cache: a table of blocks per layer over a shared placement, driven by a policy.
// Forking shares every block; a block that is shared is copied before the first write into it, so
// two sequences over one prefix store it once. Not thread-safe, nor are sequences of one placement
// together.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "generate/kv/policy.h"
#include "model/kv_port.h"

namespace weir::generate {

class PagedSequence : public model::KvSequence {
 public:
  // `placement` must outlive the sequence.
  PagedSequence(std::shared_ptr<const KvPolicy> policy, const KvShape& shape,
                KvPlacement* placement);
  // With a selection of the caller's (a policy under test).
  PagedSequence(std::shared_ptr<const KvPolicy> policy, const KvShape& shape,
                KvPlacement* placement, std::unique_ptr<KvSelection> selection);
  ~PagedSequence() override;
  PagedSequence(const PagedSequence&) = delete;
  PagedSequence& operator=(const PagedSequence&) = delete;

  // Tells the policies what is coming; optional.
  void Begin(int64_t prompt_tokens, int64_t max_new);

  int64_t length() const override { return length_; }
  absl::Status Reserve(int64_t n) override;
  void Append(int layer, int64_t n, const float* k, const float* v, Threads* threads) override;
  void Attend(int layer, int64_t n, const float* q, float* out, Threads* threads) override;
  void Commit(int64_t n) override { length_ += n; }
  // Attend in three steps, for those who run several sequences together: the job, which the
  // policy's execution then does, and what the policies want to see afterwards. The job is valid
  // until the next call.
  AttendJob StartAttend(int layer, int64_t n, const float* q, float* out);
  void FinishAttend(int layer, int64_t n);

  // Begins with, or goes on with, a full block that another owner computed for the same tokens: one
  // id a layer. REQUIRES: the policy shares prefixes, length() is a multiple of 32, nothing is
  // reserved.
  void AppendShared(std::span<const BlockId> ids);
  // The blocks of a layer, reserved ones included.
  std::span<const BlockId> blocks(int layer) const { return tables_[layer]; }

  // A second sequence with the same tokens; no block is copied. Reserved tokens are not taken over.
  std::unique_ptr<PagedSequence> Fork() const;
  // Forgets tokens from `length` on. REQUIRES: 0 <= length <= length().
  void Truncate(int64_t length);
  int64_t blocks_per_layer() const { return static_cast<int64_t>(tables_[0].size()); }

 private:
  void ReleaseFrom(size_t block);
  void SetBlock(int layer, size_t index, BlockId id);
  bool TailIsShared() const;

  std::shared_ptr<const KvPolicy> policy_;
  KvShape shape_;
  KvPlacement* placement_;
  std::unique_ptr<KvRetention> retention_;
  std::unique_ptr<KvSelection> selection_;
  int64_t length_ = 0;
  std::vector<std::vector<BlockId>> tables_;              // [layers][blocks]
  std::vector<std::vector<const std::byte*>> addresses_;  // the same blocks, for the kernels
  std::vector<const std::byte*> chosen_;
  std::vector<float> lse_;
};

}  // namespace weir::generate
