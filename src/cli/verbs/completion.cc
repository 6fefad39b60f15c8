// weir completion and weir man: shell completion and the manual, made from the option tables.

#include "absl/strings/str_cat.h"
#include "base/option_docs.h"
#include "base/status.h"
#include "cli/docs.h"
#include "cli/run.h"
#include "cli/verbs.h"

namespace weir::cli {
namespace {

// The verbs own the tables that the documents borrow from.
struct Manual {
  std::vector<std::unique_ptr<Verb>> verbs = MakeVerbs();
  std::vector<VerbDoc> docs;
  Manual() {
    for (const auto& verb : verbs) docs.push_back(DocOf(*verb));
  }
};

class CompletionVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {.name = "completion",
            .summary = "Print the completion script of a shell.",
            .arguments = "bash|zsh|fish",
            .example = "weir completion bash > ~/.local/share/bash-completion/completions/weir",
            .min_arguments = 1,
            .max_arguments = 1};
  }
  absl::StatusOr<int> Run(std::span<const std::string> arguments, Session& session) override {
    if (arguments[0] != "bash" && arguments[0] != "zsh" && arguments[0] != "fish") {
      return absl::InvalidArgumentError(
          absl::StrCat("shell: ", arguments[0], "; expected bash, zsh or fish"));
    }
    const Manual manual;
    session.Print(Completion(arguments[0], manual.docs));
    return kExitDone;
  }
};

class ManVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {.name = "man",
            .summary = "Print the manual page.",
            .arguments = "",
            .example = "weir man | man -l -"};
  }
  absl::StatusOr<int> Run(std::span<const std::string>, Session& session) override {
    const Manual manual;
    session.Print(ManPage(manual.docs, kVersion));
    return kExitDone;
  }
};

}  // namespace

std::unique_ptr<Verb> MakeCompletionVerb() { return std::make_unique<CompletionVerb>(); }
std::unique_ptr<Verb> MakeManVerb() { return std::make_unique<ManVerb>(); }

}  // namespace weir::cli
