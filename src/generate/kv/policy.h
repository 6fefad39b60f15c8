// The KV cache's five axes and the interfaces behind them. A run picks one value per axis:
//
//   format     how a block is stored              KvFormat
//   retention  which tokens exist                 KvRetention
//   selection  which tokens are read this step    KvSelection
//   execution  how the reads of a step are made   KvExecution
//   placement  where blocks live                  KvPlacement
//
// A block holds 32 tokens of one layer and all KV heads. It is immutable once it is full or shared.
// Blocks are written open; a format may keep old ones in a compact form as well, made once.
// Each cached token keeps its original position and keys are stored after RoPE, so dropping or
// gathering tokens never rotates anything again. Decisions are made per KV head, never per query
// head. Formats, executions and placements have no state of a sequence; retention and selection do,
// and are made, forked and truncated with it. All hooks are called by the sequence's thread.
//
// A value that is not built in is a technique: its own files beside these, a card, one line as
//   weir_technique(kivi KvFormat)       in CMakeLists.txt, and in its source
//   void RegisterKivi(Registry& r) {
//     r.Add<KvFormat>("kivi2", "Old blocks in 2 bits.", <factory>, OwnedOptions<KiviOptions>);
//   }
// with the axis' interface as the type (KvPlacementMaker for placements).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/registry.h"
#include "base/threads.h"
#include "tensor/attention.h"

namespace weir::generate {

inline constexpr int kBlockTokens = tensor::kKvBlockTokens;

struct KvShape {
  int layers = 0, heads = 0, kv_heads = 0, head_dim = 0;
  // [layers], or empty. > 0: a query sees the newest so many tokens of the layer, itself included.
  std::vector<int64_t> windows = {};

  int64_t window(int layer) const { return windows.empty() ? 0 : windows[layer]; }
};

using BlockId = uint32_t;  // an address in a placement
inline constexpr BlockId kNoBlock = UINT32_MAX;

// What one step's attention reads of one layer.
struct ReadPlan {
  enum class Kind {
    kAll,     // every stored token
    kBlocks,  // whole blocks by index in the sequence, ascending, the queries' own block last
    kTokens,  // token positions for each KV head, ascending
  };
  Kind kind = Kind::kAll;
  std::vector<uint32_t> blocks;
  // kBlocks only. Empty: all queries read the same blocks, and are of the newest block or see past
  // their own. Else the queries of the i-th block that the new tokens touch read
  // blocks[offsets[i], offsets[i + 1]).
  std::vector<uint32_t> offsets;
  std::vector<std::vector<int64_t>> tokens;  // [kv_heads]
};

// Shown after attention to the policies that asked for it.
struct AttentionView {
  int layer = 0;
  int64_t queries = 0;         // newest tokens that asked
  const float* lse = nullptr;  // [queries, heads] log-sum-exp of the visited logits
};

// What a retention policy gives up when memory is short.
struct EvictPlan {
  std::vector<int64_t> tokens;        // positions to drop
  std::vector<uint32_t> move_blocks;  // blocks that another tier may take
};

// Writes or reads a policy's own state (scores, kept sets) beside the blocks.
class KvSink {
 public:
  virtual ~KvSink() = default;
  virtual absl::Status Write(std::string_view bytes) = 0;
};

// Hooks that retention and selection share. The defaults fit a policy without state.
class KvHooks {
 public:
  virtual ~KvHooks() = default;
  virtual void Begin(int64_t prompt_tokens, int64_t max_new) {}  // budgets
  // K and V of positions [first, first + n) were written to a layer.
  virtual void OnAppend(int layer, int64_t first, int64_t n) {}
  virtual bool needs_lse() const { return false; }
  virtual void OnAttention(const AttentionView& view) {}
  virtual void OnTruncate(int64_t length) {}
  // True when its state is the same whoever computed a prefix of the tokens, so that a sequence may
  // begin with the blocks of another.
  virtual bool shares_prefixes() const { return false; }
  virtual absl::Status Save(KvSink& sink) const { return absl::OkStatus(); }
  virtual absl::Status Load(std::string_view bytes) { return absl::OkStatus(); }
};

class KvRetention : public KvHooks {
 public:
  // `blocks`: how many are missing. An empty plan means that nothing can be given up.
  virtual EvictPlan OnEvict(int64_t blocks) { return {}; }
  virtual std::unique_ptr<KvRetention> Fork() const = 0;
};

class KvSelection : public KvHooks {
 public:
  // The widest kind of plan it makes: what the format must be able to read.
  virtual ReadPlan::Kind reads() const = 0;
  // q: [n, heads, head_dim] f32 after RoPE; `length` counts the n new tokens. Not asked for layers
  // with a window, which is all that they read.
  virtual ReadPlan BeforeAttention(int layer, int64_t n, const float* q, int64_t length) = 0;
  virtual std::unique_ptr<KvSelection> Fork() const = 0;
};

// One sequence's read of one layer: attention of `queries` queries over the given blocks, of which
// `length` tokens are stored, the queries' own last.
struct AttendJob {
  std::span<const std::byte* const> blocks;  // open; null where only the compact form is left
  // The compact form of the first blocks, where the format has one; null where it must not be read.
  std::span<const std::byte* const> compact = {};
  size_t sinks = 0;  // the first so many blocks are read open by all
  int64_t length = 0, queries = 0;
  int64_t window = 0;  // > 0: a query sees the newest so many tokens only
  const float* q = nullptr;
  float* out = nullptr;
  float* lse = nullptr;  // [queries, heads] or null
  // [queries] ascending, where they stand; null: the newest tokens.
  const int64_t* positions = nullptr;
};

class KvFormat {
 public:
  virtual ~KvFormat() = default;
  // kUnimplemented when the format cannot hold heads of this shape.
  virtual absl::Status Check(const KvShape& shape) const { return absl::OkStatus(); }
  virtual size_t BlockBytes(const KvShape& shape) const = 0;
  // One token at `slot` in [0, 32). k, v: [kv_heads, head_dim] f32.
  virtual void Write(std::byte* block, int slot, const float* k, const float* v,
                     const KvShape& shape) const = 0;
  // The inverse: the token at `slot` as stored, after RoPE. Kept prompts and passages are made of
  // it. kUnimplemented where a format cannot give single tokens back.
  virtual absl::Status Read(const std::byte* block, int slot, float* k, float* v,
                            const KvShape& shape) const {
    return absl::UnimplementedError("KV format: its tokens cannot be read back");
  }
  virtual bool Reads(ReadPlan::Kind kind) const = 0;
  // Reads no block that lies before the windows of all queries.
  virtual void Attend(const AttendJob& job, const KvShape& shape, Threads* threads) const = 0;
  // Attend of several sequences; with `share`, blocks that neighbours have at the same index may be
  // read once for all of them. Bit-equal to one call a sequence.
  virtual void AttendTogether(std::span<const AttendJob> jobs, bool share, const KvShape& shape,
                              Threads* threads) const {
    for (const AttendJob& job : jobs) Attend(job, shape, threads);
  }
  // True when the bytes of a full block depend on the tokens up to its end alone.
  virtual bool shares_prefixes() const { return false; }

  // Bytes of a compact block; 0: the format has none. If it has, a query reads a block in that form
  // when at least open_blocks() whole blocks lie between it and the query's own.
  virtual size_t CompactBytes(const KvShape& shape) const { return 0; }
  virtual int64_t open_blocks() const { return 0; }
  // So many blocks of a sequence's beginning are kept open beside it, and read so.
  virtual int64_t sink_blocks() const { return 0; }
  // From a block whose 32 slots are written, and back into one.
  virtual void Compact(const std::byte* block, std::byte* compact, const KvShape& shape) const {}
  virtual void Expand(const std::byte* compact, std::byte* block, const KvShape& shape) const {}
};

class KvExecution {
 public:
  virtual ~KvExecution() = default;
  virtual void Attend(const KvFormat& format, std::span<const AttendJob> jobs, const KvShape& shape,
                      Threads* threads) const = 0;
};

// Owns blocks, counts their users, and says where they are. Not thread-safe.
class KvPlacement {
 public:
  virtual ~KvPlacement() = default;
  // kResourceExhausted when fewer are free; then none is taken. The blocks' count is 1.
  virtual absl::Status Allocate(std::span<BlockId> out) = 0;
  virtual void Share(BlockId id) = 0;
  virtual void Release(BlockId id) = 0;
  virtual int Users(BlockId id) const = 0;
  // Valid until the block is released; a placement that moves blocks brings them here first.
  virtual std::byte* Address(BlockId id) = 0;
  virtual int64_t free_blocks() const = 0;  // open ones, as are the used ones
  virtual int64_t used_blocks() const = 0;
  virtual size_t block_bytes() const = 0;
  virtual int64_t used_bytes() const = 0;  // open and compact

  // For formats with a compact form. An open block and a compact one that hold the same tokens are
  // twins until either is free or Unpair: who shares one finds the other, so that it is made once.
  // A compact block is filled when it was written since it was allocated.
  virtual absl::Status AllocateCompact(std::span<BlockId> out) = 0;
  virtual int64_t free_compact_blocks() const = 0;
  virtual void Pair(BlockId open, BlockId compact) = 0;
  virtual void Unpair(BlockId id) = 0;
  virtual BlockId Twin(BlockId id) const = 0;
  virtual bool Filled(BlockId compact) const = 0;
  virtual void SetFilled(BlockId compact) = 0;

  // What Allocate asks for `blocks` more before it gives up: a cache releases what nobody else
  // uses. One at a time; null for none.
  void set_reclaim(std::function<void(int64_t blocks)> reclaim) { reclaim_ = std::move(reclaim); }

 protected:
  void Reclaim(int64_t blocks) {
    if (reclaim_ != nullptr) reclaim_(blocks);
  }

 private:
  std::function<void(int64_t)> reclaim_;
};

class KvPlacementMaker {
 public:
  virtual ~KvPlacementMaker() = default;
  // `blocks` open blocks, and as many compact ones if compact_bytes > 0. Errors: kInvalidArgument
  // (a size that is not positive), kResourceExhausted.
  virtual absl::StatusOr<std::unique_ptr<KvPlacement>> Make(size_t block_bytes, int64_t blocks,
                                                            size_t compact_bytes) const = 0;
};

// One run's choice: a word for each axis, a value's name and for techniques their options, as
// "block-sparse:local=512,global=64".
struct KvChoice {
  std::string format = "auto", retention = "all", selection = "dense", execution = "automatic",
              placement = "ram";
};

// What `--kv` says: values of different axes joined by '+', as "q8" or "kivi2+hydragen"; an axis
// that is not named keeps its default. `techniques` holds the values beyond the built-in ones.
// Errors: kInvalidArgument (an unknown or repeated word: the message lists the values; an option).
absl::StatusOr<KvChoice> ParseKvChoice(std::string_view words,
                                       const Registry& techniques = Registry());

// The values of an axis ("format", ...), the default first. kNotFound for another word.
absl::StatusOr<std::vector<std::string_view>> KvValues(std::string_view axis,
                                                       const Registry& techniques = Registry());

// kUnimplemented when the two do not work together. Make asks it at start-up; so does whoever
// brings a selection of their own.
absl::Status CheckKvPair(const KvFormat& format, const KvSelection& selection);

// Whole blocks that stay open beyond what the format asks for: a sequence may lose its newest 32
// tokens (rejected drafts) and go on as if they had never been.
inline constexpr int64_t kSpareOpenBlocks = 1;

// How many of the first blocks the last of `length` tokens reads in compact form.
inline int64_t CompactBlocksFor(int64_t length, int64_t open_blocks) {
  const int64_t own = length > 0 ? (length - 1) / kBlockTokens : 0;
  return own > open_blocks ? own - open_blocks : 0;
}

// One policy, made from a choice: unknown names, pairs that do not work together and formats that
// cannot hold the shape are refused here, before anything is allocated. Format "auto" is q8 where
// the shape allows it, else f16.
class KvPolicy {
 public:
  // Errors: kInvalidArgument (a name; the message lists the values), kUnimplemented (a refused
  // pair or shape).
  static absl::StatusOr<std::shared_ptr<const KvPolicy>> Make(
      const KvChoice& choice, const KvShape& shape, const Registry& techniques = Registry());

  const KvFormat& format() const { return *format_; }
  const KvExecution& execution() const { return *execution_; }
  // True when sequences may begin with each other's blocks: format, retention and selection agree.
  bool shares_prefixes() const;
  std::unique_ptr<KvRetention> MakeRetention() const { return retention_->Fork(); }
  std::unique_ptr<KvSelection> MakeSelection() const { return selection_->Fork(); }
  // Room for `tokens` tokens over all layers, taken at once. Errors: kInvalidArgument,
  // kResourceExhausted.
  absl::StatusOr<std::unique_ptr<KvPlacement>> MakePlacement(const KvShape& shape,
                                                             int64_t tokens) const;
  // What one sequence of so many tokens takes of it.
  int64_t CacheBytes(const KvShape& shape, int64_t tokens) const;

 private:
  KvPolicy() = default;
  std::unique_ptr<const KvFormat> format_;
  // Retention and selection are fresh: each sequence gets a fork.
  std::unique_ptr<const KvRetention> retention_;
  std::unique_ptr<const KvSelection> selection_;
  std::unique_ptr<const KvExecution> execution_;
  std::unique_ptr<const KvPlacementMaker> placement_;
};

}  // namespace weir::generate
