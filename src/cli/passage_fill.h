// Computes the keys and values of a store's passages for a model, ahead of the questions.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "cli/session.h"
#include "generate/engine.h"
#include "index/store.h"

namespace weir::cli {

struct FillReport {
  std::string model;
  int64_t passages = 0, added = 0, removed = 0;
  int64_t tokens = 0;       // of the passages
  int64_t bytes = 0;        // of the model's folder
  int64_t removed_bytes = 0;
  double seconds = 0;

  double BytesPerPassage() const {
    return passages == 0 ? 0 : static_cast<double>(bytes) / static_cast<double>(passages);
  }
};

// Where a store keeps them.
std::string PassageFolder(const Session& session);

// Lets an engine read and keep passages of the prompts of `weir ask` in the store's folder.
absl::Status UsePassageCache(generate::Engine& engine, const generate::PassageOptions& options,
                             const Session& session);

// Computes what is pending and removes what belongs to no passage any more. A kill or cancellation
// keeps what was done; the next run goes on. `cold`: 0, or the level of the cold form that all of
// them end in. REQUIRES: UsePassageCache.
absl::StatusOr<FillReport> FillPassages(const index::Store& store, generate::Engine& engine,
                                        int cold, Session& session);

// Removes the passages, of all models, that the store does not hold any more; does nothing where
// there is no folder.
absl::Status PrunePassageCache(const index::Store& store, Session& session);

void PrintFill(const FillReport& report, Session& session);

}  // namespace weir::cli
