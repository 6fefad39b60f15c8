#include "plan/attention_shape.h"

#include "absl/strings/str_cat.h"

namespace weir::plan {
namespace {

constexpr int64_t kMaxKeys = int64_t{1} << 24;
constexpr int64_t kMaxHeadDim = 4096;
constexpr int64_t kMaxHeads = 1024;

absl::Status CheckRange(const char* what, int64_t value, int64_t most) {
  if (value >= 1 && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(what, ": ", value, "; expected 1 to ", most));
}

}  // namespace

absl::Status Check(const AttentionShape& shape) {
  for (const absl::Status& status :
       {CheckRange("n", shape.keys, kMaxKeys), CheckRange("queries", shape.queries, kMaxKeys),
        CheckRange("d", shape.head_dim, kMaxHeadDim), CheckRange("heads", shape.heads, kMaxHeads),
        CheckRange("kv-heads", shape.kv_heads, kMaxHeads)}) {
    if (!status.ok()) return status;
  }
  if (shape.heads % shape.kv_heads != 0) {
    return absl::InvalidArgumentError(absl::StrCat("heads: ", shape.heads,
                                                   "; expected a multiple of kv-heads (",
                                                   shape.kv_heads, ")"));
  }
  if (shape.queries > shape.keys) {
    return absl::InvalidArgumentError(absl::StrCat("queries: ", shape.queries,
                                                   "; expected at most n (", shape.keys, ")"));
  }
  // No schedule moves more than 4 d + 8 words a pair of row and key, and 8 d a row or key.
  const double pairs = static_cast<double>(shape.rows()) * shape.keys;
  const double ends = static_cast<double>(shape.rows()) + shape.keys;
  const double most =
      shape.kv_heads * (pairs * (4.0 * shape.head_dim + 8) + ends * 8 * shape.head_dim);
  if (most >= 9e18) {
    return absl::InvalidArgumentError(
        absl::StrCat("n ", shape.keys, ", d ", shape.head_dim, ", heads ", shape.heads,
                     ": the counts pass 2^63; expected a smaller problem"));
  }
  return absl::OkStatus();
}

}  // namespace weir::plan
