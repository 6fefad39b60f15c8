// A cost model that predicts from sizes alone, registered as a technique of kind PlanModel. Each
// reads its own options (OptionTable) when it is made.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace weir::plan {

struct Prediction {
  std::string name;
  double value = 0;
  std::string unit;
};

class PlanModel {
 public:
  virtual ~PlanModel() = default;
  virtual absl::StatusOr<std::vector<Prediction>> Predict() const = 0;
};

}  // namespace weir::plan
