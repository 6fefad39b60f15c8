// What a reader may see of one generation of a store: the passages, and whose statistics score
// them. Tenants are scopes, and so is what a filter on documents selects.
//
// Immutable and thread-safe. Searches keep in it what they derive from the passages for each
// segment, so that a scope that is used again costs less.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "index/dense/passage_set.h"

namespace weir::index {

class ScopeCache;

class Scope {
 public:
  // Whose document frequencies, counts and mean length BM25 takes, and whose languages a query is
  // analysed in: those of the whole store, or of the scope alone, so that scores tell nothing of
  // anything else.
  enum class Counts { kStore, kScope };

  // `analyzers`: of kScope, what the passages were analysed with, that of most of them first; empty
  // in a store of one language.
  Scope(PassageSet allowed, Counts counts,
        std::vector<std::pair<std::string, int64_t>> analyzers = {});
  // A part of another scope: what `whole` counts is counted here, too.
  Scope(PassageSet allowed, std::shared_ptr<const Scope> whole);
  ~Scope();
  Scope(const Scope&) = delete;

  const PassageSet& allowed() const { return allowed_; }
  Counts counts() const { return counts_; }
  const std::vector<std::pair<std::string, int64_t>>& analyzers() const { return analyzers_; }
  const Scope* whole() const { return whole_.get(); }  // null: it counts for itself
  ScopeCache& cache() const { return *cache_; }  // of the searches (scope_cache.h)

 private:
  const PassageSet allowed_;
  const Counts counts_;
  const std::vector<std::pair<std::string, int64_t>> analyzers_;
  const std::shared_ptr<const Scope> whole_;
  const std::unique_ptr<ScopeCache> cache_;
};

}  // namespace weir::index
