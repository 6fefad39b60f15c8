// Several sequences as the one that a decoder runs: the rows of a step are those of its parts, part
// after part. All parts have the policy and placement of the first.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "generate/kv/sequence.h"
#include "model/kv_port.h"

namespace weir::generate {

class BatchSequence : public model::KvSequence {
 public:
  // `policy` and what the parts point to must outlive the steps they are used in.
  BatchSequence(std::shared_ptr<const KvPolicy> policy, const KvShape& shape)
      : policy_(std::move(policy)), shape_(shape) {}

  struct Part {
    PagedSequence* sequence = nullptr;  // each at most once
    int64_t rows = 0;                   // at least 1
  };
  // What the next call of a decoder runs: as many tokens as all parts have rows.
  void Begin(std::span<const Part> parts);

  int64_t length() const override { return done_; }  // rows committed since Begin
  void Positions(int64_t n, int64_t* out) const override;
  absl::Status Reserve(int64_t n) override;
  void Append(int layer, int64_t n, const float* k, const float* v, Threads* threads) override;
  void Attend(int layer, int64_t n, const float* q, float* out, Threads* threads) override;
  void Commit(int64_t n) override;

  // Tokens that the parts had in common with a neighbour when they began: what sharing need not
  // read again, in each layer without a window.
  int64_t shared_tokens() const { return shared_tokens_; }

 private:
  // Rows of one part within the next n.
  struct Segment {
    PagedSequence* sequence;
    int64_t offset, rows;
  };
  // In the order of the rows.
  void Segments(int64_t n, std::vector<Segment>& out) const;

  std::shared_ptr<const KvPolicy> policy_;
  KvShape shape_;
  std::vector<Part> parts_;
  std::vector<size_t> rank_;  // [parts] place among the parts in the order of their blocks
  int64_t done_ = 0, total_ = 0, shared_tokens_ = 0;
  std::vector<Segment> segments_;
  std::vector<std::span<const AttendJob>> by_rank_;  // what each part asks for
  std::vector<AttendJob> jobs_;
};

}  // namespace weir::generate
