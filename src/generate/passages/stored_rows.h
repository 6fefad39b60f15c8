// KV ports through which a decoder runs tokens that are stored already: the same Forward, other
// rows.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "generate/kv/sequence.h"
#include "model/kv_port.h"

namespace weir::generate {

// Tokens at given places of a sequence computed anew, over all that is stored before each of them:
// their keys and values replace the stored ones. Borrows both.
class RowsAgain : public model::KvSequence {
 public:
  // `positions` ascending, below sequence->length(); the tokens of Forward are theirs.
  RowsAgain(PagedSequence* sequence, std::span<const int64_t> positions)
      : sequence_(sequence), positions_(positions) {}

  int64_t length() const override { return sequence_->length(); }
  void Positions(int64_t n, int64_t* out) const override;
  absl::Status Reserve(int64_t) override;
  void Append(int layer, int64_t n, const float* k, const float* v, Threads* threads) override;
  void Attend(int layer, int64_t n, const float* q, float* out, Threads* threads) override;
  void Commit(int64_t n) override { done_ += n; }

 protected:
  std::span<const int64_t> Chunk(int64_t n) const { return positions_.subspan(done_, n); }
  PagedSequence& sequence() { return *sequence_; }

 private:
  PagedSequence* sequence_;
  std::span<const int64_t> positions_;
  size_t done_ = 0;  // of positions_, by earlier chunks
};

// As RowsAgain, but on the layer `kSelecting` only those rows of a chunk go on whose keys and
// values differ the most from the stored ones; the others keep what is stored. On the first layer
// nothing can differ: keys and values there depend on the token and its place alone.
class DeviatingRows : public RowsAgain {
 public:
  static constexpr int kSelecting = 1;
  // `share` of each chunk's rows go on, rounded up.
  DeviatingRows(PagedSequence* sequence, std::span<const int64_t> positions, double share)
      : RowsAgain(sequence, positions), share_(share) {}

  void Append(int layer, int64_t n, const float* k, const float* v, Threads* threads) override;
  int64_t Narrow(int layer, int64_t n, int32_t* rows) override;
  void Attend(int layer, int64_t n, const float* q, float* out, Threads* threads) override;
  void Commit(int64_t n) override;
  int64_t kept() const { return total_; }

 private:
  void Choose(int layer, std::span<const int64_t> positions, const float* k, const float* v,
              Threads* threads);
  double share_;
  std::vector<int32_t> chosen_;     // rows of the chunk that go on
  std::vector<int64_t> positions_;  // theirs
  int64_t total_ = 0;
};

// Runs the tokens that follow a sequence up to a middle layer, stores nothing that lasts, and sums
// how much they attend to each stored token: the mean probability over rows, heads and the layers
// [first, last].
class AttentionProbe : public model::KvSequence {
 public:
  AttentionProbe(PagedSequence* sequence, int first_layer, int last_layer)
      : sequence_(sequence), first_(first_layer), last_(last_layer),
        weights_(static_cast<size_t>(sequence->length()), 0.0f) {}

  int64_t length() const override { return sequence_->length() + done_; }
  absl::Status Reserve(int64_t n) override { return sequence_->Reserve(done_ + n); }
  void Append(int layer, int64_t n, const float* k, const float* v, Threads* threads) override;
  int64_t Narrow(int layer, int64_t n, int32_t*) override { return layer > last_ ? 0 : n; }
  void Attend(int layer, int64_t n, const float* q, float* out, Threads* threads) override;
  void Commit(int64_t n) override { done_ += n; }
  std::span<const float> weights() const { return weights_; }

 private:
  std::vector<int64_t> Next(int64_t n) const;
  void Count(int layer, std::span<const int64_t> positions, const float* q, const float* lse,
             Threads* threads);
  PagedSequence* sequence_;
  int first_, last_;
  int64_t done_ = 0;
  std::vector<float> weights_;  // [length of the sequence]
};

}  // namespace weir::generate
