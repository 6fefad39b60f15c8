// One kernel per quantised format, chosen once a call: what every target's entry point does.
#pragma once

#include "tensor/dtype.h"

namespace weir::tensor {

// Runs `run.operator()<type>()` for the formats the integer kernels have; nothing for the others
// (float matrices have their own product).
template <typename Run>
void ForQuantised(DType type, const Run& run) {
  switch (type) {
    case DType::kQ4_0:
      return run.template operator()<DType::kQ4_0>();
    case DType::kQ4_1:
      return run.template operator()<DType::kQ4_1>();
    case DType::kQ5_0:
      return run.template operator()<DType::kQ5_0>();
    case DType::kQ5_1:
      return run.template operator()<DType::kQ5_1>();
    case DType::kQ8_0:
      return run.template operator()<DType::kQ8_0>();
    case DType::kQ4_K:
      return run.template operator()<DType::kQ4_K>();
    case DType::kQ5_K:
      return run.template operator()<DType::kQ5_K>();
    case DType::kQ6_K:
      return run.template operator()<DType::kQ6_K>();
    default:
      return;
  }
}

}  // namespace weir::tensor
