#include "generate/streams/streams_bench.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/statistics.h"
#include "base/status.h"
#include "generate/sample/random.h"
#include "generate/session.h"
#include "generate/streams/kv_memory.h"
#include "generate/streams/streams.h"
#include "model/gguf.h"
#include "model/tokenizer.h"

namespace weir::generate {
namespace {

constexpr int64_t kOwnTokens = 64;     // of a stream, after what it shares
constexpr int64_t kSharedTokens = 4096;
constexpr int64_t kTreeTokens = 1024;  // of the system prompt and of each document

using Prompts = std::vector<std::vector<int32_t>>;

// Streams that are ready to write, to be timed in turns with others.
class Lane {
 public:
  Lane(std::shared_ptr<const model::Decoder> decoder, const model::Tokenizer& tokenizer,
       std::unique_ptr<KvMemory> memory, int64_t window, int64_t slots)
      : decoder_(std::move(decoder)),
        tokenizer_(tokenizer),
        memory_(std::move(memory)),
        window_(window),
        streams_(decoder_, *memory_, {.window = window, .slots = slots}) {}

  // Tokens a second of `steps` steps in which all prompts write.
  absl::StatusOr<double> Round(const Prompts& prompts, int64_t steps, const Context& context) {
    std::vector<Streams::Id> ids;
    for (const auto& prompt : prompts) {
      text::CompletionRequest request;
      // The first writes while the others' prompts are read.
      request.max_tokens = window_;
      WEIR_ASSIGN_OR_RETURN(auto writer, CompletionWriter::Make(prompt, request, {}, nullptr,
                                                                tokenizer_, context.now_ns));
      writer->IgnoreEnds();
      WEIR_ASSIGN_OR_RETURN(const Streams::Id id, streams_.Submit(prompt, std::move(writer)));
      ids.push_back(id);
    }
    const auto all = static_cast<int64_t>(prompts.size());
    do {
      WEIR_RETURN_IF_ERROR(context.CheckCancelled());
      streams_.Step(context);
    } while (streams_.waiting() > 0 || streams_.step_prompt_tokens() > 0);
    used_blocks_ = memory_->placement().used_blocks();
    streams_.times() = {};
    const int64_t start = SteadyNowNs();
    for (int64_t i = 0; i < steps; ++i) streams_.Step(context);
    tokens_ = all * steps;
    const double seconds = static_cast<double>(SteadyNowNs() - start) * 1e-9;
    // What ended early was not written: its tokens must not count.
    if (const auto early = streams_.TakeFinished(); !early.empty()) {
      const absl::StatusOr<text::Completion>& first = early[0].completion;
      return absl::InternalError(
          absl::StrCat("bench: ", early.size(), " of ", all,
                       " streams ended before the round did, the first by ",
                       first.ok() ? absl::StrCat(first->finish, " after ", first->tokens, " tokens")
                                  : std::string(first.status().message())));
    }
    for (Streams::Id id : ids) streams_.Cancel(id);
    for (const Streams::Finished& f : streams_.TakeFinished()) {
      WEIR_RETURN_IF_ERROR(f.completion.status());
    }
    return static_cast<double>(tokens_) / seconds;
  }

  const model::DecoderTimes& times() { return streams_.times(); }
  int64_t tokens() const { return tokens_; }
  int64_t used_blocks() const { return used_blocks_; }

 private:
  std::shared_ptr<const model::Decoder> decoder_;
  const model::Tokenizer& tokenizer_;
  std::unique_ptr<KvMemory> memory_;
  const int64_t window_;
  Streams streams_;
  int64_t tokens_ = 0, used_blocks_ = 0;
};

class Bench {
 public:
  Bench(const LlmBenchOptions& options, const Context& context, const Registry& techniques)
      : options_(options), context_(context), techniques_(techniques) {}

  absl::StatusOr<std::vector<LlmBenchRow>> Go() {
    const auto names = StreamsBenchRows();
    if (std::none_of(names.begin(), names.end(), [&](auto name) { return Wanted(name); })) {
      return std::vector<LlmBenchRow>();
    }
    WEIR_ASSIGN_OR_RETURN(auto file, model::GgufFile::Open(options_.model_path));
    WEIR_ASSIGN_OR_RETURN(tokenizer_, model::Tokenizer::FromGguf(*file));
    WEIR_ASSIGN_OR_RETURN(decoder_, model::Decoder::Load(file, context_));
    std::vector<LlmBenchRow> rows;
    for (std::string_view name : names) {
      if (!Wanted(name)) continue;
      WEIR_ASSIGN_OR_RETURN(LlmBenchRow row, Run(name));
      rows.push_back(std::move(row));
    }
    return rows;
  }

 private:
  bool Wanted(std::string_view name) const {
    const auto& only = options_.only;
    return std::find(only.begin(), only.end(), name) != only.end() ||
           std::find(only.begin(), only.end(), "streams") != only.end();
  }

  LlmBenchRow RowOf(std::string_view name, std::string unit, std::string baseline) const {
    LlmBenchRow row;
    row.name = std::string(name);
    row.unit = std::move(unit);
    row.baseline_name = std::move(baseline);
    row.rounds = options_.rounds;
    return row;
  }

  absl::StatusOr<LlmBenchRow> Run(std::string_view name) {
    if (name == "streams-8") {
      return Compare(name, {Own(8, 0, 16), ""}, {Own(1, 0, 16), ""}, "one stream");
    }
    if (name == "unshared-8") {
      return Compare(name, {Own(8, 0, 512), ""}, {Own(8, 0, 512), "per-sequence"}, "sharing off");
    }
    if (name == "prefix-16x32") return Prefix(name, 32);
    if (name == "prefix-16x1k") return Prefix(name, 1024);
    if (name == "prefix-16x4k") return Prefix(name, kSharedTokens);
    if (name == "prefix-16x8k") return Prefix(name, 2 * kSharedTokens);
    if (name == "prefix-memory") return Memory(name);
    if (name == "prefix-tree") {
      return Compare(name, {Tree(4), ""}, {Tree(16), ""}, "one level shared");
    }
    return name == "prompt-cache" ? FirstToken(name) : LongestStep(name);
  }

  std::vector<int32_t> Tokens(int64_t n, uint64_t seed) const {
    std::vector<int32_t> tokens(n);
    for (int64_t i = 0; i < n; ++i) {
      tokens[i] =
          static_cast<int32_t>(UniformAt(seed, i) * std::min(decoder_->shape().vocabulary, 30000));
    }
    return tokens;
  }

  // `n` prompts of `shared` common tokens and `own` more each.
  Prompts Own(int64_t n, int64_t shared, int64_t own) const {
    Prompts prompts;
    for (int64_t i = 0; i < n; ++i) {
      prompts.push_back(Tokens(shared, 1));
      const auto tail = Tokens(own, 100 + i);
      prompts.back().insert(prompts.back().end(), tail.begin(), tail.end());
    }
    return prompts;
  }

  // 16 questions on `documents` documents after one system prompt.
  Prompts Tree(int64_t documents) const {
    Prompts prompts;
    for (int64_t i = 0; i < 16; ++i) {
      prompts.push_back(Tokens(kTreeTokens, 1));
      for (const auto& part : {Tokens(kTreeTokens, 2 + i * documents / 16), Tokens(16, 100 + i)}) {
        prompts.back().insert(prompts.back().end(), part.begin(), part.end());
      }
    }
    return prompts;
  }

  struct Side {
    Prompts prompts;
    std::string execution;  // "": that of options.kv
  };

  absl::StatusOr<std::unique_ptr<KvMemory>> MemoryFor(int64_t tokens,
                                                      const std::string& execution) {
    WEIR_ASSIGN_OR_RETURN(KvChoice kv, ParseKvChoice(options_.kv, techniques_));
    if (!execution.empty()) kv.execution = execution;
    const KvShape shape = KvShapeOf(decoder_->shape());
    WEIR_ASSIGN_OR_RETURN(auto policy, KvPolicy::Make(kv, shape, techniques_));
    return KvMemory::Make(std::move(policy), shape, tokens);
  }

  absl::StatusOr<std::unique_ptr<Lane>> LaneFor(const Side& side) {
    const auto slots = static_cast<int64_t>(side.prompts.size());
    int64_t longest = 0;
    for (const auto& prompt : side.prompts) {
      longest = std::max(longest, static_cast<int64_t>(prompt.size()));
    }
    // Whole blocks: a stream that finds no room waits until another ends.
    const int64_t room = longest + options_.decode_tokens + 8 * slots + 64;
    const int64_t window = (room + kBlockTokens - 1) / kBlockTokens * kBlockTokens;
    WEIR_ASSIGN_OR_RETURN(auto memory, MemoryFor(window * slots, side.execution));
    return std::make_unique<Lane>(decoder_, *tokenizer_, std::move(memory), window, slots);
  }

  absl::StatusOr<LlmBenchRow> Compare(std::string_view name, const Side& ours, const Side& theirs,
                                      std::string baseline) {
    WEIR_ASSIGN_OR_RETURN(const auto a, LaneFor(ours));
    WEIR_ASSIGN_OR_RETURN(const auto b, LaneFor(theirs));
    LlmBenchRow row = RowOf(name, "tokens/s", std::move(baseline));
    std::vector<double> fast, slow, ratios;  // of neighbours in time: the machine is shared
    // The first round of each also reads the prompts, and is not counted.
    for (int64_t r = 0; r <= options_.rounds; ++r) {
      WEIR_ASSIGN_OR_RETURN(const double x,
                            a->Round(ours.prompts, options_.decode_tokens, context_));
      WEIR_ASSIGN_OR_RETURN(const double y,
                            b->Round(theirs.prompts, options_.decode_tokens, context_));
      if (r == 0) continue;
      fast.push_back(x), slow.push_back(y), ratios.push_back(x / y);
      AddTimes(a->times(), row.times);
      row.tokens += a->tokens();
    }
    row.weir = Median(fast), row.baseline = Median(slow);
    row.ratio = Median(ratios);
    row.spread = Spread(fast);
    return row;
  }

  absl::StatusOr<LlmBenchRow> Prefix(std::string_view name, int64_t shared) {
    const Prompts prompts = Own(16, shared, kOwnTokens);
    return Compare(name, {prompts, ""}, {prompts, "per-sequence"}, "sharing off");
  }

  absl::StatusOr<LlmBenchRow> Memory(std::string_view name) {
    // What they write until all of them do fills a second block at most: 64 tokens of their own.
    const Side sixteen{Own(16, kSharedTokens, 32), ""};
    const Side one{Own(1, kSharedTokens, 32), ""};
    WEIR_ASSIGN_OR_RETURN(const auto a, LaneFor(sixteen));
    WEIR_ASSIGN_OR_RETURN(const auto b, LaneFor(one));
    WEIR_RETURN_IF_ERROR(a->Round(sixteen.prompts, 1, context_).status());
    WEIR_RETURN_IF_ERROR(b->Round(one.prompts, 1, context_).status());
    LlmBenchRow row = RowOf(name, "streams", "each its own");
    row.baseline = 16;
    row.weir = static_cast<double>(a->used_blocks()) / static_cast<double>(b->used_blocks());
    row.ratio = row.baseline / row.weir;
    row.rounds = 1;
    return row;
  }

  absl::StatusOr<LlmBenchRow> FirstToken(std::string_view name) {
    LlmBenchRow row = RowOf(name, "ms", "first time");
    std::vector<double> first, again;
    for (int64_t r = 0; r < options_.rounds; ++r) {
      WEIR_ASSIGN_OR_RETURN(const auto memory, MemoryFor(3 * kSharedTokens, ""));
      const auto session = Session::Over(*memory, decoder_, 2 * kSharedTokens);
      const auto feed = [&](const std::vector<int32_t>& prompt) -> absl::StatusOr<double> {
        const int64_t start = SteadyNowNs();
        WEIR_RETURN_IF_ERROR(session->Feed(prompt, context_));
        (void)ArgMax(session->logits());
        return static_cast<double>(SteadyNowNs() - start) * 1e-6;
      };
      const Prompts asked = Own(2, kSharedTokens, kOwnTokens);
      WEIR_ASSIGN_OR_RETURN(const double cold, feed(asked[0]));
      for (uint64_t other : {7, 8, 9}) WEIR_RETURN_IF_ERROR(feed(Tokens(300, other)).status());
      WEIR_ASSIGN_OR_RETURN(const double warm, feed(asked[1]));
      first.push_back(cold), again.push_back(warm);
    }
    row.weir = Median(again), row.baseline = Median(first);
    row.ratio = row.baseline / row.weir;
    row.spread = Spread(again);
    return row;
  }

  absl::StatusOr<LlmBenchRow> LongestStep(std::string_view name) {
    LlmBenchRow row = RowOf(name, "ms", "allowed");
    row.baseline = 200;
    std::vector<double> longest;
    for (int64_t r = 0; r < options_.rounds; ++r) {
      WEIR_ASSIGN_OR_RETURN(const auto memory, MemoryFor(2 * kSharedTokens, ""));
      Streams streams(decoder_, *memory, {.window = kSharedTokens + 64});
      text::CompletionRequest request;
      request.max_tokens = 2;
      const auto prompt = Tokens(kSharedTokens, 1);
      WEIR_ASSIGN_OR_RETURN(auto writer, CompletionWriter::Make(prompt, request, {}, nullptr,
                                                                *tokenizer_, context_.now_ns));
      WEIR_RETURN_IF_ERROR(streams.Submit(prompt, std::move(writer)).status());
      double most = 0;
      while (!streams.idle()) {
        const int64_t start = SteadyNowNs();
        streams.Step(context_);
        most = std::max(most, static_cast<double>(SteadyNowNs() - start) * 1e-6);
      }
      longest.push_back(most);
    }
    row.weir = *std::max_element(longest.begin(), longest.end());
    row.ratio = row.baseline / row.weir;
    row.spread = Spread(longest);
    return row;
  }

  const LlmBenchOptions& options_;
  const Context& context_;
  const Registry& techniques_;
  std::unique_ptr<model::Tokenizer> tokenizer_;
  std::shared_ptr<const model::Decoder> decoder_;
};

}  // namespace

std::vector<std::string_view> StreamsBenchRows() {
  return {"streams-8",    "unshared-8",    "prefix-16x32", "prefix-16x1k", "prefix-16x4k",
          "prefix-16x8k", "prefix-memory", "prefix-tree",  "prompt-cache", "cancel-4k"};
}

absl::StatusOr<std::vector<LlmBenchRow>> RunStreamsBench(const LlmBenchOptions& options,
                                                         const Context& context,
                                                         const Registry& techniques) {
  return Bench(options, context, techniques).Go();
}

}  // namespace weir::generate
