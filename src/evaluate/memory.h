// What a run took of the machine's memory.
#pragma once

#include <cstdint>

namespace weir::evaluate {

// Peak resident memory of this process in bytes since the last ResetPeakMemory; 0 when unknown.
int64_t PeakMemoryBytes();
void ResetPeakMemory();

}  // namespace weir::evaluate
