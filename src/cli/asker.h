// Everything one needs to ask questions of a store, opened by the options of `weir ask`: store,
// encoder, engine, pipeline. `weir ask` asks once, `weir eval answers` a whole set.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "answer/ask.h"
#include "cli/passage_fill.h"
#include "cli/search_models.h"
#include "cli/session.h"
#include "generate/engine.h"
#include "index/store.h"
#include "retrieve/pipeline.h"

namespace weir::cli {

struct AskOptions {
  answer::AnswerOptions answer;
  retrieve::SearchOptions search{.top_k = 40};
  generate::PassageOptions recompute;
  PassageBeforeOptions before;
  std::string model;
  std::string encoder;
  bool passage_cache = false;
  std::string kv = "auto";
  generate::SpeculateOptions speculate = {};
  bool extract = false;
  template <class V>
  void Visit(V& v) {
    answer.Visit(v);
    search.Visit(v);
    recompute.Visit(v);
    before.Visit(v);
    v(passage_cache, {.name = "passage-cache",
                      .help = "Read whole passages (8 unless --passages says otherwise) from what "
                              "`weir index cache` stored; what is missing is computed and kept."});
    v(model,
      {.name = "model", .help = "Model that writes; a name or a GGUF file (see weir model list)."});
    v(encoder, {.name = "encoder", .help = "Encoder of the question; must be the store's."});
    v(kv,
      {.name = "kv",
       .help = "How the model's KV cache is kept: auto (q8), f16, kivi4 (old tokens in 4 bits) "
               "or kivi2 (3 for keys, 2 for values), or others that weir list names Kv*; several "
               "joined by '+'."});
    speculate.Visit(v);
    v(extract, {.name = "extract",
                .help = "Answer with sentences of the documents alone; a model, where one is "
                        "installed, only judges and points to them."});
  }
};

class Asker {
 public:
  // `session` must outlive the result.
  static absl::StatusOr<std::unique_ptr<Asker>> Open(AskOptions options, Session& session);
  // `on_draft` sees the model's words as they come, before they are verified; it may be null.
  using OnDraft = std::function<void(std::string_view)>;
  absl::StatusOr<text::Answer> Ask(const std::string& question, OnDraft on_draft = nullptr);
  answer::AnswerPorts Ports() const;
  const index::Store& store() const { return *store_; }
  generate::Engine* engine() { return engine_.get(); }  // null without one
  // "qwen2.5-coder-1.5b", "extract", "extract, judged by qwen2.5-coder-1.5b"
  std::string Label() const;

 private:
  explicit Asker(Session& session) : session_(session) {}
  absl::Status LoadJudge(std::string name);
  Session& session_;
  AskOptions options_;
  std::unique_ptr<index::Store> store_;
  SearchModels models_;
  std::unique_ptr<generate::Engine> engine_;
  std::unique_ptr<retrieve::Pipeline> pipeline_;
  std::unique_ptr<PassageReader> reader_;  // with options_.passage_cache
};

}  // namespace weir::cli
