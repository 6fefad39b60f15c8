#include "generate/kv/sequence.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace weir::generate {
namespace {

// Tokens that one worker writes at least; fewer are not worth waking it.
constexpr size_t kWriteGrain = 32;

size_t BlocksFor(int64_t tokens) {
  return static_cast<size_t>((tokens + kBlockTokens - 1) / kBlockTokens);
}

}  // namespace

PagedSequence::PagedSequence(std::shared_ptr<const KvPolicy> policy, const KvShape& shape,
                             KvPlacement* placement)
    : PagedSequence(policy, shape, placement, policy->MakeSelection()) {}

PagedSequence::PagedSequence(std::shared_ptr<const KvPolicy> policy, const KvShape& shape,
                             KvPlacement* placement, std::unique_ptr<KvSelection> selection)
    : policy_(std::move(policy)),
      shape_(shape),
      placement_(placement),
      retention_(policy_->MakeRetention()),
      selection_(std::move(selection)),
      tables_(shape.layers),
      addresses_(shape.layers) {}

PagedSequence::~PagedSequence() { ReleaseFrom(0); }

void PagedSequence::Begin(int64_t prompt_tokens, int64_t max_new) {
  retention_->Begin(prompt_tokens, max_new);
  selection_->Begin(prompt_tokens, max_new);
}

void PagedSequence::SetBlock(int layer, size_t index, BlockId id) {
  if (index == tables_[layer].size()) {
    tables_[layer].push_back(id);
    addresses_[layer].push_back(nullptr);
  }
  tables_[layer][index] = id;
  addresses_[layer][index] = placement_->Address(id);
}

bool PagedSequence::TailIsShared() const {
  if (length_ % kBlockTokens == 0) return false;
  return placement_->Users(tables_[0][length_ / kBlockTokens]) > 1;
}

absl::Status PagedSequence::Reserve(int64_t n) {
  const size_t have = tables_[0].size(), need = std::max(have, BlocksFor(length_ + n));
  const bool copy_tail = n > 0 && TailIsShared();
  const size_t fresh = need - have + (copy_tail ? 1 : 0);
  if (fresh == 0) return absl::OkStatus();
  std::vector<BlockId> ids(fresh * shape_.layers);
  absl::Status status = placement_->Allocate(std::span<BlockId>(ids));
  if (!status.ok()) {
    return Annotate(status,
                    absl::StrCat("KV cache: no room for ", n, " more tokens after ", length_));
  }
  const size_t tail = static_cast<size_t>(length_ / kBlockTokens);
  size_t next = 0;
  for (int layer = 0; layer < shape_.layers; ++layer) {
    if (copy_tail) {
      const BlockId old = tables_[layer][tail], own = ids[next++];
      std::memcpy(placement_->Address(own), placement_->Address(old), placement_->block_bytes());
      placement_->Release(old);
      SetBlock(layer, tail, own);
    }
    for (size_t b = have; b < need; ++b) SetBlock(layer, b, ids[next++]);
  }
  return absl::OkStatus();
}

void PagedSequence::Append(int layer, int64_t n, const float* k, const float* v, Threads* threads) {
  const size_t row = size_t(shape_.kv_heads) * shape_.head_dim;
  ParallelFor(threads, static_cast<size_t>(n), kWriteGrain, [&](size_t begin, size_t end, int) {
    for (size_t i = begin; i < end; ++i) {
      const int64_t position = length_ + static_cast<int64_t>(i);
      std::byte* block = placement_->Address(tables_[layer][position / kBlockTokens]);
      policy_->format().Write(block, static_cast<int>(position % kBlockTokens), k + i * row,
                              v + i * row, shape_);
    }
  });
  retention_->OnAppend(layer, length_, n);
  selection_->OnAppend(layer, length_, n);
}

AttendJob PagedSequence::StartAttend(int layer, int64_t n, const float* q, float* out) {
  const int64_t length = length_ + n;
  const int64_t window = shape_.window(layer);
  AttendJob job{.blocks = addresses_[layer],
                .length = length,
                .queries = n,
                .window = window,
                .q = q,
                .out = out};
  ReadPlan plan;
  if (window == 0) plan = selection_->BeforeAttention(layer, n, q, length);
  if (plan.kind == ReadPlan::Kind::kBlocks) {
    // The kernel sees the chosen blocks as one shorter sequence; only the newest may be partly
    // filled.
    chosen_.clear();
    for (uint32_t b : plan.blocks) chosen_.push_back(addresses_[layer][b]);
    job.blocks = chosen_;
    const int64_t newest = (length - 1) % kBlockTokens + 1;
    job.length = static_cast<int64_t>(chosen_.size() - 1) * kBlockTokens + newest;
  }
  if (retention_->needs_lse() || selection_->needs_lse()) {
    lse_.resize(static_cast<size_t>(n) * shape_.heads);
    job.lse = lse_.data();
  }
  return job;
}

void PagedSequence::FinishAttend(int layer, int64_t n) {
  if (!retention_->needs_lse() && !selection_->needs_lse()) return;
  const AttentionView view{.layer = layer, .queries = n, .lse = lse_.data()};
  if (retention_->needs_lse()) retention_->OnAttention(view);
  if (selection_->needs_lse()) selection_->OnAttention(view);
}

void PagedSequence::Attend(int layer, int64_t n, const float* q, float* out, Threads* threads) {
  const AttendJob job = StartAttend(layer, n, q, out);
  policy_->execution().Attend(policy_->format(), std::span(&job, 1), shape_, threads);
  FinishAttend(layer, n);
}

void PagedSequence::AppendShared(std::span<const BlockId> ids) {
  for (int layer = 0; layer < shape_.layers; ++layer) {
    placement_->Share(ids[layer]);
    SetBlock(layer, tables_[layer].size(), ids[layer]);
  }
  length_ += kBlockTokens;
}

std::unique_ptr<PagedSequence> PagedSequence::Fork() const {
  auto copy = std::make_unique<PagedSequence>(policy_, shape_, placement_, selection_->Fork());
  copy->retention_ = retention_->Fork();
  copy->length_ = length_;
  const size_t blocks = BlocksFor(length_);
  for (int layer = 0; layer < shape_.layers; ++layer) {
    for (size_t b = 0; b < blocks; ++b) {
      placement_->Share(tables_[layer][b]);
      copy->SetBlock(layer, b, tables_[layer][b]);
    }
  }
  return copy;
}

void PagedSequence::Truncate(int64_t length) {
  length_ = length;
  ReleaseFrom(BlocksFor(length));
  retention_->OnTruncate(length);
  selection_->OnTruncate(length);
}

void PagedSequence::ReleaseFrom(size_t block) {
  for (int layer = 0; layer < shape_.layers; ++layer) {
    while (tables_[layer].size() > block) {
      placement_->Release(tables_[layer].back());
      tables_[layer].pop_back();
      addresses_[layer].pop_back();
    }
  }
}

}  // namespace weir::generate
