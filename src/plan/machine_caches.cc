#include "plan/machine_caches.h"

#include <unistd.h>

#include <fstream>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace weir::plan {
namespace {

int64_t FromSystem(int level) {
#if defined(_SC_LEVEL1_DCACHE_SIZE) && defined(_SC_LEVEL2_CACHE_SIZE)
  return sysconf(level == 1 ? _SC_LEVEL1_DCACHE_SIZE : _SC_LEVEL2_CACHE_SIZE);
#else
  return 0;
#endif
}

// Some virtual machines hide the sizes from CPUID, but not the kernel's view of them.
int64_t FromKernel(int level) {
  for (int index = 0; index < 8; ++index) {
    const std::string folder = absl::StrCat("/sys/devices/system/cpu/cpu0/cache/index", index, "/");
    int found = 0;
    int64_t kibibytes = 0;
    std::string type;
    std::ifstream(folder + "level") >> found;
    std::ifstream(folder + "type") >> type;
    std::ifstream(folder + "size") >> kibibytes;  // "1024K"
    if (found == level && type != "Instruction") return kibibytes * 1024;
  }
  return 0;
}

}  // namespace

absl::StatusOr<std::vector<CacheLevel>> DetectCaches() {
  std::vector<CacheLevel> levels;
  for (const int level : {1, 2}) {
    int64_t bytes = FromSystem(level);
    if (bytes <= 0) bytes = FromKernel(level);
    if (bytes < 1024) {
      return absl::UnavailableError(absl::StrCat(
          "size of the L", level, " cache: not told by the system; give the words with --cache"));
    }
    levels.push_back({absl::StrCat("L", level), bytes});
  }
  return levels;
}

}  // namespace weir::plan
