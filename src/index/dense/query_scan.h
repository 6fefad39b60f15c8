// One query's way through the segments: what it has found and how good a row must be.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "index/dense/vector_search.h"
#include "index/top_k.h"

namespace weir::index {

// Positions of scan codes whose score reaches the threshold, for Rescore. Not thread-safe.
class QueryScan {
 public:
  // k is at least 1; borrows the query and the options.
  QueryScan(std::span<const float> query, int64_t k, const VectorSearchOptions& options);

  // Every live row by its int8 codes, positions [begin, end).
  void ScanCodes(const VectorView& view, size_t begin, size_t end);
  // The allowed rows alone.
  void ScoreAllowed(const VectorView& view);
  // The view's allowed rows: all of them by their f32 numbers or by their int8 codes, or the lists
  // of a tree that may hold the best.
  void ScoreRows(const VectorView& view);
  void ScanAllowed(const VectorView& view);
  void WalkLists(const VectorView& view);
  // Every live row by its f32 numbers, rows [begin, end).
  void ScanRows(const VectorView& view, size_t begin, size_t end);

  // A clustered segment: Prepare and the nearest clusters, then all clusters in pieces.
  void BeginClusters(const VectorView& view);
  void ScanClusters(const VectorView& view, size_t begin, size_t end);

  // Best first, scored in f32. Ends the scan.
  std::vector<Scored> Take();

 private:
  // Which row stands at a position is looked up for those that stay to the end.
  struct Candidate {
    const VectorSegment* segment;
    size_t at;
    bool is_row;  // `at`; else it is a position
    float score;
  };

  bool Wanted(const VectorView& view, size_t row) const;
  void Keep(const Candidate& candidate);
  float Threshold() const { return best_.Least(false) - slack_; }
  void Offer(const VectorView& view, size_t position, float score);
  bool ScanAt(const VectorView& view, std::span<const uint32_t> positions);
  void Prune();
  void MakeTables(const QuantiserView& quantiser);
  std::vector<uint32_t> Nearest() const;
  bool MayReach(size_t cluster) const;
  uint16_t LeastSum(size_t cluster, float spread) const;
  void AddRange(const VectorView& view, size_t cluster);
  void FlushRun(const VectorView& view);
  void Rescore(const VectorView& view);

  std::span<const float> query_;
  size_t k_;
  const VectorSearchOptions& options_;
  std::vector<int8_t> codes_;
  float scale_ = 0, norm_ = 0, slack_ = 0;
  TopK best_;  // scores alone, for the threshold
  TopK running_;  // the same, of a few more
  std::vector<Candidate> kept_;

  // Of the segment in hand.
  std::vector<float> centre_scores_, reach_, expected_, turned_, products_;
  std::vector<uint8_t> tables_;
  float base_ = 0, step_ = 0, margin_ = 0, all_error_ = 0;
  std::vector<uint16_t> least_;  // of the rows of the run's blocks
  size_t run_begin_ = 0, run_end_ = 0;  // blocks
  std::vector<uint64_t> found_;
  std::vector<uint32_t> pending_;  // positions
  std::vector<float> scores_;
};

}  // namespace weir::index
