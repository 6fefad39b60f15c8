#include "generate/kv/kivi.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/registry.h"
#include "base/status.h"
#include "tensor/coded_kv.h"

namespace weir::generate {
namespace {

Registry::Factory<KvFormat> Factory(int bits) {
  return [bits](const OptionTable& table) -> absl::StatusOr<std::unique_ptr<KvFormat>> {
    WEIR_ASSIGN_OR_RETURN(const KiviOptions options, ReadOptions<KiviOptions>(table));
    for (const auto& [name, tokens] :
         {std::pair{"residual", options.residual}, {"sink", options.sink}}) {
      if (tokens % kBlockTokens == 0) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          "kivi: a ", name, " of ", tokens, " tokens; expected a multiple of ", kBlockTokens));
    }
    const bool by_token = options.keys == "token";
    // Keys lose most of what 2 bits lose; the baseline stays what the paper compares with.
    const int key_bits = bits == 2 && !by_token ? 3 : bits;
    return std::make_unique<KiviFormat>(
        tensor::CodedForm{.key_bits = key_bits,
                          .value_bits = bits,
                          .token_keys = by_token},
        options.open == "f16" ? tensor::KvStorage::kHalf : tensor::KvStorage::kInt8,
        options.residual / kBlockTokens, options.sink / kBlockTokens);
  };
}

}  // namespace

absl::Status KiviFormat::Check(const KvShape& shape) const {
  if (shape.head_dim % 32 == 0 && shape.head_dim <= tensor::kMaxCodedDim) return absl::OkStatus();
  return absl::UnimplementedError(
      absl::StrCat("KV format kivi: heads of ", shape.head_dim,
                   " channels; expected a multiple of 32, at most ", tensor::kMaxCodedDim));
}

size_t KiviFormat::CompactBytes(const KvShape& shape) const {
  return tensor::CodedBlockBytes(shape.kv_heads, shape.head_dim, form_);
}

void KiviFormat::Compact(const std::byte* block, std::byte* compact, const KvShape& shape) const {
  tensor::CodeBlock(block, storage_, shape.kv_heads, shape.head_dim, form_, compact);
}

void KiviFormat::Expand(const std::byte* compact, std::byte* block, const KvShape& shape) const {
  tensor::DecodeBlock(compact, form_, shape.kv_heads, shape.head_dim, storage_, block);
}

// Queries that read the same blocks in the same form are one call.
void KiviFormat::Attend(const AttendJob& job, const KvShape& shape, Threads* threads) const {
  static thread_local std::vector<const std::byte*> blocks;
  tensor::PagedAttention a;
  a.heads = shape.heads;
  a.kv_heads = shape.kv_heads;
  a.head_dim = shape.head_dim;
  a.window = job.window;
  a.scale = 1.0f / std::sqrt(static_cast<float>(shape.head_dim));
  a.storage = storage_;
  a.coded = form_;
  const size_t row = static_cast<size_t>(shape.heads) * shape.head_dim;
  const auto position_of = [&](int64_t query) {
    return job.positions == nullptr ? job.length - job.queries + query : job.positions[query];
  };
  const auto compact_for = [&](int64_t query) {
    size_t n = std::min<size_t>(CompactBlocksFor(position_of(query) + 1, residual_blocks_),
                                job.compact.size());
    // A sequence that was cut may have lost the open form of blocks that should have it. They
    // follow the blocks of the beginning, which never lose theirs.
    for (size_t b = std::max(n, job.sinks); b < job.compact.size() && job.blocks[b] == nullptr;)
      n = ++b;
    return n;
  };
  for (int64_t first = 0; first < job.queries;) {
    const size_t compact = compact_for(first);
    int64_t last = first + 1;
    while (last < job.queries && compact_for(last) == compact) ++last;
    a.length = position_of(last - 1) + 1;
    a.positions = job.positions == nullptr ? nullptr : job.positions + first;
    const size_t sinks = std::min(job.sinks, compact);
    blocks.assign(job.blocks.begin(), job.blocks.begin() + static_cast<int64_t>(sinks));
    blocks.insert(blocks.end(), job.compact.begin() + static_cast<int64_t>(sinks),
                  job.compact.begin() + static_cast<int64_t>(compact));
    const size_t used = static_cast<size_t>((a.length + kBlockTokens - 1) / kBlockTokens);
    blocks.insert(blocks.end(), job.blocks.begin() + static_cast<int64_t>(compact),
                  job.blocks.begin() + static_cast<int64_t>(used));
    a.blocks = blocks;
    a.coded_first = sinks;
    a.coded_last = compact;
    tensor::Attend(a, job.q + first * row, last - first, job.out + first * row,
                   job.lse == nullptr ? nullptr : job.lse + first * shape.heads, threads);
    first = last;
  }
}

void RegisterKivi(Registry& registry) {
  registry.Add<KvFormat>("kivi2", "Old blocks: keys by channel in 3 bits, values in 2.", Factory(2),
                         OwnedOptions<KiviOptions>);
  registry.Add<KvFormat>("kivi4", "Old blocks in 4 bits, keys by channel.", Factory(4),
                         OwnedOptions<KiviOptions>);
}

}  // namespace weir::generate
