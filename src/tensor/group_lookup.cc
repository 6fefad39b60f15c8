#include "tensor/group_lookup.h"

#include <algorithm>
#include <limits>

#include "tensor/kernels.h"

namespace weir::tensor {
namespace {

int32_t Sum(const uint8_t* codes, size_t row, const uint8_t* tables, size_t parts) {
  const uint8_t* group = codes + row / kLookupGroup * LookupGroupBytes(parts);
  int32_t sum = 0;
  for (size_t p = 0; p < parts; ++p)
    sum += tables[p * 16 + GroupCode(group, p, row % kLookupGroup)];
  return sum;
}

void Sums(const uint8_t* codes, size_t groups, const uint8_t* tables, size_t parts,
          int32_t* sums) {
  for (size_t r = 0; r < groups * kLookupGroup; ++r) sums[r] = Sum(codes, r, tables, parts);
}

void Largest(const uint8_t* codes, size_t begin, size_t end, const uint8_t* tables, size_t parts,
             size_t queries, int32_t*, int32_t* most) {
  for (size_t q = 0; q < queries; ++q) {
    most[q] = std::numeric_limits<int32_t>::min();
    for (size_t r = begin; r < end; ++r) {
      most[q] = std::max(most[q], Sum(codes, r, tables + q * parts * 16, parts));
    }
  }
}

}  // namespace

extern const GroupLookupKernels kScalarGroupLookup = {Sums, Largest};

bool SupportsAvx512GroupLookup() {
#if defined(__x86_64__)
  return kAvx512Kernels.supported() && __builtin_cpu_supports("avx512vbmi");
#else
  return false;
#endif
}

const GroupLookupKernels& GroupLookup() {
  static const GroupLookupKernels& best = []() -> const GroupLookupKernels& {
    if (&Kernels() == &kAvx512Kernels && SupportsAvx512GroupLookup()) return kAvx512GroupLookup;
    return &Kernels() == &kScalarKernels ? kScalarGroupLookup : kAvx2GroupLookup;
  }();
  return best;
}

}  // namespace weir::tensor
