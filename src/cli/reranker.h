// The models that --rerank needs beside the encoders.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "cli/session.h"
#include "generate/engine.h"
#include "retrieve/pipeline.h"
#include "text/ports.h"

namespace weir::cli {

struct Rerankers {
  std::unique_ptr<text::PairScorer> scorer;
  std::unique_ptr<generate::Engine> engine;

  void AddTo(retrieve::Encoders& encoders) const {
    encoders.scorer = scorer.get();
    if (engine != nullptr) encoders.completer = engine.get();
  }
};

// What `options` ask for, else nulls. `model`: of the likelihood, "" for the default.
absl::StatusOr<Rerankers> LoadRerankers(const retrieve::RerankOptions& options,
                                        std::string_view model, Session& session);

}  // namespace weir::cli
