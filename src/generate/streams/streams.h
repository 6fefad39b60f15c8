// Several completions at once: continuous batching over one decoder and one KV memory.
//
// Each step is one pass of the decoder over one token of every stream that writes and a part of the
// prompts that are read, so that a long prompt stalls nobody: a step's share of prompt tokens is
// what fits into a step's time. Streams come and go at any step. They are admitted in the order of
// submission, when the blocks that they may need at most are sure to be there; prompts are read in
// turns. A prompt takes the blocks of what an earlier one has in common with it, also while that
// one is still being read, so equal prompts are computed once.
//
// What a stream writes does not depend on who runs beside it, on the steps' sizes, or on the number
// of threads: tokens are bit-equal to those of the stream alone. Not thread-safe; a CancelToken may
// be set from any thread and ends its stream at the end of the step that is running.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "generate/completion_writer.h"
#include "generate/streams/batch_sequence.h"
#include "generate/streams/kv_memory.h"
#include "model/decoder.h"
#include "text/ports.h"

namespace weir::generate {

struct StreamsOptions {
  int64_t window = 4096;       // most tokens of a stream
  int64_t slots = 8;           // streams that run together
  int64_t step_tokens = 256;   // prompt tokens of a step at most
  // What a step is meant to take while somebody writes, and while prompts alone are read: the
  // second decides how long a cancelled stream keeps its blocks, of which 200 ms is the aim. An
  // estimate from the steps before, not a bound; steps of 8 prompt tokens are made whatever they
  // take.
  int64_t writing_step_ns = 50'000'000, reading_step_ns = 70'000'000;
};

class Streams {
 public:
  using Id = int64_t;
  struct Finished {
    Id id;
    absl::StatusOr<text::Completion> completion;  // cancelled is a completion
    int64_t reused = 0;  // prompt tokens that were taken from others
  };

  // `memory` was made for the decoder and must outlive the streams.
  Streams(std::shared_ptr<const model::Decoder> decoder, KvMemory& memory,
          const StreamsOptions& options);
  ~Streams();

  // Queues a completion of `prompt`, which `writer` was made for. `scope`: see PrefixCache.
  // `cancel` may be null and must outlive the stream. Errors: kInvalidArgument (a prompt that is
  // empty or longer than the window), kResourceExhausted (more than the memory holds).
  absl::StatusOr<Id> Submit(std::vector<int32_t> prompt, std::unique_ptr<CompletionWriter> writer,
                            const CancelToken* cancel = nullptr, std::string scope = "");
  // Ends a stream now; its blocks are free at once. Unknown ids (finished ones) are ignored.
  void Cancel(Id id);
  // One pass. context.cancel ends all streams. Streams of which the pass failed finish with the
  // error; other streams go on.
  void Step(const Context& context);
  bool idle() const { return waiting_.empty() && running_.empty(); }
  // Those that finished since the last call, in order.
  std::vector<Finished> TakeFinished() { return std::exchange(finished_, {}); }

  int64_t running() const { return static_cast<int64_t>(running_.size()); }
  int64_t waiting() const { return static_cast<int64_t>(waiting_.size()); }
  // Of the last step.
  int64_t step_prompt_tokens() const { return step_prompt_tokens_; }
  int64_t step_shared_tokens() const { return batch_.shared_tokens(); }
  model::DecoderTimes& times() { return workspace_->times(); }

 private:
  struct Stream;
  // A stream that reads a prompt whose beginning, so many tokens, another may take from it.
  struct Leader {
    Id id;
    int64_t tokens;
  };
  using Streamed = std::vector<std::unique_ptr<Stream>>;

  void EndCancelled(const Context& context);
  void End(Stream& stream, absl::Status status);
  void RemoveEnded();
  void Admit();
  bool Fits(const Stream& stream) const;
  int64_t Outstanding(const Stream& stream) const;
  int64_t OutstandingCompact(const Stream& stream) const;
  void Join(std::unique_ptr<Stream> stream);
  bool WaitsForLeader(const Stream& stream) const;
  void Adopt(Stream& stream);
  int64_t PromptBudget() const;
  void PlanRows();
  void PlanPrompts(int64_t budget);
  void AddRows(Stream& stream, int64_t rows);
  absl::Status Forward(const Context& context);
  void Write(Threads* threads);
  void Keep(const Stream& stream);

  std::shared_ptr<const model::Decoder> decoder_;
  KvMemory& memory_;
  const StreamsOptions options_;
  std::unique_ptr<model::Decoder::Workspace> workspace_;
  BatchSequence batch_;
  std::deque<std::unique_ptr<Stream>> waiting_;
  Streamed running_;  // in the order of admission
  std::vector<Finished> finished_;
  Id next_id_ = 0;
  Id turn_ = 0;             // the stream whose prompt is read first
  double token_ns_ = 0;     // of a row, from the steps before; 0: not known yet
  int64_t step_prompt_tokens_ = 0;

  // The step's rows.
  std::vector<int32_t> tokens_, logit_rows_;
  std::vector<BatchSequence::Part> parts_;
  std::vector<Stream*> in_step_;      // [parts]
  std::vector<Stream*> with_logits_;  // [logit_rows]
  std::vector<float> logits_;         // [slots, vocabulary]
};

}  // namespace weir::generate
