#include "cli/asker.h"

#include "absl/strings/str_cat.h"
#include "answer/models.h"
#include "base/status.h"
#include "cli/passage_fill.h"
#include "cli/verbs.h"
#include "model/catalogue.h"

namespace weir::cli {
namespace {

// Whole passages in a prompt that reads them from the cache.
constexpr int64_t kCachedPassages = 8;

}  // namespace

// Extraction works without a model. The one that was named judges, else one that is installed and
// was calibrated as a judge.
absl::Status Asker::LoadJudge(std::string name) {
  if (name.empty()) {
    WEIR_ASSIGN_OR_RETURN(const auto models, model::ListModels());
    for (const model::ModelRecord& m : models) {
      if (m.installed && answer::FindJudge(m.name) != nullptr) name = m.name;
    }
    if (name.empty()) return absl::OkStatus();
  }
  WEIR_ASSIGN_OR_RETURN(engine_, session_.LoadEngine(name, {}));
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Asker>> Asker::Open(AskOptions options, Session& session) {
  auto asker = std::unique_ptr<Asker>(new Asker(session));
  if (options.extract) options.answer.planner = "extract";
  WEIR_ASSIGN_OR_RETURN(asker->store_, session.OpenStore(index::Store::Mode::kRead));
  WEIR_ASSIGN_OR_RETURN(asker->models_, LoadEncoders(*asker->store_, options.encoder,
                                                     options.search, session));
  if (asker->models_.encoder == nullptr) {
    // no dense search; sentences are still compared by meaning
    WEIR_ASSIGN_OR_RETURN(asker->models_.encoder, session.LoadEncoder(options.encoder));
  }
  if (options.answer.planner != "extract") {
    WEIR_ASSIGN_OR_RETURN(asker->engine_,
                          session.LoadEngine(options.model, {.kv = options.kv,
                                                             .speculate = options.speculate}));
    if (options.passage_cache) {
      if (options.answer.passages == 0) options.answer.passages = kCachedPassages;
      WEIR_RETURN_IF_ERROR(UsePassageCache(*asker->engine_, options.recompute, session));
      asker->reader_ = std::make_unique<PassageReader>(*asker->store_, options.before.before);
    }
  } else if (options.answer.judge) {
    WEIR_RETURN_IF_ERROR(asker->LoadJudge(options.model));
  }
  // The model that writes or judges also reranks.
  if (options.search.rerank.rerank != "likelihood" || asker->engine_ == nullptr) {
    WEIR_RETURN_IF_ERROR(
        LoadRerankers(options.search.rerank, options.model, session, asker->models_));
  }
  retrieve::Encoders encoders = asker->models_.Borrow();
  if (encoders.completer == nullptr) encoders.completer = asker->engine_.get();
  WEIR_ASSIGN_OR_RETURN(asker->pipeline_,
                        retrieve::Pipeline::Make(*asker->store_, encoders, options.search,
                                                 session.registry()));
  asker->options_ = std::move(options);
  return asker;
}

answer::AnswerPorts Asker::Ports() const {
  answer::AnswerPorts ports{*pipeline_, *models_.encoder, engine_.get(), nullptr, nullptr};
  if (reader_ != nullptr) {
    ports.before = [reader = reader_.get()](const text::Passage& passage) {
      return reader->Before(passage.id, passage.document);
    };
  }
  return ports;
}

std::string Asker::Label() const {
  const std::string model = engine_ == nullptr ? "" : engine_->name();
  if (options_.answer.planner != "extract") return model;
  return model.empty() ? "extract" : absl::StrCat("extract, judged by ", model);
}

absl::StatusOr<text::Answer> Asker::Ask(const std::string& question, OnDraft on_draft) {
  answer::AnswerPorts ports = Ports();
  ports.on_draft = std::move(on_draft);
  return answer::Ask(question, ports, options_.answer, session_.registry(), session_.context());
}

}  // namespace weir::cli
