// Texts that a bench of the store works on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "index/store.h"

namespace weir::cli {

// Sentences of the stored documents, spread evenly, cut to some eighty bytes: queries that occur.
absl::StatusOr<std::vector<std::string>> SampleQueries(const index::Store& store, int64_t count);

// Whole passages, spread evenly; all when there are fewer.
absl::StatusOr<std::vector<std::string>> SamplePassages(const index::Store& store, int64_t count);

}  // namespace weir::cli
