#include "cli/machine.h"

#include <stdlib.h>

#include <fstream>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "tensor/matmul.h"

namespace weir::cli {

std::string Machine() {
  std::string processor = "unknown processor", line;
  std::ifstream info("/proc/cpuinfo");
  while (std::getline(info, line)) {
    if (!absl::StartsWith(line, "model name")) continue;
    processor = line.substr(line.find(':') + 2);
    break;
  }
  double load[1] = {0};
  if (getloadavg(load, 1) != 1) load[0] = -1;
  return absl::StrFormat("%s, %d cores, kernels %s, load %.1f", processor,
                         std::thread::hardware_concurrency(), tensor::KernelTarget(), load[0]);
}

}  // namespace weir::cli
