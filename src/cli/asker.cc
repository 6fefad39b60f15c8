#include "cli/asker.h"

#include "base/status.h"
#include "cli/verbs.h"

namespace weir::cli {

absl::StatusOr<std::unique_ptr<Asker>> Asker::Open(AskOptions options, Session& session) {
  auto asker = std::unique_ptr<Asker>(new Asker(session));
  if (options.extract) options.answer.planner = "extract";
  WEIR_ASSIGN_OR_RETURN(asker->store_, session.OpenStore(index::Store::Mode::kRead));
  WEIR_RETURN_IF_ERROR(PickEncoder(*asker->store_, session, options.encoder, options.search.mode,
                                   asker->encoder_));
  if (asker->encoder_ == nullptr) {  // lexical search; sentences are still compared by meaning
    WEIR_ASSIGN_OR_RETURN(asker->encoder_, session.LoadEncoder(options.encoder));
  }
  if (options.answer.planner != "extract") {
    WEIR_ASSIGN_OR_RETURN(asker->engine_, session.LoadEngine(options.model, {}));
  }
  WEIR_ASSIGN_OR_RETURN(asker->pipeline_,
                        retrieve::Pipeline::Make(*asker->store_, asker->encoder_.get(), options.search,
                                                 session.registry()));
  asker->options_ = std::move(options);
  return asker;
}

answer::AnswerPorts Asker::Ports() const {
  return {*pipeline_, *encoder_, engine_.get(), nullptr};
}

absl::StatusOr<text::Answer> Asker::Ask(const std::string& question) {
  return answer::Ask(question, Ports(), options_.answer, session_.registry(), session_.context());
}

}  // namespace weir::cli
