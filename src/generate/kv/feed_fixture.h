// Sequences of a small shape fed with tokens whose queries, keys and values are random numbers of
// the token's id, for tests that compare what attention gives.
#pragma once

#include <cstdint>
#include <span>
#include <tuple>
#include <vector>

#include "generate/kv/sequence.h"
#include "generate/sample/random.h"
#include "gtest/gtest.h"

namespace weir::generate::feed {

inline constexpr KvShape kShape = {.layers = 2, .heads = 6, .kv_heads = 2, .head_dim = 32};
inline constexpr size_t kWidth = 6 * 32;

inline std::vector<float> RandomRows(int64_t n, int64_t width, uint64_t seed) {
  std::vector<float> rows(n * width);
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<float>(2 * UniformAt(seed, i) - 1);
  return rows;
}

inline std::vector<int> Ids(int n, int first = 1) {
  std::vector<int> ids(n);
  for (int i = 0; i < n; ++i) ids[i] = first + i;
  return ids;
}

inline void AppendTo(PagedSequence& s, int layer, std::span<const int> ids,
                     std::vector<float>* out) {
  std::vector<float> k, v, q;
  for (int id : ids) {
    for (auto [rows, heads, salt] :
         {std::tuple{&k, kShape.kv_heads, 1}, {&v, kShape.kv_heads, 2}, {&q, kShape.heads, 3}}) {
      const auto row = RandomRows(1, heads * kShape.head_dim, id * 100 + layer * 10 + salt);
      rows->insert(rows->end(), row.begin(), row.end());
    }
  }
  s.Append(layer, ids.size(), k.data(), v.data(), nullptr);
  out->resize(q.size());
  s.Attend(layer, ids.size(), q.data(), out->data(), nullptr);
}

// The outputs of all new tokens, [layers][tokens][kWidth].
inline std::vector<std::vector<float>> Feed(PagedSequence& s, std::span<const int> ids) {
  std::vector<std::vector<float>> out(kShape.layers);
  EXPECT_TRUE(s.Reserve(ids.size()).ok());
  for (int layer = 0; layer < kShape.layers; ++layer) AppendTo(s, layer, ids, &out[layer]);
  s.Commit(ids.size());
  return out;
}

}  // namespace weir::generate::feed
