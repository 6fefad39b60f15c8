// The rows of `weir bench search --tenants N`: one set of vectors, N tenants with 20 to 10,000 of
// them by Zipf's law, searched by Curator's tree, by an inverted file with a filter, and by an
// inverted file for each tenant.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/context.h"
#include "cli/bench_record.h"

namespace weir::cli {

struct TenantsBenchOptions {
  int64_t tenants = 0;  // 0: no rows
  std::string vectors;  // as in dense_bench.h; "": 100,000 of 64 dimensions around 500 centres
  std::string queries;
  int64_t vector_rows = 0;
  int64_t dimensions = 384;
  int64_t rounds = 5;

  template <class V>
  void Visit(V& v) {
    v(tenants, {.name = "tenants",
                .help = "Tenants of the rows of tenants, instead of everything else; their vectors "
                        "are those of --vectors, else a mixture of Gaussians.",
                .min = 0,
                .max = 100000});
  }
};

// Appends, for n vectors, tenants-N-... : microseconds a query (top 10, one thread, each tenant
// equally often) of tenants with less than 2% of the vectors (-small) and of all (-all), each
// beside the filtered inverted file and the inverted files of the tenants (-own) at no less than
// Curator's recall; -recall (mean over tenants), -worst (tenant), -tiny (tenants that one list
// holds); -p99 beside the mean, by tenants and by their sizes; -update (insert and grant), -delete;
// -deleted (recall after half is deleted, beside a fresh tree); -memory (what tenants add to an
// index without them, at five tenants a vector) and -memory-own; -scope (as a store searches: one
// segment, ranges of its clusters, beside its scan with a filter).
absl::Status BenchTenants(const TenantsBenchOptions& options, const Context& context,
                          std::vector<BenchRow>& rows);

}  // namespace weir::cli
