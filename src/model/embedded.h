// Files of models/ that are compiled in: models/README.md says what they are and how they were
// made.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace weir::model {

// The weights that they belong to.
inline constexpr std::string_view kMinilmSha256 =
    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db";
inline constexpr std::string_view kBgeSha256 =
    "828e1496d7fabb79cfa4dcd84fa38625c0d3d21da474a00f08db0f559940cf35";

std::span<const std::byte> CrossAdapter();
std::span<const std::byte> MinilmTokenHead();
std::span<const std::byte> BgeTokenHead();

}  // namespace weir::model
