// Files of models/ that are compiled in: models/README.md says what they are and how they were
// made.
#pragma once

#include <cstddef>
#include <span>

namespace weir::model {

std::span<const std::byte> CrossAdapter();
std::span<const std::byte> MinilmTokenHead();
std::span<const std::byte> BgeTokenHead();

}  // namespace weir::model
