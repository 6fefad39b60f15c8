#include "generate/prompt_cache/stream_controller.h"

#include <algorithm>
#include <limits>

namespace weir::generate {
namespace {

// Weight of the newest transfer in the estimate when the link has become faster; when it has become
// slower the newest counts alone.
constexpr double kRise = 0.5;
constexpr double kNever = std::numeric_limits<double>::infinity();

}  // namespace

StreamController::StreamController(std::vector<ChunkCost> chunks, const ControllerOptions& options)
    : chunks_(std::move(chunks)), options_(options), rate_(options.prior_bytes_per_s) {}

// When the last chunk will be in the cache if all from `chunk` on are fetched at one level, and
// computed where that is sooner.
double StreamController::Finish(int chunk, int level, double now_s, double free_s,
                                double rate) const {
  double link = now_s, processor = std::max(now_s, free_s);
  for (size_t i = chunk; i < chunks_.size(); ++i) {
    const ChunkCost& c = chunks_[i];
    const double arrival =
        rate > 0 ? link + static_cast<double>(c.bytes[level - 1]) / rate : kNever;
    const double decoded = std::max(arrival, processor) + c.decode_s[level - 1];
    const double computed = processor + c.compute_s;
    if (computed < decoded) {
      link = std::min(arrival, processor);  // given up when the processor turned to it
      processor = computed;
    } else {
      link = arrival;
      processor = decoded;
    }
  }
  return processor;
}

int StreamController::Level(int chunk, double now_s, double free_s) const {
  const ChunkCost& c = chunks_[chunk];
  int smallest = 0;
  for (int level = kCodecLevels; level >= 1; --level) {
    if (c.bytes[level - 1] > 0) smallest = level;
  }
  // Nothing is known of the link: a middle level, as the paper has it.
  if (rate_ == 0 && chunk == 0 && options_.prior_bytes_per_s == 0) {
    return c.bytes[1] > 0 ? 2 : smallest;
  }
  for (int level = kCodecLevels; level > smallest; --level) {
    if (c.bytes[level - 1] == 0) continue;
    const double finish = Finish(chunk, level, now_s, free_s, rate_ * options_.caution);
    if (finish <= options_.deadline_s) return level;
  }
  return smallest;
}

bool StreamController::ComputeInstead(int chunk, int level, int64_t bytes, double seconds,
                                      double now_s) const {
  const ChunkCost& c = chunks_[chunk];
  const auto left = static_cast<double>(c.bytes[level - 1] - bytes);
  // What this transfer shows of the link, once it has run for a while; before, the estimate.
  double rate = rate_;
  const double expected = rate_ > 0 ? static_cast<double>(c.bytes[level - 1]) / rate_ : 0;
  if (seconds > 0.02 && (rate_ == 0 || seconds > expected / 4)) {
    rate = static_cast<double>(bytes) / seconds;
  }
  if (rate_ == 0 && seconds <= 0.02) return false;
  const double arrival = rate > 0 ? now_s + left / rate : kNever;
  return now_s + c.compute_s + options_.margin_s < arrival + c.decode_s[level - 1];
}

void StreamController::Observe(int64_t bytes, double seconds) {
  if (seconds <= 0) return;
  const double rate = static_cast<double>(bytes) / seconds;
  rate_ = rate_ > 0 && rate > rate_ ? kRise * rate + (1 - kRise) * rate_ : rate;
  if (rate_ <= 0) rate_ = 1;  // byte a second: stalled, not unknown
}

}  // namespace weir::generate
