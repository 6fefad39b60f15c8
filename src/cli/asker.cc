#include "cli/asker.h"

#include "absl/strings/str_cat.h"
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
  const bool writes = options.answer.planner != "extract";
  if (writes || options.answer.judge) {
    auto engine = session.LoadEngine(options.model, {});
    // Extraction works without a model; only one that was named must be there.
    if (engine.ok()) asker->engine_ = *std::move(engine);
    else if (writes || !options.model.empty() || !absl::IsUnavailable(engine.status()))
      return engine.status();
    else session.Note(absl::StrCat(engine.status().message(), "; refusing by the encoder alone"));
  }
  WEIR_ASSIGN_OR_RETURN(asker->pipeline_,
                        retrieve::Pipeline::Make(*asker->store_, asker->encoder_.get(),
                                                 options.search, session.registry()));
  asker->options_ = std::move(options);
  return asker;
}

answer::AnswerPorts Asker::Ports() const {
  return {*pipeline_, *encoder_, engine_.get(), nullptr};
}

std::string Asker::Label() const {
  const std::string model = engine_ == nullptr ? "" : engine_->name();
  if (options_.answer.planner != "extract") return model;
  return model.empty() ? "extract" : absl::StrCat("extract, judged by ", model);
}

absl::StatusOr<text::Answer> Asker::Ask(const std::string& question) {
  return answer::Ask(question, Ports(), options_.answer, session_.registry(), session_.context());
}

}  // namespace weir::cli
