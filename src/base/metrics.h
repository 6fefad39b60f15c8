// Counters by name, for `--json` timings and the later Prometheus page. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace weir {

class Metrics {
 public:
  void Add(std::string_view name, double value);
  std::map<std::string, double> Snapshot() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, double, std::less<>> values_;
};

}  // namespace weir
