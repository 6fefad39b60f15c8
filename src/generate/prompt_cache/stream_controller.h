// Chunk by chunk: at which level the next one is fetched, and when waiting for one is given up and
// its tokens are computed from text instead, so that all are there by a deadline at the best
// quality. Pure arithmetic on what it is told; StreamSimulation and the loader drive the same
// class.
//
// Two things work in parallel: the link fetches chunks in order, without a pause; the processor
// takes them in order, decoding what has arrived or computing what has not (a computed chunk needs
// all chunks before it). The level is chosen when the link is free; text is chosen when the
// processor is, so a stalled link never costs more than the processor's own time.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "generate/prompt_cache/kv_codec.h"

namespace weir::generate {

struct ChunkCost {
  std::array<int64_t, kCodecLevels> bytes = {};    // at levels 1 to 3; 0: not there
  std::array<double, kCodecLevels> decode_s = {};  // from bytes to the cache
  double compute_s = 0;                            // from tokens
};

struct ControllerOptions {
  double deadline_s = 1;          // from the start to the last chunk in the cache
  double prior_bytes_per_s = 0;   // what the link is thought to give; 0: unknown
  double caution = 0.25;          // of the estimated throughput that plans count on
  // Bytes are cheap to wait for, computing is not: text is chosen only when it is earlier by this.
  double margin_s = 0.002;
};

class StreamController {
 public:
  StreamController(std::vector<ChunkCost> chunks, const ControllerOptions& options);

  // The level at which to fetch `chunk`, whose transfer may begin now, or 0: compute it; the
  // processor will be done with the chunks before it at `free_s`. Seconds since the start.
  int Level(int chunk, double now_s, double free_s) const;
  // The processor waits for `chunk`, of which `bytes` have come in `seconds`: compute it instead?
  bool ComputeInstead(int chunk, int level, int64_t bytes, double seconds, double now_s) const;
  // A transfer ended or was given up.
  void Observe(int64_t bytes, double seconds);

  double compute_s(int chunk) const { return chunks_[chunk].compute_s; }
  double bytes_per_s() const { return rate_; }  // the estimate; 0 when there is none

 private:
  double Finish(size_t chunk, int level, double now_s, double free_s, double rate,
                double patience) const;
  double BestFinish(size_t chunk, int level, double now_s, double free_s, double rate) const;
  int Smallest(int chunk) const;

  std::vector<ChunkCost> chunks_;
  ControllerOptions options_;
  double rate_ = 0;
};

}  // namespace weir::generate
