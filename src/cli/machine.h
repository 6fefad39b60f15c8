// The machine in a line, as records of measurements carry it.
#pragma once

#include <string>

namespace weir::cli {

// "AMD EPYC ..., 2 cores, kernels AVX3_ZEN4, load 0.4"
std::string Machine();

}  // namespace weir::cli
