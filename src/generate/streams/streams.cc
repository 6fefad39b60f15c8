#include "generate/streams/streams.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/metrics.h"
#include "base/status.h"
#include "base/threads.h"

namespace weir::generate {
namespace {

// Prompt tokens of a step at least: fewer would cost nearly as much, since the weights are read
// anyway.
constexpr int64_t kFewestPromptTokens = 8;
// How fast the estimate of a row's time follows faster steps.
constexpr double kFollow = 0.3;

int64_t BlocksFor(int64_t tokens) { return (tokens + kBlockTokens - 1) / kBlockTokens; }

}  // namespace

struct Streams::Stream {
  Id id = 0;
  std::vector<int32_t> tokens;  // prompt, then what was written
  int64_t prompt = 0;           // of them
  std::unique_ptr<CompletionWriter> writer;
  const CancelToken* cancel = nullptr;
  std::string scope;
  int64_t most_blocks = 0;  // of a layer
  std::unique_ptr<PagedSequence> sequence;
  std::vector<Leader> leaders;
  int64_t step_rows = 0, reused = 0;
  absl::StatusOr<int32_t> chosen = 0;
  bool ended = false;

  bool reading() const { return sequence->length() < prompt; }
};

Streams::Streams(std::shared_ptr<const model::Decoder> decoder, KvMemory& memory,
                 const StreamsOptions& options)
    : decoder_(std::move(decoder)),
      memory_(memory),
      options_(options),
      workspace_(decoder_->MakeWorkspace(options.step_tokens + options.slots)),
      batch_(memory.policy(), memory.shape()),
      logits_(static_cast<size_t>(options.slots) * decoder_->shape().vocabulary) {}

Streams::~Streams() = default;

absl::StatusOr<Streams::Id> Streams::Submit(std::vector<int32_t> prompt,
                                            std::unique_ptr<CompletionWriter> writer,
                                            const CancelToken* cancel, std::string scope) {
  const auto size = static_cast<int64_t>(prompt.size());
  if (size < 1 || size > options_.window) {
    return absl::InvalidArgumentError(
        absl::StrCat("prompt: ", size, " tokens; expected 1 to ", options_.window));
  }
  auto stream = std::make_unique<Stream>();
  // The last token that is written needs no place.
  const int64_t room = std::min(writer->request().max_tokens - 1, options_.window - size);
  stream->most_blocks = BlocksFor(size + room);
  if (stream->most_blocks > memory_.blocks()) {
    return absl::ResourceExhaustedError(absl::StrCat("streams: a prompt of ", size, " tokens and ",
                                                     room, " more; the KV memory has ",
                                                     memory_.blocks() * kBlockTokens));
  }
  stream->id = next_id_++;
  stream->tokens = std::move(prompt);
  stream->prompt = size;
  stream->writer = std::move(writer);
  stream->cancel = cancel;
  stream->scope = std::move(scope);
  waiting_.push_back(std::move(stream));
  return next_id_ - 1;
}

void Streams::Cancel(Id id) {
  const auto end = [&](const std::unique_ptr<Stream>& stream) {
    if (stream->id == id) End(*stream, absl::CancelledError("stream"));
  };
  for (const auto& stream : waiting_) end(stream);
  for (const auto& stream : running_) end(stream);
  RemoveEnded();
}

void Streams::EndCancelled(const Context& context) {
  const bool all = !context.CheckCancelled().ok();
  const auto end = [&](const std::unique_ptr<Stream>& stream) {
    if (all || (stream->cancel != nullptr && stream->cancel->cancelled())) {
      End(*stream, absl::CancelledError("stream"));
    }
  };
  for (const auto& stream : waiting_) end(stream);
  for (const auto& stream : running_) end(stream);
  RemoveEnded();
}

// What was computed is kept for later prompts before the stream's blocks go.
void Streams::End(Stream& stream, absl::Status status) {
  if (stream.ended) return;
  stream.ended = true;
  if (absl::IsCancelled(status)) {
    stream.writer->Cancel();
    status = absl::OkStatus();
  }
  if (stream.sequence != nullptr) Keep(stream);
  stream.sequence.reset();
  if (status.ok()) {
    finished_.push_back({stream.id, stream.writer->Finish(), stream.reused});
  } else {
    finished_.push_back({stream.id, std::move(status), stream.reused});
  }
}

void Streams::RemoveEnded() {
  std::erase_if(waiting_, [](const auto& stream) { return stream->ended; });
  std::erase_if(running_, [](const auto& stream) { return stream->ended; });
}

void Streams::Keep(const Stream& stream) {
  if (memory_.prefixes() == nullptr) return;
  memory_.prefixes()->Insert(stream.scope, stream.tokens, *stream.sequence, stream.prompt);
}

// Blocks that a running stream may still ask for.
int64_t Streams::Outstanding(const Stream& stream) const {
  return stream.most_blocks - stream.sequence->blocks_per_layer();
}

int64_t Streams::OutstandingCompact(const Stream& stream) const {
  return stream.most_blocks - static_cast<int64_t>(stream.sequence->compact_blocks(0).size());
}

// With what it takes from kept prompts, which nobody can evict then.
bool Streams::Fits(const Stream& stream) const {
  int64_t wanted = Outstanding(stream), compact = OutstandingCompact(stream);
  for (const auto& other : running_) {
    wanted += Outstanding(*other);
    compact += OutstandingCompact(*other);
  }
  return wanted <= memory_.available() && compact <= memory_.available_compact();
}

void Streams::Admit() {
  while (!waiting_.empty() && running() < options_.slots) {
    Stream& stream = *waiting_.front();
    stream.sequence = memory_.NewSequence();
    stream.sequence->Begin(stream.prompt, stream.writer->request().max_tokens);
    Adopt(stream);
    if (!Fits(stream)) {
      stream.sequence.reset();  // it is asked again when somebody has ended
      stream.reused = 0;
      if (!running_.empty()) return;
      End(stream, absl::ResourceExhaustedError(absl::StrCat(
                      "streams: ", stream.most_blocks * kBlockTokens,
                      " tokens wanted, the KV memory has ", memory_.available() * kBlockTokens,
                      " that nobody holds")));
      RemoveEnded();
      continue;
    }
    std::unique_ptr<Stream> joins = std::move(waiting_.front());
    waiting_.pop_front();
    Join(std::move(joins));
  }
}

void Streams::Join(std::unique_ptr<Stream> stream) {
  for (const auto& other : running_) {
    if (memory_.prefixes() == nullptr || !other->reading() || other->scope != stream->scope)
      continue;
    const auto end = stream->tokens.begin() + (stream->prompt - 1);
    const auto common = std::mismatch(stream->tokens.begin(), end, other->tokens.begin(),
                                      other->tokens.begin() + other->prompt);
    const int64_t shared = common.first - stream->tokens.begin();
    stream->leaders.push_back({other->id, shared / kBlockTokens * kBlockTokens});
  }
  running_.push_back(std::move(stream));
}

// A leader was admitted earlier, so the first of those that read waits for nobody.
bool Streams::WaitsForLeader(const Stream& stream) const {
  for (const Leader& leader : stream.leaders) {
    if (leader.tokens <= stream.sequence->length()) continue;
    for (const auto& other : running_) {
      if (other->id == leader.id && other->reading()) return true;
    }
  }
  return false;
}

// The prompt's last token is always computed: its logits are wanted.
void Streams::Adopt(Stream& stream) {
  if (memory_.prefixes() == nullptr || stream.sequence->length() % kBlockTokens != 0) return;
  const int64_t before = stream.sequence->length();
  const auto wanted = std::span(stream.tokens).first(static_cast<size_t>(stream.prompt - 1));
  stream.reused += memory_.prefixes()->Adopt(stream.scope, wanted, *stream.sequence) - before;
}

int64_t Streams::PromptBudget() const {
  const auto writing = std::count_if(running_.begin(), running_.end(),
                                     [](const auto& stream) { return !stream->reading(); });
  const int64_t step_ns = writing > 0 ? options_.writing_step_ns : options_.reading_step_ns;
  if (token_ns_ <= 0) return kFewestPromptTokens;
  const auto rows = static_cast<int64_t>(static_cast<double>(step_ns) / token_ns_);
  return std::clamp(rows - writing, std::min(kFewestPromptTokens, options_.step_tokens),
                    options_.step_tokens);
}

void Streams::AddRows(Stream& stream, int64_t rows) {
  const int64_t first = stream.sequence->length();
  const auto from = stream.tokens.begin() + first;
  tokens_.insert(tokens_.end(), from, from + rows);
  parts_.push_back({stream.sequence.get(), rows});
  in_step_.push_back(&stream);
  stream.step_rows = rows;
  if (first + rows == static_cast<int64_t>(stream.tokens.size())) {
    logit_rows_.push_back(static_cast<int32_t>(tokens_.size()) - 1);
    with_logits_.push_back(&stream);
  }
}

void Streams::PlanRows() {
  tokens_.clear(), logit_rows_.clear(), parts_.clear();
  in_step_.clear(), with_logits_.clear();
  const int64_t budget = PromptBudget();
  for (const auto& stream : running_) {
    if (!stream->reading()) AddRows(*stream, 1);
  }
  const size_t written = tokens_.size();
  PlanPrompts(budget);
  step_prompt_tokens_ = static_cast<int64_t>(tokens_.size() - written);
}

// Prompts in turns, each an equal part of the budget: a short one behind a long one is through
// after as many steps as if all were short.
void Streams::PlanPrompts(int64_t budget) {
  std::vector<Stream*> readers;
  for (const auto& stream : running_) {
    if (!stream->reading()) continue;
    Adopt(*stream);
    if (!WaitsForLeader(*stream)) readers.push_back(stream.get());
  }
  if (readers.empty()) return;
  const auto first = std::find_if(readers.begin(), readers.end(),
                                  [&](const Stream* stream) { return stream->id >= turn_; });
  std::rotate(readers.begin(), first == readers.end() ? readers.begin() : first, readers.end());
  size_t next = 0;
  for (; next < readers.size() && budget > 0; ++next) {
    Stream& stream = *readers[next];
    const int64_t length = stream.sequence->length(), left = stream.prompt - length;
    const auto others = static_cast<int64_t>(readers.size() - next);
    int64_t rows = std::min({left, budget, std::max<int64_t>(kBlockTokens, budget / others)});
    // Ending at the edge of a block lets others go on from there.
    const int64_t edge = (length + rows) / kBlockTokens * kBlockTokens;
    if (rows < left && edge > length) rows = edge - length;
    AddRows(stream, rows);
    budget -= rows;
  }
  turn_ = next < readers.size() ? readers[next]->id : 0;
}

absl::Status Streams::Forward(const Context& context) {
  Context step = context;  // runs to its end: the budget bounds it
  step.cancel = nullptr;
  batch_.Begin(parts_);
  const size_t floats = logit_rows_.size() * decoder_->shape().vocabulary;
  const int64_t start = SteadyNowNs();
  WEIR_RETURN_IF_ERROR(decoder_->ForwardRows(tokens_, batch_, logit_rows_,
                                             std::span(logits_).first(floats), *workspace_, step));
  const double each = static_cast<double>(SteadyNowNs() - start) / tokens_.size();
  // Steps of few rows say little about a row's time among many.
  const bool full = step_prompt_tokens_ >= kFewestPromptTokens;
  // Slower at once, faster bit by bit: a step that is too long keeps a cancelled stream waiting.
  if (full) token_ns_ = std::max(each, (1 - kFollow) * token_ns_ + kFollow * each);
  return absl::OkStatus();
}

void Streams::Write(Threads* threads) {
  const size_t vocabulary = decoder_->shape().vocabulary;
  ParallelFor(threads, with_logits_.size(), 1, [&](size_t begin, size_t end, int) {
    for (size_t i = begin; i < end; ++i) {
      with_logits_[i]->chosen =
          with_logits_[i]->writer->Choose(std::span(logits_).subspan(i * vocabulary, vocabulary));
    }
  });
  for (Stream* stream : with_logits_) {
    if (!stream->chosen.ok()) {
      End(*stream, stream->chosen.status());
      continue;
    }
    stream->writer->Take(*stream->chosen, stream->sequence->length() < options_.window);
    if (stream->writer->finished()) {
      End(*stream, absl::OkStatus());
    } else {
      stream->tokens.push_back(*stream->chosen);
    }
  }
}

void Streams::Step(const Context& context) {
  EndCancelled(context);
  Admit();
  PlanRows();
  if (tokens_.empty()) return;
  const absl::Status status = Forward(context);
  if (status.ok()) {
    for (Stream* stream : in_step_) {
      if (stream->step_rows > 1) Keep(*stream);  // those that follow a prompt take it from there
    }
    Write(context.threads);
  } else {
    for (Stream* stream : in_step_) End(*stream, status);
  }
  if (context.metrics != nullptr) {
    context.metrics->Add("generate_steps", 1);
    context.metrics->Add("generate_stream_tokens", static_cast<double>(with_logits_.size()));
    context.metrics->Add("generate_shared_prefix_tokens",
                         static_cast<double>(batch_.shared_tokens()));
  }
  RemoveEnded();
  EndCancelled(context);
}

}  // namespace weir::generate
