// Scores of different kinds on one scale.
#pragma once

#include <span>

namespace weir::retrieve {

// To mean 0 and deviation 1; all 0 where they do not differ.
void Normalise(std::span<double> scores);

}  // namespace weir::retrieve
