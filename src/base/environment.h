// The one door to environment variables for rooms that need one before options exist.
#pragma once

#include <string>

namespace weir {

// "" when the variable is not set.
std::string EnvironmentVariable(const char* name);

}  // namespace weir
