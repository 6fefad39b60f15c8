// Technique: block-sparse
// Source: Dao, Fu, Ermon, Rudra and Re, FlashAttention: Fast and Memory-Efficient Exact Attention
//   with IO-Awareness (section 3.3), NeurIPS 2022, arXiv 2205.14135; the strided pattern is that of
//   Child, Gray, Radford and Sutskever, Generating Long Sequences with Sparse Transformers, 2019
// Idea: A fixed 0/1 mask over (block of queries, block of keys); blocks under a 0 are never read. A
//   query sees the newest blocks, the first ones, and every stride-th block back from its own.
// Formulas: block j of keys is visible to block i of queries when j > i - local / 32 or
//   j < global / 32 or (i - j) % stride == 0, and j <= i
// Cost: time and bytes of dense attention times the density of the mask
// Differs: strided blocks instead of the paper's butterfly, whose blocks are chosen for training
//   from scratch; every head and layer has the same mask; sizes are whole blocks of 32 tokens
// Checked by: BlockSparseTest.EqualsDenseAttentionUnderTheMask,
//   BlockSparseTest.TokensOneByOneGiveTheSameBytes
// Measured by: weir bench attention --rows sparse
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/options.h"
#include "generate/kv/policy.h"

namespace weir::generate {

struct BlockSparseOptions {
  int64_t local = 512;
  int64_t global = 64;
  int64_t stride = 8;
  template <class V>
  void Visit(V& v) {
    v(local, {.name = "local",
              .help = "Newest tokens that a query sees, in whole blocks, its own among them.",
              .unit = "tokens",
              .min = 32,
              .max = 1 << 24});
    v(global, {.name = "global",
               .help = "First tokens of the sequence that every query sees, in whole blocks.",
               .unit = "tokens",
               .min = 0,
               .max = 1 << 24});
    v(stride, {.name = "stride",
               .help = "Every so manieth block back from the query's own is seen; 0: none.",
               .unit = "blocks",
               .min = 0,
               .max = 1 << 20});
  }
};

class BlockSparse : public KvSelection {
 public:
  explicit BlockSparse(const BlockSparseOptions& options);

  ReadPlan::Kind reads() const override { return ReadPlan::Kind::kBlocks; }
  ReadPlan BeforeAttention(int layer, int64_t n, const float* q, int64_t length) override;
  std::unique_ptr<KvSelection> Fork() const override;

  bool Sees(int64_t query_block, int64_t key_block) const;
  // Pairs of query and key that are visible, of those that a causal mask lets through.
  double Density(int64_t tokens) const;

 private:
  void AddVisible(int64_t query_block, std::vector<uint32_t>& blocks) const;

  int64_t local_blocks_, global_blocks_, stride_;
};

}  // namespace weir::generate
