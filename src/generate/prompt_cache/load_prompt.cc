// Loading as two workers: one fetches chunks in order, the other brings them into the cache, so
// that decoding a chunk overlaps the transfer of the next.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "generate/prompt_cache/saved_prompt.h"
#include "generate/prompt_cache/stream_controller.h"

namespace weir::generate {
namespace {

// Bytes between two looks at the clock, at most; small chunks come in this many slices, so that
// one on its way does not look stalled.
constexpr int64_t kSliceBytes = 64 << 10;
constexpr int64_t kSlices = 16;
constexpr auto kPoll = std::chrono::milliseconds(2);
constexpr int64_t kProbeTokens = 48;         // computed once to learn the processor's speed
// of f16 a second; a start value, small beside the rest
constexpr double kDecodeBytesPerS = 100e6;

class Clock {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// The link. Its thread fetches chunk after chunk; Take hands them over in order.
class Fetcher {
 public:
  Fetcher(const PromptFile& file, const LoadOptions& options, StreamController* controller,
          const Clock& clock)
      : file_(file),
        options_(options),
        controller_(controller),
        clock_(clock),
        chunks_(file.head().chunks()),
        thread_([this] { Run(); }) {}
  ~Fetcher() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stop_ = true;
    }
    thread_.join();
  }

  struct Chunk {
    int level = 0;                          // 0: given up, to be computed
    absl::StatusOr<std::string_view> bytes = std::string_view();
  };
  // Waits for `chunk`; with a controller, no longer than computing it would take.
  absl::StatusOr<Chunk> Take(int chunk, const Context& context) {
    std::unique_lock<std::mutex> lock(mutex_);
    while (!chunks_[chunk].arrived) {
      changed_.wait_for(lock, kPoll);
      WEIR_RETURN_IF_ERROR(context.CheckCancelled());
      State& s = chunks_[chunk];
      if (controller_ == nullptr || s.arrived || !s.started) continue;
      const double now = clock_.seconds();
      if (controller_->ComputeInstead(chunk, s.level, s.bytes, now - s.start_s, now)) {
        s.given_up = true;
        return Chunk{};
      }
    }
    return Chunk{chunks_[chunk].level, chunks_[chunk].data};
  }
  // The processor is done with `chunk`; for the choice of levels.
  void Done(int chunk) {
    const std::lock_guard<std::mutex> lock(mutex_);
    free_s_ = clock_.seconds();
    if (controller_ != nullptr && chunks_[chunk].started && chunks_[chunk].level == 0) {
      ahead_s_ -= controller_->compute_s(chunk);
    }
  }
  int64_t fetched() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return fetched_;
  }

 private:
  struct State {
    int level = 0;
    int64_t bytes = 0;  // so far
    double start_s = 0;
    bool started = false, arrived = false, given_up = false;
    absl::StatusOr<std::string_view> data = std::string_view();
  };

  void Run() {
    for (size_t i = 0; i < chunks_.size(); ++i) {
      if (!Begin(i)) return;
      if (chunks_[i].level == 0) continue;
      const bool whole = Transfer(i);
      // The checksum reads every page from the disk.
      absl::StatusOr<std::string_view> data = std::string_view();
      if (whole) data = file_.Chunk(static_cast<int>(i), chunks_[i].level);
      const std::lock_guard<std::mutex> lock(mutex_);
      State& s = chunks_[i];
      fetched_ += s.bytes;
      if (controller_ != nullptr) controller_->Observe(s.bytes, clock_.seconds() - s.start_s);
      s.arrived = whole && !s.given_up;
      s.data = std::move(data);
      changed_.notify_all();
    }
  }

  // Decides; a chunk that will be computed has arrived.
  bool Begin(size_t i) {
    const std::lock_guard<std::mutex> lock(mutex_);
    State& s = chunks_[i];
    s.start_s = clock_.seconds();
    const PromptHead& head = file_.head();
    if (controller_ == nullptr) {
      s.level = options_.level > 0 ? options_.level : head.levels.back();
    } else {
      // The processor still has the chunks between; those to be computed take their time.
      s.level = controller_->Level(static_cast<int>(i), s.start_s, free_s_ + ahead_s_);
      if (s.level == 0) ahead_s_ += controller_->compute_s(static_cast<int>(i));
    }
    s.started = true;
    s.arrived = s.level == 0;
    changed_.notify_all();
    return !stop_;
  }

  // Lets slices pass as the trace has it. False when the chunk was given up on the way.
  bool Transfer(size_t i) {
    const int64_t size = file_.chunk_bytes(static_cast<int>(i), chunks_[i].level);
    const int64_t slice = std::clamp<int64_t>(size / kSlices, 1, kSliceBytes);
    const double start = chunks_[i].start_s;
    for (int64_t done = 0; done < size;) {
      const int64_t next = std::min(size, done + slice);
      const double due = options_.bandwidth.Arrival(static_cast<double>(next), start);
      while (clock_.seconds() < due) {
        {
          const std::lock_guard<std::mutex> lock(mutex_);
          if (stop_ || chunks_[i].given_up) return false;
        }
        const double wait = std::min(0.002, due - clock_.seconds());
        if (wait > 0) std::this_thread::sleep_for(std::chrono::duration<double>(wait));
      }
      done = next;
      const std::lock_guard<std::mutex> lock(mutex_);
      chunks_[i].bytes = done;
    }
    return true;
  }

  const PromptFile& file_;
  const LoadOptions& options_;
  StreamController* controller_;
  const Clock& clock_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<State> chunks_;
  double free_s_ = 0;   // when the processor was last done with a chunk
  double ahead_s_ = 0;  // of computing that has been decided and is not done
  int64_t fetched_ = 0;
  bool stop_ = false;
  std::thread thread_;  // last: it uses all of the above
};

absl::Status CheckFits(PromptModel& model, const PromptFile& file, const LoadOptions& options) {
  const PromptHead& head = file.head();
  WEIR_RETURN_IF_ERROR(Annotate(head.identity.CheckSame(model.identity()), file.name()));
  if (head.cached() >= model.session().window()) {
    return absl::ResourceExhaustedError(absl::StrCat(file.name(), ": ", head.tokens.size(),
                                                     " tokens; the window holds ",
                                                     model.session().window()));
  }
  if (options.level != 0 &&
      std::find(head.levels.begin(), head.levels.end(), options.level) == head.levels.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat(file.name(), ": level ", options.level, " was not saved"));
  }
  return absl::OkStatus();
}

// What the controller is told of the chunks. Computing is timed on a few of the prompt's tokens.
absl::StatusOr<StreamController> MakeController(PromptModel& model, const PromptFile& file,
                                                double deadline_s, const Context& context) {
  const PromptHead& head = file.head();
  const int64_t probe = std::min(kProbeTokens, head.cached());
  const Clock clock;
  WEIR_RETURN_IF_ERROR(model.session().Feed(std::span(head.tokens).first(probe), context));
  const double token_s = clock.seconds() / static_cast<double>(probe);
  model.session().Forget();
  std::vector<ChunkCost> costs(head.chunks());
  const KvCodecShape& shape = head.identity.shape;
  for (int i = 0; i < head.chunks(); ++i) {
    const auto n = static_cast<double>(head.chunk_tokens(i).size());
    for (int level : head.levels) costs[i].bytes[level - 1] = file.chunk_bytes(i, level);
    costs[i].decode_s.fill(n * shape.layers * shape.width() * 4 / kDecodeBytesPerS);
    costs[i].compute_s = n * token_s;
  }
  return StreamController(std::move(costs), {.deadline_s = deadline_s});
}

}  // namespace

absl::StatusOr<LoadReport> LoadPrompt(PromptModel& model, const PromptFile& file,
                                      const LoadOptions& options, const Context& context) {
  WEIR_RETURN_IF_ERROR(CheckFits(model, file, options));
  const PromptHead& head = file.head();
  model.session().Forget();
  std::optional<StreamController> controller;
  const Clock clock;
  if (options.deadline_s > 0) {
    WEIR_ASSIGN_OR_RETURN(controller, MakeController(model, file, options.deadline_s, context));
  }
  LoadReport report;
  Fetcher fetcher(file, options, controller.has_value() ? &*controller : nullptr, clock);
  for (int i = 0; i < head.chunks(); ++i) {
    WEIR_ASSIGN_OR_RETURN(const Fetcher::Chunk chunk, fetcher.Take(i, context));
    const std::span<const int32_t> tokens = head.chunk_tokens(i);
    const auto n = static_cast<int64_t>(tokens.size());
    report.levels.push_back(chunk.level);
    if (chunk.level == 0) {
      const int64_t end = model.session().size() + n;
      WEIR_RETURN_IF_ERROR(model.session().Feed(std::span(head.tokens).first(end), context));
      report.computed_tokens += n;
    } else {
      WEIR_RETURN_IF_ERROR(chunk.bytes.status());
      const absl::Status status =
          model.Import(tokens, *file.codec(), *chunk.bytes, context.threads);
      if (!status.ok()) return file.OfChunk(i, chunk.level, status);
      report.loaded_tokens += n;
    }
    fetcher.Done(i);
  }
  report.fetched_bytes = fetcher.fetched();
  report.seconds = clock.seconds();
  return report;
}

}  // namespace weir::generate
