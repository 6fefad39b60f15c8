// A writer and readers at once, beside a model in memory of each generation; the same in a process
// that is killed. Each search of each reader must find what the model of its generation finds.
//
// WEIR_MODEL_SECONDS (2) is how long each test takes, WEIR_MODEL_SEED (1) where it starts.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "index/model/compare.h"
#include "index/model/run_operation.h"

#if defined(__SANITIZE_THREAD__)
// A process that is going to be killed must tell of a race at once.
extern "C" const char* __tsan_default_options() { return "halt_on_error=1"; }
#endif

namespace weir::index {
namespace {

using View = std::shared_ptr<const ModelView>;
using SteadyClock = std::chrono::steady_clock;

constexpr size_t kReaders = 3;

int64_t FromEnvironment(const char* name, int64_t otherwise) {
  const char* value = std::getenv(name);
  int64_t number = otherwise;
  return value != nullptr && absl::SimpleAtoi(value, &number) ? number : otherwise;
}
SteadyClock::duration Duration() {
  return std::chrono::seconds(FromEnvironment("WEIR_MODEL_SECONDS", 2));
}
uint64_t Seed() { return static_cast<uint64_t>(FromEnvironment("WEIR_MODEL_SEED", 1)); }

// The model of every generation that a reader may still have. Thread-safe.
class History {
 public:
  // The writer: `view` is that of generations [first, last], which follow those before.
  void Publish(int64_t first, int64_t last, const View& view) {
    std::lock_guard lock(mutex_);
    for (int64_t generation = first; generation <= last; ++generation) views_[generation] = view;
    const int64_t oldest = *std::min_element(held_.begin(), held_.end());
    views_.erase(views_.begin(), views_.lower_bound(oldest));
    published_.notify_all();
  }
  // No more is coming.
  void End() {
    std::lock_guard lock(mutex_);
    ended_ = true;
    published_.notify_all();
  }
  // A reader sees a commit before the writer says so: waits. Null when it never does.
  View At(int64_t generation) {
    std::unique_lock lock(mutex_);
    published_.wait(lock, [&] { return views_.contains(generation) || ended_; });
    const auto at = views_.find(generation);
    return at == views_.end() ? nullptr : at->second;
  }
  // Leaves the processor to the writer until there is another generation, at most for a moment: it
  // may be in the middle of a long operation, during which readers go on.
  void WaitPast(int64_t generation) {
    std::unique_lock lock(mutex_);
    published_.wait_for(lock, std::chrono::milliseconds(20),
                        [&] { return ended_ || views_.rbegin()->first > generation; });
  }
  // Reader number `reader` asks for none below.
  void Hold(size_t reader, int64_t generation) {
    std::lock_guard lock(mutex_);
    held_[reader] = generation;
  }

 private:
  std::mutex mutex_;
  std::condition_variable published_;
  std::map<int64_t, View> views_;
  std::array<int64_t, kReaders + 1> held_{};  // the last one searches with the writer's store
  bool ended_ = false;
};

// One writer and its readers. What goes wrong first is kept and stops all.
class Trial {
 public:
  Trial(std::string folder, const Script& script, uint64_t seed)
      : folder_(std::move(folder)), script_(script), seed_(seed) {}

  // Operations from `number` on, until `done(number)` of the last one says so.
  void Run(View view, int64_t number, const std::function<bool(int64_t)>& done) {
    auto store = Store::Open(folder_, Store::Mode::kWrite, {});
    if (!store.ok()) return Fail(store.status().ToString());
    (*store)->ReorderFrom(static_cast<int64_t>(seed_ % 3));  // of every third none
    const int64_t generation = GenerationOf(**store);
    history_.Publish(generation, generation, view);
    std::vector<std::thread> threads;
    for (size_t i = 0; i < kReaders; ++i) threads.emplace_back([this, i] { Read(i); });
    threads.emplace_back([&] { ReadBeside(**store); });
    for (;; ++number) {
      if (!Write(**store, number, view) || done(number)) break;
    }
    stop_ = true;
    history_.End();
    for (std::thread& thread : threads) thread.join();
    if (!wrong_.empty()) return;
    const auto lines = (*store)->Check({});
    if (!lines.ok() || !lines->empty()) Fail(lines.ok() ? (*lines)[0] : lines.status().ToString());
    Comparer comparer(seed_, /*thorough=*/true);
    const std::string wrong = comparer.Contents(**store, *view);
    if (!wrong.empty()) Fail(absl::StrCat("at the end: ", wrong));
  }

  // When nothing runs.
  const std::string& wrong() const { return wrong_; }
  Compared compared() {
    std::lock_guard lock(mutex_);
    return compared_;
  }

 private:
  void Fail(const std::string& what) {
    std::lock_guard lock(mutex_);
    if (wrong_.empty()) wrong_ = what;
    stop_ = true;
    std::fprintf(stderr, "seed %llu: %s\n", static_cast<unsigned long long>(seed_), what.c_str());
  }

  bool Write(Store& store, int64_t number, View& view) {
    const Operation op = script_.Next(number, view->model());
    std::vector<Model> steps = script_.Steps(view->model(), op);
    const Ran ran = RunOperation(store, view->model(), op, steps.size());
    if (!ran.wrong.empty()) {
      Fail(absl::StrCat("operation ", number, ": ", ran.wrong));
      return false;
    }
    int64_t first = ran.first + 1;
    for (size_t i = 0; i < steps.size(); ++i) {
      if (ran.begins[i] > first) history_.Publish(first, ran.begins[i] - 1, view);
      first = ran.begins[i];
      view = std::make_shared<const ModelView>(std::move(steps[i]));
    }
    history_.Publish(first, ran.last, view);
    return !stop_;
  }

  void Note(Comparer& comparer, Compared& before) {
    Compared now = comparer.compared();
    std::lock_guard lock(mutex_);
    compared_.Add({now.searches - before.searches, now.hits - before.hits,
                   now.wanted - before.wanted, now.found - before.found, now.near - before.near});
    before = now;
  }

  // Moves on to the newest generation and asks for it in two threads, again and again.
  void Read(size_t number) {
    std::mt19937_64 random(seed_ * 31 + number);
    Comparer one(seed_ * 31 + number), other(seed_ * 77 + number);
    Compared one_before, other_before;
    std::unique_ptr<Store> store;
    int64_t generation = 0;
    while (!stop_) {
      const std::string wrong = Move(store, random() % 8 == 0, generation);
      if (!wrong.empty()) return Fail(absl::StrCat("reader ", number, ": ", wrong));
      history_.Hold(number, generation);
      const View view = history_.At(generation);
      if (view == nullptr) {
        return Fail(absl::StrCat("reader ", number, ": generation ", generation,
                                 " is none that was written"));
      }
      std::string found, found_too;
      std::thread beside([&] { found_too = other.Searches(*store, *view); });
      found = one.Contents(*store, *view);
      for (int i = 0; i < 2 && found.empty(); ++i) found = one.Searches(*store, *view);
      beside.join();
      if (found.empty()) found = found_too;
      if (found.empty() && random() % 16 == 0) {
        const auto lines = store->Check({});
        if (!lines.ok()) found = lines.status().ToString();
        if (lines.ok() && !lines->empty()) found = (*lines)[0];
      }
      if (!found.empty())
        return Fail(absl::StrCat("reader ", number, ", generation ", generation, ": ", found));
      Note(one, one_before);
      Note(other, other_before);
      history_.WaitPast(generation);
    }
  }

  std::string Move(std::unique_ptr<Store>& store, bool open, int64_t& generation) const {
    if (store == nullptr || open) {
      auto opened = Store::Open(folder_, Store::Mode::kRead, {});
      if (!opened.ok()) return opened.status().ToString();
      store = *std::move(opened);
    } else if (const absl::Status status = store->Refresh(); !status.ok()) {
      return status.ToString();
    }
    const auto status = store->Status();
    if (!status.ok()) return status.status().ToString();
    if (status->generation < generation)
      return absl::StrCat("generation ", status->generation, " after ", generation);
    generation = status->generation;
    return "";
  }

  // Searches of the writer's own store, which moves on meanwhile.
  void ReadBeside(const Store& store) {
    Comparer comparer(seed_ * 13);
    Compared before;
    while (!stop_) {
      history_.Hold(kReaders, GenerationOf(store));
      const std::string wrong = comparer.LexicalOfOne(store, [&](int64_t first, int64_t last) {
        std::vector<View> views;
        for (int64_t generation = first; generation <= last; ++generation) {
          if (View view = history_.At(generation); view != nullptr) views.push_back(view);
        }
        return views;
      });
      if (!wrong.empty()) return Fail(absl::StrCat("beside the writer: ", wrong));
      Note(comparer, before);
      history_.WaitPast(GenerationOf(store));
    }
  }

  const std::string folder_;
  const Script& script_;
  const uint64_t seed_;
  History history_;
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::string wrong_;
  Compared compared_;
};

class StoreModelTest : public StoreFixture {};

TEST_F(StoreModelTest, EveryReaderSeesOneGenerationWhole) {
  const auto end = SteadyClock::now() + Duration();
  constexpr int64_t kOperations = 1500;  // of one store; another seed makes the next
  Compared compared;
  int64_t operations = 0;
  uint64_t seed = Seed();
  for (; SteadyClock::now() < end; ++seed) {
    std::filesystem::remove_all(folder());
    const Script script(seed);
    Trial trial(folder(), script, seed);
    trial.Run(std::make_shared<const ModelView>(Model()), 0, [&](int64_t number) {
      ++operations;
      return number + 1 == kOperations || SteadyClock::now() >= end;
    });
    compared.Add(trial.compared());
    ASSERT_EQ(trial.wrong(), "") << "seed " << seed;
  }
  EXPECT_GT(compared.searches, 0);
  EXPECT_GE(compared.found * 100, compared.wanted * 99) << "recall of the searches by codes";
  EXPECT_GE(compared.near * 100, compared.hits * 99) << "scores of token codes";
  std::printf("%lld operations, %lld searches with %lld hits compared, %lld stores, none wrong\n",
              static_cast<long long>(operations), static_cast<long long>(compared.searches),
              static_cast<long long>(compared.hits), static_cast<long long>(seed - Seed()));
}

// What the writer's process says after each operation.
struct Acknowledged {
  int64_t number, searches, hits;
};

[[noreturn]] void RunUntilKilled(const std::string& folder, const Script& script, const View& view,
                                 int64_t number, uint64_t seed, int pipe) {
  Trial trial(folder, script, seed);
  trial.Run(view, number, [&](int64_t done) {
    const Compared compared = trial.compared();
    const Acknowledged note{done, compared.searches, compared.hits};
    return ::write(pipe, &note, sizeof(note)) != sizeof(note);
  });
  _exit(3);
}

// When to kill: so long after so many acknowledgements, whatever the machine's speed.
struct Moment {
  size_t acknowledged;
  int64_t microseconds;
};

// Runs and kills a process; what it acknowledged comes behind `notes`. False when it ended by
// itself.
bool Kill(const std::function<void(int pipe)>& run, const Moment& moment,
          std::vector<Acknowledged>& notes) {
  int pipes[2];
  if (::pipe(pipes) != 0) return false;
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(pipes[0]);
    run(pipes[1]);
  }
  ::close(pipes[1]);
  if (child < 0) return false;
  const auto read = [&] {
    Acknowledged note;
    if (::read(pipes[0], &note, sizeof(note)) != sizeof(note)) return false;
    notes.push_back(note);
    return true;
  };
  while (notes.size() < moment.acknowledged && read()) {
  }
  std::this_thread::sleep_for(std::chrono::microseconds(moment.microseconds));
  ::kill(child, SIGKILL);
  while (read()) {
  }
  ::close(pipes[0]);
  int status = 0;
  return ::waitpid(child, &status, 0) == child && WIFSIGNALED(status) &&
         WTERMSIG(status) == SIGKILL;
}

class StoreKillTest : public StoreFixture {
 protected:
  struct Totals {
    int64_t kills = 0, operations = 0, searches = 0, hits = 0, in_flight = 0;
  };

  // The store is what was acknowledged, or what the operation in flight had committed; then `model`
  // becomes that.
  void Reopen(const Script& script, int64_t number, uint64_t seed, Model& model) {
    std::vector<Model> states = {model};
    for (Model& step : script.Steps(model, script.Next(number, model)))
      states.push_back(std::move(step));
    const auto mode = seed % 2 == 0 ? Store::Mode::kRead : Store::Mode::kWrite;
    auto opened = Store::Open(folder(), mode, {});
    // Its first commit may never have come.
    if (number == 0 && absl::IsNotFound(opened.status())) return;
    ASSERT_TRUE(opened.ok()) << opened.status();
    std::unique_ptr<Store> store = *std::move(opened);
    std::string wrong;
    for (size_t i = 0; i < states.size(); ++i) {
      const ModelView view(states[i]);
      Comparer comparer(seed, /*thorough=*/true);
      const std::string differs = comparer.Contents(*store, view);
      if (!differs.empty()) {
        absl::StrAppend(&wrong, "state ", i, ": ", differs, "\n");
        continue;
      }
      for (int search = 0; search < 4; ++search)
        ASSERT_EQ(comparer.Searches(*store, view), "") << "after kill " << totals_.kills;
      totals_.in_flight += i > 0;
      store.reset();
      store = OpenWrite();
      ASSERT_NE(store, nullptr);
      ASSERT_EQ(*store->Check({}), std::vector<std::string>()) << "after kill " << totals_.kills;
      ASSERT_EQ(comparer.Contents(*store, view), "") << "after kill " << totals_.kills;
      model = std::move(states[i]);
      return;
    }
    FAIL() << "after operation " << number << " of seed " << seed << " the store is none of the "
           << states.size() << " that it may be:\n" << wrong;
  }

  Totals totals_;
};

TEST_F(StoreKillTest, WhatWasAcknowledgedOutlivesKillsWhileReadersSearch) {
  const auto end = SteadyClock::now() + Duration();
  constexpr int kKillsOfAStore = 25;
  std::mt19937_64 random(Seed());
  uint64_t seed = Seed() * 1000;
  while (SteadyClock::now() < end) {
    std::filesystem::remove_all(folder());
    const Script script(++seed);
    Model model;
    int64_t number = 0;
    for (int i = 0; i < kKillsOfAStore && SteadyClock::now() < end; ++i) {
      // Some while it opens, most between two acknowledgements.
      const double exponent = std::uniform_real_distribution<double>(0, 1)(random);
      const Moment moment{random() % 5 == 0 ? 0 : random() % 30,
                          static_cast<int64_t>(200 * std::pow(500, exponent))};
      const auto view = std::make_shared<const ModelView>(model);
      std::vector<Acknowledged> notes;
      const bool killed = Kill(
          [&](int pipe) { RunUntilKilled(folder(), script, view, number, seed + i, pipe); },
          moment, notes);
      ASSERT_TRUE(killed) << "the writer ended by itself, seed " << seed << ", operation "
                          << number + static_cast<int64_t>(notes.size());
      ++totals_.kills;
      for (const Acknowledged& note : notes) {
        ASSERT_EQ(note.number, number);
        std::vector<Model> steps = script.Steps(model, script.Next(number++, model));
        if (!steps.empty()) model = std::move(steps.back());
      }
      totals_.operations += static_cast<int64_t>(notes.size());
      if (!notes.empty()) {
        totals_.searches += notes.back().searches;
        totals_.hits += notes.back().hits;
      }
      ASSERT_NO_FATAL_FAILURE(Reopen(script, number++, seed + static_cast<uint64_t>(i), model));
    }
  }
  EXPECT_GT(totals_.operations, totals_.kills);
  std::printf("%lld kills, %lld of them past the commit of what was not acknowledged yet; %lld "
              "operations, %lld searches with %lld hits compared, none lost, none wrong\n",
              static_cast<long long>(totals_.kills), static_cast<long long>(totals_.in_flight),
              static_cast<long long>(totals_.operations), static_cast<long long>(totals_.searches),
              static_cast<long long>(totals_.hits));
}

}  // namespace
}  // namespace weir::index
