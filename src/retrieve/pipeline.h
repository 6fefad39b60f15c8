// The query pipeline: analyse, fetch (lexical, dense), fuse, deduplicate, rerank. Stages are
// registered techniques (kind RetrievalStage); a mode names a list of them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "base/registry.h"
#include "index/store.h"
#include "text/ports.h"
#include "text/records.h"

namespace weir::retrieve {

// How many each index returns and how they become one list.
struct FusionOptions {
  std::string fusion = "convex";
  double alpha = 0.6;
  int64_t fetch = 100;
  template <class V>
  void Visit(V& v) {
    v(fusion, {.name = "fusion",
               .help = "How lexical and dense scores are fused.",
               .choices = {"convex", "rrf"}});
    v(alpha, {.name = "alpha",
              .help = "Weight of the dense score in the convex sum.",
              .min = 0,
              .max = 1});
    v(fetch, {.name = "fetch",
              .help = "How many candidates each index returns.",
              .unit = "passages",
              .min = 1,
              .max = 10000});
  }
};

struct SearchOptions {
  std::string mode = "hybrid";
  FusionOptions fuse = {};
  int64_t top_k = 10;
  bool dedupe = true;
  template <class V>
  void Visit(V& v) {
    v(mode, {.name = "mode",
             .help = "How passages are fetched.",
             .choices = {"lexical", "dense", "hybrid"}});
    fuse.Visit(v);
    v(top_k,
      {.name = "top-k", .help = "How many hits to return.", .unit = "hits", .min = 1, .max = 1000});
    v(dedupe, {.name = "dedupe", .help = "Drop passages that repeat a better one."});
  }
};

class Pipeline {
 public:
  virtual ~Pipeline() = default;
  // `encoder` may be null for lexical search; store, encoder and registry must outlive the
  // pipeline.
  static absl::StatusOr<std::unique_ptr<Pipeline>> Make(const index::Store& store,
                                                        const text::Encoder* encoder,
                                                        const SearchOptions& options,
                                                        const Registry& registry);
  virtual absl::StatusOr<std::vector<text::Hit>> Search(std::string_view query,
                                                        const Context& context) const = 0;
};

}  // namespace weir::retrieve
