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
      addresses_(shape.layers),
      compact_(shape.layers),
      compact_addresses_(shape.layers) {}

PagedSequence::~PagedSequence() {
  ReleaseFrom(0);
  ReleaseCompactFrom(0);
}

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

void PagedSequence::SetCompact(int layer, size_t index, BlockId id) {
  compact_[layer].resize(std::max(compact_[layer].size(), index + 1), kNoBlock);
  compact_addresses_[layer].resize(compact_[layer].size());
  compact_[layer][index] = id;
  compact_addresses_[layer][index] = placement_->Address(id);
}

size_t PagedSequence::CompactFor(int64_t length) const {
  if (policy_->format().CompactBytes(shape_) == 0) return 0;
  return static_cast<size_t>(CompactBlocksFor(length, policy_->format().open_blocks()));
}

void PagedSequence::LoseOpen(int layer, size_t block) {
  placement_->Release(tables_[layer][block]);
  tables_[layer][block] = compact_[layer][block];
  addresses_[layer][block] = nullptr;
}

absl::Status PagedSequence::Reserve(int64_t n) {
  const auto no_room = [&](const absl::Status& status) {
    return Annotate(status,
                    absl::StrCat("KV cache: no room for ", n, " more tokens after ", length_));
  };
  const size_t have = tables_[0].size(), need = std::max(have, BlocksFor(length_ + n));
  const size_t tail = static_cast<size_t>(length_ / kBlockTokens);
  const bool cut = n > 0 && length_ % kBlockTokens != 0;
  if (cut && OpenIsGone(tail)) {
    if (absl::Status expanded = ExpandTail(); !expanded.ok()) return no_room(expanded);
  }
  const bool copy_tail = cut && placement_->Users(tables_[0][tail]) > 1;
  std::vector<BlockId> ids((need - have + (copy_tail ? 1 : 0)) * shape_.layers);
  absl::Status status = placement_->Allocate(std::span<BlockId>(ids));
  if (!status.ok()) return no_room(status);
  status = ReserveCompact(CompactFor(length_ + n));
  if (!status.ok()) {
    for (BlockId id : ids) placement_->Release(id);
    return no_room(status);
  }
  size_t next = 0;
  for (int layer = 0; layer < shape_.layers; ++layer) {
    if (copy_tail) {
      const BlockId old = tables_[layer][tail], own = ids[next++];
      std::memcpy(placement_->Address(own), placement_->Address(old), placement_->block_bytes());
      placement_->Release(old);
      SetBlock(layer, tail, own);
    } else if (cut) {
      placement_->Unpair(tables_[layer][tail]);  // it will no longer hold what its twin does
    }
    for (size_t b = have; b < need; ++b) SetBlock(layer, b, ids[next++]);
  }
  return absl::OkStatus();
}

// Gives a cut block, of which only the compact form is left, an open form to go on with.
absl::Status PagedSequence::ExpandTail() {
  const size_t tail = static_cast<size_t>(length_ / kBlockTokens);
  std::vector<BlockId> ids(shape_.layers);
  WEIR_RETURN_IF_ERROR(placement_->Allocate(std::span<BlockId>(ids)));
  for (int layer = 0; layer < shape_.layers; ++layer) {
    SetBlock(layer, tail, ids[layer]);
    policy_->format().Expand(compact_addresses_[layer][tail], placement_->Address(ids[layer]),
                             shape_);
  }
  ReleaseCompactFrom(tail);
  return absl::OkStatus();
}

// Compact blocks for the first `count` blocks; that of another sequence where it has one.
absl::Status PagedSequence::ReserveCompact(size_t count) {
  const size_t have = compact_[0].size();
  if (count <= have) return absl::OkStatus();
  const auto whole = static_cast<size_t>(length_ / kBlockTokens);  // others have no twins yet
  const auto twin_of = [&](int layer, size_t b) {
    return b < whole ? placement_->Twin(tables_[layer][b]) : kNoBlock;
  };
  size_t fresh = 0;
  for (int layer = 0; layer < shape_.layers; ++layer) {
    for (size_t b = have; b < count; ++b) fresh += twin_of(layer, b) == kNoBlock;
  }
  std::vector<BlockId> ids(fresh);
  WEIR_RETURN_IF_ERROR(placement_->AllocateCompact(std::span<BlockId>(ids)));
  size_t next = 0;
  for (int layer = 0; layer < shape_.layers; ++layer) {
    for (size_t b = have; b < count; ++b) {
      const BlockId twin = twin_of(layer, b);
      if (twin != kNoBlock) placement_->Share(twin);
      const BlockId id = twin != kNoBlock ? twin : ids[next++];
      SetCompact(layer, b, id);
      if (b < whole) placement_->Pair(tables_[layer][b], id);
    }
  }
  return absl::OkStatus();
}

// Makes the blocks compact that the new tokens are the first to read so.
void PagedSequence::FillCompact(int layer, int64_t length, Threads* threads) {
  std::vector<size_t> due;
  for (size_t b = filled_; b < CompactFor(length); ++b) {
    const BlockId id = compact_[layer][b];
    if (placement_->Filled(id)) continue;
    due.push_back(b);
    placement_->SetFilled(id);
    placement_->Pair(tables_[layer][b], id);
  }
  ParallelFor(threads, due.size(), 1, [&](size_t begin, size_t end, int) {
    for (size_t i = begin; i < end; ++i) {
      policy_->format().Compact(placement_->Address(tables_[layer][due[i]]),
                                placement_->Address(compact_[layer][due[i]]), shape_);
    }
  });
}

void PagedSequence::Commit(int64_t n) {
  length_ += n;
  const size_t compact = CompactFor(length_);
  filled_ = std::max(filled_, compact);
  if (compact <= kSpareOpenBlocks) return;
  const size_t written = BlocksFor(length_);
  for (int layer = 0; layer < shape_.layers; ++layer) {
    size_t unwritten = written;
    for (size_t b = compact - kSpareOpenBlocks; b-- > sinks() && addresses_[layer][b] != nullptr;) {
      // A block that is reserved for later gets this memory, which has been touched, for its own.
      const BlockId give = tables_[layer][b];
      if (unwritten < tables_[layer].size() && placement_->Users(give) == 1) {
        placement_->Unpair(give);
        tables_[layer][b] = tables_[layer][unwritten];
        SetBlock(layer, unwritten++, give);
      }
      LoseOpen(layer, b);
    }
  }
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
  FillCompact(layer, length_ + n, threads);
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
                      .compact = compact_addresses_[layer],
                      .sinks = sinks(),
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
  if (from < compact_[0].size()) {
    return absl::UnimplementedError("KV format: compact blocks cannot be written again");
  }
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
                     .compact = compact_addresses_[layer],
                     .sinks = sinks(),
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
  chosen_compact_.clear();
  for (uint32_t b : plan.blocks) {
    chosen_.push_back(addresses_[layer][b]);
    const auto& compact = compact_addresses_[layer];
    chosen_compact_.push_back(b < compact.size() ? compact[b] : nullptr);
  }
  const size_t row = size_t(shape_.heads) * shape_.head_dim;
  const size_t lists = plan.offsets.empty() ? 1 : plan.offsets.size() - 1;
  int64_t at = 0;
  for (size_t i = 0; i < lists; ++i) {
    const size_t begin = plan.offsets.empty() ? 0 : plan.offsets[i];
    const size_t count = (plan.offsets.empty() ? chosen_.size() : plan.offsets[i + 1]) - begin;
    const int64_t own_end = ((length_ + at) / kBlockTokens + 1) * kBlockTokens;
    const int64_t end = plan.offsets.empty() ? length : std::min(length, own_end);
    const int64_t queries = end - length_ - at;
    // Each block in the form that the last of these queries reads it in.
    size_t compact = 0, open = 0;
    for (size_t c = 0; c < count; ++c) {
      const uint32_t b = plan.blocks[begin + c];
      if (b < CompactFor(end) || chosen_[begin + c] == nullptr) {
        compact = c + 1;
      } else if (b >= sinks()) {
        break;
      }
    }
    for (size_t c = 0; c < compact; ++c) {
      if (plan.blocks[begin + c] < sinks()) {
        ++open;
      } else {
        chosen_[begin + c] = nullptr;
      }
    }
    jobs_.push_back({.blocks = std::span(chosen_).subspan(begin, count),
                     .compact = std::span(chosen_compact_).subspan(begin, compact),
                     .sinks = open,
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

void PagedSequence::AppendShared(std::span<const BlockId> ids, std::span<const BlockId> compact) {
  const size_t block = tables_[0].size();
  if (!compact.empty()) ShareCompact(compact);
  for (int layer = 0; layer < shape_.layers; ++layer) {
    // One sequence's open forms are a run up to its newest block.
    for (size_t b = block; ids.empty() && b-- > sinks() && addresses_[layer][b] != nullptr;)
      LoseOpen(layer, b);
    const BlockId id = ids.empty() ? compact[layer] : ids[layer];
    if (!ids.empty()) placement_->Share(id);
    SetBlock(layer, block, id);
    if (ids.empty()) addresses_[layer][block] = nullptr;
  }
  length_ += kBlockTokens;
}

void PagedSequence::ShareCompact(std::span<const BlockId> compact) {
  const size_t block = compact_[0].size();
  for (int layer = 0; layer < shape_.layers; ++layer) {
    placement_->Share(compact[layer]);
    SetCompact(layer, block, compact[layer]);
  }
  if (filled_ == block) ++filled_;
}

std::unique_ptr<PagedSequence> PagedSequence::Fork() const {
  auto copy = std::make_unique<PagedSequence>(policy_, shape_, placement_, selection_->Fork());
  copy->retention_ = retention_->Fork();
  copy->length_ = length_;
  const size_t blocks = BlocksFor(length_);
  for (int layer = 0; layer < shape_.layers; ++layer) {
    size_t compact = std::min(CompactFor(length_), compact_[layer].size());
    for (size_t b = 0; b < blocks; ++b) {
      copy->SetBlock(layer, b, tables_[layer][b]);
      if (OpenIsGone(b)) {
        copy->addresses_[layer][b] = nullptr;
        compact = std::max(compact, b + 1);
      } else {
        placement_->Share(tables_[layer][b]);
      }
    }
    for (size_t b = 0; b < compact; ++b) {
      placement_->Share(compact_[layer][b]);
      copy->SetCompact(layer, b, compact_[layer][b]);
    }
  }
  copy->filled_ = std::min(filled_, copy->compact_[0].size());
  return copy;
}

void PagedSequence::Truncate(int64_t length) {
  length_ = length;
  ReleaseFrom(BlocksFor(length));
  // A block that is cut will hold other tokens, so its compact form is of no more use, unless it is
  // all that is left.
  const auto whole = static_cast<size_t>(length / kBlockTokens);
  ReleaseCompactFrom(whole < tables_[0].size() && OpenIsGone(whole) ? whole + 1 : whole);
  retention_->OnTruncate(length);
  selection_->OnTruncate(length);
}

void PagedSequence::ReleaseFrom(size_t block) {
  for (int layer = 0; layer < shape_.layers; ++layer) {
    while (tables_[layer].size() > block) {
      if (addresses_[layer].back() != nullptr) placement_->Release(tables_[layer].back());
      tables_[layer].pop_back();
      addresses_[layer].pop_back();
    }
  }
}

void PagedSequence::ReleaseCompactFrom(size_t block) {
  for (int layer = 0; layer < shape_.layers; ++layer) {
    while (compact_[layer].size() > block) {
      placement_->Release(compact_[layer].back());
      compact_[layer].pop_back();
      compact_addresses_[layer].pop_back();
    }
  }
  filled_ = std::min(filled_, compact_[0].size());
}

int64_t PagedSequence::Reusable(int64_t length) const {
  // Blocks after the sinks lose their open form in order, so the oldest that must have it tells.
  const size_t oldest = std::max(CompactFor(length + 1), sinks());
  return oldest < BlocksFor(length) && OpenIsGone(oldest) ? 0 : length;
}

}  // namespace weir::generate
