// weir index cache: keys and values of the store's passages for a model, ahead of the questions.

#include "base/status.h"
#include "cli/passage_fill.h"
#include "cli/verbs.h"

namespace weir::cli {
namespace {

struct IndexCacheOptions {
  std::string model;
  int64_t cold = 0;
  PassageBeforeOptions passages;
  template <class V>
  void Visit(V& v) {
    v(model, {.name = "model", .help = "Decoder; a name or a GGUF file (see weir model list)."});
    v(cold, {.name = "cold",
             .help = "Keep passages compressed, which takes longer to read: 1 (smallest) to 3 "
                     "(nearest to the original); 0 keeps blocks that are used as they are.",
             .min = 0,
             .max = 3});
    passages.Visit(v);
  }
};

class IndexCacheVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {.name = "index cache",
            .summary = "Compute the store's passages for a model, so that answers begin at once.",
            .arguments = "",
            .example = "weir index cache --model smollm2-135m",
            .description =
                "Stores the model's keys and values of every passage (12 to 15 KB a token, less "
                "with --cold) in the store's folder; `weir ask --passage-cache` puts them together "
                "in any order. Goes on where it was stopped; passages of removed documents and of "
                "another version of the model are removed."};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string>, Session& session) override {
    WEIR_ASSIGN_OR_RETURN(auto store, session.OpenStore(index::Store::Mode::kRead));
    WEIR_ASSIGN_OR_RETURN(auto engine, session.LoadEngine(options_.model, {}));
    WEIR_RETURN_IF_ERROR(UsePassageCache(*engine, {}, session));
    WEIR_ASSIGN_OR_RETURN(const FillReport report,
                          FillPassages(*store, *engine, static_cast<int>(options_.cold),
                                       options_.passages.before, session));
    PrintFill(report, session);
    return kExitDone;
  }

 private:
  IndexCacheOptions options_;
};

}  // namespace

std::unique_ptr<Verb> MakeIndexCacheVerb() { return std::make_unique<IndexCacheVerb>(); }

}  // namespace weir::cli
