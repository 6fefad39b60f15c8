#include "generate/prompt_cache/stream_controller.h"

#include <algorithm>
#include <array>
#include <limits>

namespace weir::generate {
namespace {

// Weight of the newest transfer in the estimate when the link has become faster; when it has become
// slower the newest counts alone.
constexpr double kRise = 0.5;
constexpr double kFirstShare = 0.2;
constexpr double kGuard = 0.02;  // seconds; several looks of the loader
constexpr double kSettle = 0.02;  // seconds before a transfer says anything about the link
// How long plans wait for a chunk, in times that computing it takes.
constexpr std::array<double, 4> kPatience = {0.0, 0.25, 0.5, 1.0};
constexpr double kNever = std::numeric_limits<double>::infinity();

}  // namespace

StreamController::StreamController(std::vector<ChunkCost> chunks, const ControllerOptions& options)
    : chunks_(std::move(chunks)), options_(options), rate_(options.prior_bytes_per_s) {}

// When the last chunk will be in the cache if all from `chunk` on are fetched at one level and the
// processor, when it is free, waits at most `patience` of a computation for the next one.
double StreamController::Finish(size_t chunk, int level, double now_s, double free_s, double rate,
                                double patience) const {
  double link = now_s, processor = std::max(now_s, free_s);
  for (size_t i = chunk; i < chunks_.size(); ++i) {
    const ChunkCost& c = chunks_[i];
    const double arrival =
        rate > 0 ? link + static_cast<double>(c.bytes[level - 1]) / rate : kNever;
    if (arrival - processor > patience * c.compute_s) {
      processor += c.compute_s;  // the link takes the next chunk instead
    } else {
      link = arrival;
      processor = std::max(arrival, processor) + c.decode_s[level - 1];
    }
  }
  return processor;
}

double StreamController::BestFinish(size_t chunk, int level, double now_s, double free_s,
                                    double rate) const {
  double best = kNever;
  for (double patience : kPatience) {
    best = std::min(best, Finish(chunk, level, now_s, free_s, rate, patience));
  }
  return best;
}

int StreamController::Smallest(int chunk) const {
  const auto& bytes = chunks_[chunk].bytes;
  for (int level = 1; level < kCodecLevels; ++level) {
    if (bytes[level - 1] > 0) return level;
  }
  return kCodecLevels;
}

int StreamController::Level(int chunk, double now_s, double free_s) const {
  const ChunkCost& c = chunks_[chunk];
  const int smallest = Smallest(chunk);
  // Nothing is known of the link: the processor takes the first chunk, if that is a small part of
  // the time, and the second comes at a middle level, as the paper has it.
  if (rate_ == 0) {
    if (chunk == 0 && c.compute_s <= options_.deadline_s * kFirstShare) return 0;
    return c.bytes[1] > 0 ? 2 : smallest;
  }
  for (int level = kCodecLevels; level > smallest; --level) {
    if (c.bytes[level - 1] == 0) continue;
    const double finish =
        Finish(chunk, level, now_s, free_s, rate_ * options_.caution, kPatience.back());
    if (finish <= options_.deadline_s) return level;
  }
  // Too slow for all chunks: an idle processor takes this one at once, so that the link is ahead of
  // it. Only this one: the link goes on with the next, in case it recovers.
  if (free_s > now_s) return smallest;
  const double rate = rate_;
  const double arrival = now_s + static_cast<double>(c.bytes[smallest - 1]) / rate;
  const double start_s = std::max(now_s, free_s);
  const size_t next = static_cast<size_t>(chunk) + 1;
  const double fetched = BestFinish(next, smallest, arrival, arrival + c.decode_s[smallest - 1],
                                    rate);
  if (fetched <= options_.deadline_s) return smallest;
  const double computed = BestFinish(next, smallest, now_s, start_s + c.compute_s, rate);
  return computed + options_.margin_s < fetched ? 0 : smallest;
}

bool StreamController::ComputeInstead(int chunk, int level, int64_t bytes, double seconds,
                                      double now_s) const {
  const ChunkCost& c = chunks_[chunk];
  // The last moment at which the processor alone can still make it.
  double alone = now_s;
  for (size_t i = chunk; i < chunks_.size(); ++i) alone += chunks_[i].compute_s;
  if (alone <= options_.deadline_s && alone + kGuard > options_.deadline_s) return true;
  if (rate_ == 0 && seconds < kSettle) return false;
  // A transfer that has fallen behind the estimate says more than the estimate.
  double rate = rate_;
  const auto done = static_cast<double>(bytes);
  if (seconds >= kSettle && (rate == 0 || done < rate_ * seconds / 2)) rate = done / seconds;
  const auto left = static_cast<double>(c.bytes[level - 1] - bytes);
  const double arrival = rate > 0 ? now_s + left / rate : kNever;
  const double loaded = arrival + c.decode_s[level - 1], computed = now_s + c.compute_s;
  const size_t next = static_cast<size_t>(chunk) + 1;
  if (next == chunks_.size()) return computed + options_.margin_s < loaded;
  const int rest = Smallest(static_cast<int>(next));
  if (rate > 0 && BestFinish(next, rest, arrival, loaded, rate * options_.caution) <=
                      options_.deadline_s) {
    return false;
  }
  // Computing leaves the link to the next chunk at once.
  return BestFinish(next, rest, now_s, computed, rate) + options_.margin_s <
         BestFinish(next, rest, arrival, loaded, rate);
}

void StreamController::Observe(int64_t bytes, double seconds) {
  if (seconds <= 0) return;
  const double rate = static_cast<double>(bytes) / seconds;
  rate_ = rate_ > 0 && rate > rate_ ? kRise * rate + (1 - kRise) * rate_ : rate;
  if (rate_ <= 0) rate_ = 1;  // byte a second: stalled, not unknown
}

}  // namespace weir::generate
