#include "cli/reranker.h"

#include "base/status.h"
#include "model/cross_encoder.h"

namespace weir::cli {

absl::StatusOr<Rerankers> LoadRerankers(const retrieve::RerankOptions& options,
                                        std::string_view model, Session& session) {
  Rerankers out;
  if (options.rerank == "cross") {
    WEIR_ASSIGN_OR_RETURN(const model::EncoderSpec base, session.FindEncoder(model::kCrossBase));
    WEIR_ASSIGN_OR_RETURN(out.scorer, model::LoadCrossEncoder(base, session.context()));
  } else if (options.rerank == "likelihood") {
    WEIR_ASSIGN_OR_RETURN(out.engine, session.LoadEngine(model, {}));
  }
  return out;
}

}  // namespace weir::cli
