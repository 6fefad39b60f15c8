#include "base/threads.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "base/context.h"

namespace weir {
namespace {

// Long enough to bridge the serial work between two matrix products of a decode step, short enough
// that an idle pool costs nothing a person would notice.
constexpr int64_t kSpinNs = 50'000;

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Spins until `ready()` or the time is up; returns the last answer of `ready()`.
template <class Ready>
bool SpinUntil(Ready ready) {
  for (int i = 0; i < 64; ++i) {
    if (ready()) return true;
    Pause();
  }
  const int64_t end = SteadyNowNs() + kSpinNs;
  do {
    for (int i = 0; i < 64; ++i) {
      if (ready()) return true;
      Pause();
    }
  } while (SteadyNowNs() < end);
  return ready();
}

}  // namespace

// One job is one epoch. A waiter announces itself in `sleepers` under the mutex before it looks
// once more; a waker changes the value first and then looks at `sleepers`. Both sides are
// sequentially consistent, so at least one of them sees the other and no wake-up is lost.
struct Threads::State {
  using Work = absl::FunctionRef<void(int)>;

  struct Gate {
    std::mutex mutex;
    std::condition_variable changed;
    std::atomic<int> sleepers{0};

    template <class Ready>
    void Wait(Ready ready) {
      if (SpinUntil(ready)) return;
      std::unique_lock lock(mutex);
      sleepers.fetch_add(1);
      changed.wait(lock, ready);
      sleepers.fetch_sub(1);
    }
    void Wake() {
      if (sleepers.load() == 0) return;
      { std::lock_guard lock(mutex); }
      changed.notify_all();
    }
  };

  alignas(64) std::atomic<uint64_t> epoch{0};
  const Work* work = nullptr;  // published by epoch
  bool stop = false;           // published by epoch
  alignas(64) std::atomic<int> running{0};
  alignas(64) Gate start;
  alignas(64) Gate done;
  std::vector<std::thread> workers;

  void Loop(int worker) {
    uint64_t seen = 0;
    while (true) {
      start.Wait([&] { return epoch.load() != seen; });
      ++seen;  // Run returns only when all are done, so no epoch is ever skipped
      if (stop) return;
      (*work)(worker);
      if (running.fetch_sub(1) == 1) done.Wake();
    }
  }

  void Publish() {
    epoch.fetch_add(1);
    start.Wake();
  }
};

Threads::Threads(int count)
    : count_(std::clamp(count, 1, 256)), state_(std::make_unique<State>()) {
  state_->workers.reserve(count_ - 1);
  for (int worker = 1; worker < count_; ++worker) {
    state_->workers.emplace_back([this, worker] { state_->Loop(worker); });
  }
}

Threads::~Threads() {
  state_->stop = true;
  state_->Publish();
  for (std::thread& worker : state_->workers) worker.join();
}

void Threads::Run(absl::FunctionRef<void(int worker)> work) {
  if (count_ == 1) {
    work(0);
    return;
  }
  state_->work = &work;
  state_->running.store(count_ - 1);
  state_->Publish();
  work(0);
  state_->done.Wait([this] { return state_->running.load() == 0; });
}

void Threads::For(size_t n, size_t grain,
                  absl::FunctionRef<void(size_t begin, size_t end, int worker)> work) {
  if (n == 0) return;
  grain = std::max<size_t>(grain, 1);
  const size_t units = n / grain + (n % grain != 0);
  if (count_ == 1 || units == 1) {
    work(0, n, 0);
    return;
  }
  const size_t each = units / count_;
  const size_t rest = units % count_;  // the first `rest` workers take one unit more
  Run([&](int worker) {
    const size_t w = static_cast<size_t>(worker);
    const size_t first = w * each + std::min(w, rest);
    const size_t last = first + each + (w < rest ? 1 : 0);
    const size_t begin = first * grain;
    const size_t end = last == units ? n : last * grain;
    if (first < last) work(begin, end, worker);
  });
}

void Threads::Share(size_t n, size_t grain,
                    absl::FunctionRef<void(size_t begin, size_t end, int worker)> work) {
  if (n == 0) return;
  grain = std::max<size_t>(grain, 1);
  if (count_ == 1 || n <= grain) {
    work(0, n, 0);
    return;
  }
  // Ranges are counted, not elements: the counter cannot run past the end of size_t.
  const size_t ranges = n / grain + (n % grain != 0);
  std::atomic<size_t> next{0};
  Run([&](int worker) {
    for (size_t r; (r = next.fetch_add(1)) < ranges;)
      work(r * grain, r + 1 == ranges ? n : (r + 1) * grain, worker);
  });
}

void ParallelShare(Threads* threads, size_t n, size_t grain,
                   absl::FunctionRef<void(size_t begin, size_t end, int worker)> work) {
  if (threads != nullptr) {
    threads->Share(n, grain, work);
  } else if (n > 0) {
    work(0, n, 0);
  }
}

void ParallelFor(Threads* threads, size_t n, size_t grain,
                 absl::FunctionRef<void(size_t begin, size_t end, int worker)> work) {
  if (threads != nullptr) {
    threads->For(n, grain, work);
  } else if (n > 0) {
    work(0, n, 0);
  }
}

}  // namespace weir
