// What benches of tenants compare with: an inverted file over unit vectors, scanned in int8 with
// the kernels that Weir itself uses, candidates scored in f32 at the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "index/scored.h"
#include "index/tenants/cluster_tree.h"

namespace weir::cli {

class InvertedFile {
 public:
  // Of these rows of `vectors` [n, d], which are borrowed, in about sqrt(rows) clusters by k-means.
  InvertedFile(std::span<const float> vectors, size_t d, std::vector<uint32_t> rows);

  // The best k in the `probes` nearest clusters.
  std::vector<index::Scored> Search(std::span<const float> query, int64_t k, size_t probes) const;
  // Of those alone whose bit is set: by row of `vectors`.
  std::vector<index::Scored> SearchAllowed(std::span<const float> query, int64_t k, size_t probes,
                                           const std::vector<uint64_t>& allowed) const;
  size_t clusters() const { return begins_.size() - 1; }
  size_t bytes() const;  // beside the f32 rows

 private:
  void Train(size_t clusters);
  std::vector<uint32_t> Nearest(const index::TreeQuery& query, size_t probes) const;
  std::vector<index::Scored> Rescore(std::span<const float> query, int64_t k,
                                     std::span<const uint32_t> positions) const;

  std::span<const float> vectors_;
  size_t d_;
  std::vector<uint32_t> rows_;  // cluster after cluster
  std::vector<uint32_t> begins_;
  std::vector<int8_t> codes_, centres_;
  std::vector<float> scales_, centre_scales_, biases_;
};

}  // namespace weir::cli
