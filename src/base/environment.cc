#include "base/environment.h"

#include <cstdlib>

namespace weir {

std::string EnvironmentVariable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace weir
