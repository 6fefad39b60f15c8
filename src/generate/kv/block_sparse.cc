#include "generate/kv/block_sparse.h"

#include <algorithm>

#include "base/registry.h"
#include "base/status.h"

namespace weir::generate {
namespace {

int64_t WholeBlocks(int64_t tokens) { return (tokens + kBlockTokens - 1) / kBlockTokens; }

}  // namespace

BlockSparse::BlockSparse(const BlockSparseOptions& options)
    : local_blocks_(std::max<int64_t>(1, WholeBlocks(options.local))),
      global_blocks_(WholeBlocks(options.global)),
      stride_(options.stride) {}

bool BlockSparse::Sees(int64_t query_block, int64_t key_block) const {
  const int64_t back = query_block - key_block;
  if (back < 0) return false;
  return back < local_blocks_ || key_block < global_blocks_ ||
         (stride_ > 0 && back % stride_ == 0);
}

void BlockSparse::AddVisible(int64_t query_block, std::vector<uint32_t>& blocks) const {
  for (int64_t b = 0; b <= query_block; ++b) {
    if (Sees(query_block, b)) blocks.push_back(static_cast<uint32_t>(b));
  }
}

ReadPlan BlockSparse::BeforeAttention(int, int64_t n, const float*, int64_t length) {
  ReadPlan plan{.kind = ReadPlan::Kind::kBlocks};
  const int64_t first = (length - n) / kBlockTokens, last = (length - 1) / kBlockTokens;
  if (first == last) {
    AddVisible(first, plan.blocks);
    return plan;
  }
  for (int64_t block = first; block <= last; ++block) {
    plan.offsets.push_back(static_cast<uint32_t>(plan.blocks.size()));
    AddVisible(block, plan.blocks);
  }
  plan.offsets.push_back(static_cast<uint32_t>(plan.blocks.size()));
  return plan;
}

double BlockSparse::Density(int64_t tokens) const {
  int64_t seen = 0;
  for (int64_t own = 0; own < WholeBlocks(tokens); ++own) {
    const int64_t queries = std::min<int64_t>(kBlockTokens, tokens - own * kBlockTokens);
    seen += queries * (queries + 1) / 2;
    for (int64_t b = 0; b < own; ++b) seen += Sees(own, b) ? queries * kBlockTokens : 0;
  }
  return static_cast<double>(seen) /
         (0.5 * static_cast<double>(tokens) * static_cast<double>(tokens + 1));
}

std::unique_ptr<KvSelection> BlockSparse::Fork() const {
  return std::make_unique<BlockSparse>(*this);
}

void RegisterBlockSparse(Registry& registry) {
  registry.Add<KvSelection>(
      "block-sparse", "Reads the newest blocks, the first ones and every stride-th between.",
      [](const OptionTable& table) -> absl::StatusOr<std::unique_ptr<KvSelection>> {
        WEIR_ASSIGN_OR_RETURN(const auto options, ReadOptions<BlockSparseOptions>(table));
        return std::make_unique<BlockSparse>(options);
      },
      OwnedOptions<BlockSparseOptions>);
}

}  // namespace weir::generate
