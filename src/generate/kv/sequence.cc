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

absl::Status PagedSequence::Read(int layer, int64_t first, int64_t n, float* k, float* v) const {
  const size_t row = size_t(shape_.kv_heads) * shape_.head_dim;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t position = first + i;
    WEIR_RETURN_IF_ERROR(policy_->format().Read(addresses_[layer][position / kBlockTokens],
                                                static_cast<int>(position % kBlockTokens),
                                                k + i * row, v + i * row, shape_));
  }
  return absl::OkStatus();
}

void PagedSequence::Overwrite(int layer, std::span<const int64_t> positions, const float* k,
                              const float* v, Threads* threads) {
  const size_t row = size_t(shape_.kv_heads) * shape_.head_dim;
  ParallelFor(threads, positions.size(), kWriteGrain, [&](size_t begin, size_t end, int) {
    for (size_t i = begin; i < end; ++i) {
      const int64_t position = positions[i];
      std::byte* block = placement_->Address(tables_[layer][position / kBlockTokens]);
      policy_->format().Write(block, static_cast<int>(position % kBlockTokens), k + i * row,
                              v + i * row, shape_);
    }
  });
}

void PagedSequence::AttendAt(int layer, std::span<const int64_t> positions, const float* q,
                             float* out, float* lse, Threads* threads) {
  const AttendJob job{.blocks = addresses_[layer],
                      .length = positions.back() + 1,
                      .queries = static_cast<int64_t>(positions.size()),
                      .window = shape_.window(layer),
                      .q = q,
                      .out = out,
                      .lse = lse,
                      .positions = positions.data()};
  policy_->execution().Attend(policy_->format(), std::span(&job, 1), shape_, threads);
}

absl::Status PagedSequence::MakePrivate(int64_t first) {
  const auto from = static_cast<size_t>(first / kBlockTokens);
  std::vector<size_t> shared;  // the layers' tables are shared alike
  for (size_t b = from; b < tables_[0].size(); ++b) {
    if (placement_->Users(tables_[0][b]) > 1) shared.push_back(b);
  }
  std::vector<BlockId> ids(shared.size() * shape_.layers);
  WEIR_RETURN_IF_ERROR(placement_->Allocate(std::span<BlockId>(ids)));
  size_t next = 0;
  for (int layer = 0; layer < shape_.layers; ++layer) {
    for (size_t b : shared) {
      const BlockId old = tables_[layer][b], own = ids[next++];
      std::memcpy(placement_->Address(own), placement_->Address(old), placement_->block_bytes());
      placement_->Release(old);
      SetBlock(layer, b, own);
    }
  }
  return absl::OkStatus();
}

std::vector<std::byte*> PagedSequence::Blocks(int layer) {
  std::vector<std::byte*> blocks;
  for (BlockId id : tables_[layer]) blocks.push_back(placement_->Address(id));
  return blocks;
}

void PagedSequence::PlanJobs(int layer, int64_t n, const float* q, float* out,
                             const ReadPlan& plan) {
  const int64_t length = length_ + n;
  jobs_.clear();
  if (plan.kind != ReadPlan::Kind::kBlocks) {
    jobs_.push_back({.blocks = addresses_[layer],
                     .length = length,
                     .queries = n,
                     .window = shape_.window(layer),
                     .q = q,
                     .out = out});
    return;
  }
  // The kernel sees the chosen blocks as one shorter sequence; only the newest may be partly
  // filled.
  chosen_.clear();
  for (uint32_t b : plan.blocks) chosen_.push_back(addresses_[layer][b]);
  const size_t row = size_t(shape_.heads) * shape_.head_dim;
  const size_t lists = plan.offsets.empty() ? 1 : plan.offsets.size() - 1;
  int64_t at = 0;
  for (size_t i = 0; i < lists; ++i) {
    const size_t begin = plan.offsets.empty() ? 0 : plan.offsets[i];
    const size_t count = (plan.offsets.empty() ? chosen_.size() : plan.offsets[i + 1]) - begin;
    const int64_t own_end = ((length_ + at) / kBlockTokens + 1) * kBlockTokens;
    const int64_t end = plan.offsets.empty() ? length : std::min(length, own_end);
    const int64_t queries = end - length_ - at;
    jobs_.push_back({.blocks = std::span(chosen_).subspan(begin, count),
                     .length = static_cast<int64_t>(count - 1) * kBlockTokens +
                               (end - 1) % kBlockTokens + 1,
                     .queries = queries,
                     .q = q + at * row,
                     .out = out + at * row});
    at += queries;
  }
}

std::span<const AttendJob> PagedSequence::StartAttend(int layer, int64_t n, const float* q,
                                                      float* out) {
  ReadPlan plan;
  if (shape_.window(layer) == 0) plan = selection_->BeforeAttention(layer, n, q, length_ + n);
  PlanJobs(layer, n, q, out, plan);
  if (retention_->needs_lse() || selection_->needs_lse()) {
    lse_.resize(static_cast<size_t>(n) * shape_.heads);
    float* at = lse_.data();
    for (AttendJob& job : jobs_) {
      job.lse = at;
      at += job.queries * shape_.heads;
    }
  }
  return jobs_;
}

void PagedSequence::FinishAttend(int layer, int64_t n) {
  if (!retention_->needs_lse() && !selection_->needs_lse()) return;
  const AttentionView view{.layer = layer, .queries = n, .lse = lse_.data()};
  if (retention_->needs_lse()) retention_->OnAttention(view);
  if (selection_->needs_lse()) selection_->OnAttention(view);
}

void PagedSequence::Attend(int layer, int64_t n, const float* q, float* out, Threads* threads) {
  policy_->execution().Attend(policy_->format(), StartAttend(layer, n, q, out), shape_, threads);
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
