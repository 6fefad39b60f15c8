#include "generate/kv/hydragen.h"

#include <memory>

#include "base/registry.h"

namespace weir::generate {

void HydragenExecution::Attend(const KvFormat& format, std::span<const AttendJob> jobs,
                               const KvShape& shape, Threads* threads) const {
  format.AttendTogether(jobs, true, shape, threads);
}

void RegisterHydragen(Registry& registry) {
  registry.Add<KvExecution>("hydragen", "Shared prefixes are read once for all sequences.",
                            [](const OptionTable&) {
                              return std::make_unique<HydragenExecution>();
                            });
}

}  // namespace weir::generate
