#include "model/text_batches.h"

#include <algorithm>
#include <numeric>

#include "base/status.h"
#include "fmt/core.h"

namespace weir::model {

std::vector<std::vector<int32_t>> TokenizeTexts(const Tokenizer& tokenizer,
                                                std::span<const std::string_view> texts,
                                                const std::string& prefix,
                                                const Context& context) {
  std::vector<std::vector<int32_t>> sequences(texts.size());
  ParallelFor(context.threads, texts.size(), 1, [&](size_t begin, size_t end, int) {
    for (size_t i = begin; i < end; ++i) {
      const TokenizeOptions options{.add_special = true, .parse_special = false};
      sequences[i] = prefix.empty() ? tokenizer.Encode(texts[i], options)
                                    : tokenizer.Encode(prefix + std::string(texts[i]), options);
    }
  });
  return sequences;
}

absl::Status FitSequences(std::vector<std::vector<int32_t>>& sequences, int64_t max_tokens,
                          int64_t vocabulary) {
  for (std::vector<int32_t>& ids : sequences) {
    if (ids.empty()) return absl::InvalidArgumentError("encode: a sequence without tokens");
    if (static_cast<int64_t>(ids.size()) > max_tokens) {
      ids[max_tokens - 1] = ids.back();
      ids.resize(max_tokens);
    }
    for (int32_t id : ids) {
      if (id < 0 || id >= vocabulary) {
        return absl::InvalidArgumentError(
            fmt::format("encode: token id {}; expected 0 to {}", id, vocabulary - 1));
      }
    }
  }
  return absl::OkStatus();
}

std::vector<TextBatch> PackSequences(const std::vector<std::vector<int32_t>>& sequences,
                                     std::span<const int64_t> first_parts) {
  std::vector<size_t> order(sequences.size());
  std::iota(order.begin(), order.end(), 0);
  // Longest first: the last batches, which end the work of each thread, are the cheapest.
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return sequences[a].size() > sequences[b].size(); });
  std::vector<TextBatch> batches;
  for (size_t text : order) {
    const std::vector<int32_t>& ids = sequences[text];
    if (batches.empty() || batches.back().ids.size() + ids.size() > kBatchTokens) {
      batches.emplace_back();
    }
    TextBatch& batch = batches.back();
    batch.texts.push_back(text);
    batch.ids.insert(batch.ids.end(), ids.begin(), ids.end());
    batch.offsets.push_back(static_cast<int64_t>(batch.ids.size()));
    if (!first_parts.empty()) batch.first_parts.push_back(first_parts[text]);
  }
  return batches;
}

absl::Status RunBatches(
    const Bert& bert, std::span<const TextBatch> batches, const Context& context,
    absl::FunctionRef<void(const TextBatch& batch, float* rows, Bert::Workspace& workspace,
                           Threads* threads)>
        take) {
  const size_t hidden = bert.shape().hidden;
  const size_t workers = context.threads == nullptr ? 1 : context.threads->count();
  // Whole batches a thread need no barrier between operations; a few texts are better split inside.
  const bool apart = workers > 1 && batches.size() >= 2 * workers;
  const size_t parts = apart ? workers : 1;
  auto run = [&](size_t part, Threads* threads) -> absl::Status {
    std::vector<float> rows;
    Bert::Workspace workspace;
    for (size_t i = part; i < batches.size(); i += parts) {
      WEIR_RETURN_IF_ERROR(context.CheckCancelled());
      const TextBatch& batch = batches[i];
      if (rows.size() < batch.ids.size() * hidden) rows.resize(batch.ids.size() * hidden);
      bert.Run(batch.ids, batch.offsets, rows.data(), workspace, threads, batch.first_parts);
      take(batch, rows.data(), workspace, threads);
    }
    return absl::OkStatus();
  };
  if (!apart) return run(0, context.threads);
  std::vector<absl::Status> results(workers);
  context.threads->Run([&](int worker) { results[worker] = run(worker, nullptr); });
  for (const absl::Status& status : results) WEIR_RETURN_IF_ERROR(status);
  return absl::OkStatus();
}

}  // namespace weir::model
