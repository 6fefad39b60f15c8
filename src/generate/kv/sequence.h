// One sequence's KV cache: a table of blocks per layer over a shared placement, driven by a policy.
// Forking shares every block; a block that is shared is copied before the first write into it, so
// two sequences over one prefix store it once. Not thread-safe, nor are sequences of one placement
// together.
//
// Where the format has a compact form, old blocks are made compact when the first token is appended
// that reads them so, and lose their open form kSpareOpenBlocks later. What a query reads in which
// form depends on its position alone, so any split of the tokens gives the same bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
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
  void Commit(int64_t n) override;
  // Attend in three steps, for those who run several sequences together: the jobs, which the
  // policy's execution then does, and what the policies want to see afterwards. The jobs are valid
  // until the next call.
  std::span<const AttendJob> StartAttend(int layer, int64_t n, const float* q, float* out);
  void FinishAttend(int layer, int64_t n);

  // Begins with, or goes on with, a full block that another owner computed for the same tokens: one
  // id a layer, and those of its compact form, either of them empty if it is not there or not
  // wanted. An open form that is missing ends those of the blocks before. REQUIRES: the policy
  // shares prefixes, length() is a multiple of 32, nothing is reserved; whoever has no open form
  // has compact ones up to there.
  void AppendShared(std::span<const BlockId> ids, std::span<const BlockId> compact = {});
  // The next block's compact form, which another owner made. REQUIRES: as above, and a block that
  // is open.
  void ShareCompact(std::span<const BlockId> compact);
  // The blocks of a layer, reserved ones included; of those without an open form the compact ones.
  std::span<const BlockId> blocks(int layer) const { return tables_[layer]; }
  size_t sinks() const { return static_cast<size_t>(policy_->format().sink_blocks()); }
  bool OpenIsGone(size_t block) const { return addresses_[0][block] == nullptr; }
  // Compact forms of the first blocks; of these, filled_compact() are written in all layers.
  std::span<const BlockId> compact_blocks(int layer) const { return compact_[layer]; }
  size_t filled_compact() const { return filled_; }

  // K and V of tokens [first, first + n) of a layer as the format holds them: k, v
  // [n, kv_heads, head_dim] f32. Reserve, Append for every layer, and Commit put them back.
  // REQUIRES: 0 <= first, first + n <= length(). Errors: kUnimplemented (the format).
  absl::Status Read(int layer, int64_t first, int64_t n, float* k, float* v) const;
  // Stored or reserved tokens written again at `positions`, ascending, and queries that stand there
  // over all tokens up to each. Policies are not asked.
  // REQUIRES: MakePrivate(positions[0]) for what is written.
  void Overwrite(int layer, std::span<const int64_t> positions, const float* k, const float* v,
                 Threads* threads);
  void AttendAt(int layer, std::span<const int64_t> positions, const float* q, float* out,
                float* lse, Threads* threads);
  // Copies the blocks from token `first` on that others share. kResourceExhausted leaves all as it
  // was.
  absl::Status MakePrivate(int64_t first);
  // All blocks of a layer, reserved ones included, for writing. REQUIRES: MakePrivate for what is.
  std::vector<std::byte*> Blocks(int layer);
  const KvFormat& format() const { return policy_->format(); }
  const KvShape& shape() const { return shape_; }

  // A second sequence with the same tokens; no block is copied. Reserved tokens are not taken over.
  std::unique_ptr<PagedSequence> Fork() const;
  // Forgets tokens from `length` on. REQUIRES: 0 <= length <= length(). Blocks whose open form is
  // gone stay compact, whatever comes next reads them so, and one that is cut goes on with what its
  // codes stand for.
  void Truncate(int64_t length);
  // The most tokens, at most `length`, that Truncate can leave so that what follows is bit-equal to
  // a sequence that never had more: all or none.
  int64_t Reusable(int64_t length) const;
  int64_t blocks_per_layer() const { return static_cast<int64_t>(tables_[0].size()); }

 private:
  // Fills chosen_ and jobs_ with what the plan lets the n newest queries of a layer read.
  void PlanJobs(int layer, int64_t n, const float* q, float* out, const ReadPlan& plan);
  void ReleaseFrom(size_t block);
  void SetBlock(int layer, size_t index, BlockId id);
  void SetCompact(int layer, size_t index, BlockId id);
  void ReleaseCompactFrom(size_t block);
  // How many blocks a token that makes the sequence `length` long reads in compact form.
  size_t CompactFor(int64_t length) const;
  // The compact form is all that is left: gives the open one back.
  void LoseOpen(int layer, size_t block);
  absl::Status ReserveCompact(size_t count);
  absl::Status ExpandTail();
  void FillCompact(int layer, int64_t length, Threads* threads);

  std::shared_ptr<const KvPolicy> policy_;
  KvShape shape_;
  KvPlacement* placement_;
  std::unique_ptr<KvRetention> retention_;
  std::unique_ptr<KvSelection> selection_;
  int64_t length_ = 0;
  std::vector<std::vector<BlockId>> tables_;  // [layers][blocks]
  // The same blocks, for the kernels; null where the open form is gone.
  std::vector<std::vector<const std::byte*>> addresses_;
  std::vector<std::vector<BlockId>> compact_;             // [layers][the first blocks]
  std::vector<std::vector<const std::byte*>> compact_addresses_;
  size_t filled_ = 0;  // of compact_, in all layers
  std::vector<const std::byte*> chosen_, chosen_compact_;
  std::vector<AttendJob> jobs_;
  std::vector<float> lse_;
};

}  // namespace weir::generate
