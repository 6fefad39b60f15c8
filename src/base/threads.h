// A fixed pool of threads for data-parallel loops. The caller is worker 0, so Threads(1) starts
// none. Workers spin for a while between jobs (decode issues hundreds of jobs a token), then sleep.
// Thread-compatible: one Run at a time per pool.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "absl/functional/function_ref.h"

namespace weir {

class Threads {
 public:
  explicit Threads(int count);  // REQUIRES: 1 <= count <= 256
  ~Threads();
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  int count() const { return count_; }
  // Calls work(worker) once for each worker in [0, count) and returns when all are done (a
  // barrier).
  void Run(absl::FunctionRef<void(int worker)> work);
  // Splits [0, n) into one contiguous static range a worker, each a multiple of `grain`, in order.
  void For(size_t n, size_t grain,
           absl::FunctionRef<void(size_t begin, size_t end, int worker)> work);
  // Hands out [0, n) in ranges of `grain` to whichever worker is free next, in order. For long work
  // whose result does not depend on who does it: a worker that a neighbour on the machine holds up
  // is not waited for with half of it.
  void Share(size_t n, size_t grain,
             absl::FunctionRef<void(size_t begin, size_t end, int worker)> work);

 private:
  struct State;
  int count_;
  std::unique_ptr<State> state_;
};

// `threads` may be null: then the loop runs here, as worker 0, in one range.
void ParallelShare(Threads* threads, size_t n, size_t grain,
                   absl::FunctionRef<void(size_t begin, size_t end, int worker)> work);
void ParallelFor(Threads* threads, size_t n, size_t grain,
                 absl::FunctionRef<void(size_t begin, size_t end, int worker)> work);

}  // namespace weir
