// Texts on their way through a BERT: token ids, cut at the window and packed into batches without
// padding, longest first, and the batches over the threads. The result of a text depends on its own
// tokens only.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "base/context.h"
#include "model/bert.h"
#include "model/tokenizer.h"

namespace weir::model {

// Tokens of one packed batch (a longer sequence is a batch of its own). Weights are read once a
// batch and activations of this many rows stay in the second-level cache; see README.md for the
// measurement.
inline constexpr int64_t kBatchTokens = 512;

struct TextBatch {
  std::vector<size_t> texts;  // their numbers, in the order of the offsets
  std::vector<int32_t> ids;
  std::vector<int64_t> offsets = {0};
  std::vector<int64_t> first_parts;  // as Bert::Run takes them
};

// With special tokens; `prefix` stands before each text.
std::vector<std::vector<int32_t>> TokenizeTexts(const Tokenizer& tokenizer,
                                                std::span<const std::string_view> texts,
                                                const std::string& prefix, const Context& context);

// Sequences longer than the window keep their first tokens and their last one ([SEP]). Errors:
// kInvalidArgument (an empty sequence, an id outside of [0, vocabulary)).
absl::Status FitSequences(std::vector<std::vector<int32_t>>& sequences, int64_t max_tokens,
                          int64_t vocabulary);

// `first_parts`: of each sequence, or empty.
std::vector<TextBatch> PackSequences(const std::vector<std::vector<int32_t>>& sequences,
                                     std::span<const int64_t> first_parts = {});

// The last layer's rows of every batch, handed to `take` as [ids, hidden] with the threads it may
// use (null when other batches run beside it).
absl::Status RunBatches(
    const Bert& bert, std::span<const TextBatch> batches, const Context& context,
    absl::FunctionRef<void(const TextBatch& batch, float* rows, Bert::Workspace& workspace,
                           Threads* threads)>
        take);

}  // namespace weir::model
