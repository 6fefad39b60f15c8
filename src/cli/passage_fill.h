// Computes the keys and values of a store's passages for a model, ahead of the questions.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "cli/session.h"
#include "generate/engine.h"
#include "index/store.h"
#include "text/ports.h"

namespace weir::cli {

struct PassageBeforeOptions {
  int64_t before = 6;
  template <class V>
  void Visit(V& v) {
    v(before, {.name = "passage-before",
               .help = "Passages of its document that a stored passage is computed behind, so "
                       "that the model knows what it is about; another number is another cache.",
               .unit = "passages",
               .min = 0,
               .max = 16});
  }
};

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

// What a model reads of a store's passages, and of what stands before each in its document: at
// least `before` of its passages where there are as many, and up to twice that. Neighbours share
// their beginnings, so that one pass over a few passages computes all of them. 0: nothing before.
// Not thread-safe.
class PassageReader {
 public:
  // `store` must outlive it.
  PassageReader(const index::Store& store, int64_t before) : store_(store), before_(before) {}
  absl::StatusOr<text::PromptPassage> Read(int64_t passage);
  // What stands before a passage of a document.
  absl::StatusOr<std::vector<std::string>> Before(int64_t passage, int64_t document);

 private:
  struct Source {
    int64_t document = -1;
    std::string text;
  };
  absl::StatusOr<Source> Find(int64_t passage);

  const index::Store& store_;
  int64_t before_;
  std::map<int64_t, Source> sources_;  // of the passages that were read last
  absl::flat_hash_map<int64_t, std::string> titles_;
};

// Where a store keeps them.
std::string PassageFolder(const Session& session);

// Lets an engine read and keep passages of the prompts of `weir ask` in the store's folder.
absl::Status UsePassageCache(generate::Engine& engine, const generate::PassageOptions& options,
                             const Session& session);

// Computes what is pending and removes what belongs to no passage any more. A kill or cancellation
// keeps what was done; the next run goes on. `cold`: 0, or the level of the cold form that all of
// them end in. `before`: as PassageReader. REQUIRES: UsePassageCache.
absl::StatusOr<FillReport> FillPassages(const index::Store& store, generate::Engine& engine,
                                        int cold, int64_t before, Session& session);

// Removes what belongs to no passage of the store any more, of all models, and what was computed
// behind another number of passages; does nothing where there is no folder.
absl::Status PrunePassageCache(const index::Store& store, int64_t before, Session& session);

void PrintFill(const FillReport& report, Session& session);

}  // namespace weir::cli
