#include "base/metrics.h"

namespace weir {

void Metrics::Add(std::string_view name, double value) {
  std::lock_guard lock(mutex_);
  auto found = values_.find(name);
  if (found == values_.end()) found = values_.emplace(std::string(name), 0.0).first;
  found->second += value;
}

std::map<std::string, double> Metrics::Snapshot() const {
  std::lock_guard lock(mutex_);
  return {values_.begin(), values_.end()};
}

}  // namespace weir
