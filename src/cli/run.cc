#include "cli/run.h"

#include <cstdio>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "base/option_docs.h"
#include "base/status.h"
#include "cli/docs.h"
#include "cli/parse.h"
#include "cli/verbs.h"

namespace weir::cli {
namespace {

// A line for each verb whose name begins with `prefix`; empty if there is none.
std::string Verbs(std::span<const std::unique_ptr<Verb>> verbs, std::string_view prefix) {
  std::string out;
  for (const auto& verb : verbs) {
    const VerbInfo info = verb->Info();
    if (absl::StartsWith(info.name, prefix)) {
      absl::StrAppendFormat(&out, "  %-17s %s\n", info.name, info.summary);
    }
  }
  return out;
}

std::string Overview(std::span<const std::unique_ptr<Verb>> verbs) {
  std::string out =
      "weir: answers from your own documents, with citations that can be proved, on this "
      "machine.\n\n"
      "usage: weir VERB [OPTIONS] [ARGUMENTS]\n\n";
  absl::StrAppend(&out, Verbs(verbs, ""));
  absl::StrAppend(
      &out,
      "\nweir VERB -h shows its options and an example. First steps:\n"
      "  weir model add minilm-l6\n  weir index ~/papers\n  weir ask --extract \"...\"\n");
  return out;
}

int Report(const absl::Status& status) {
  std::fprintf(stderr, "weir: %s\n", std::string(status.message()).c_str());
  return ExitCode(status);
}

// -h and --help win over anything else on the line, also over a missing argument.
int RunVerb(Verb& verb, std::span<const std::string> words, const Registry& registry,
            const CancelToken* cancel) {
  GlobalOptions global;
  OptionTable global_table = BindOptions(global);
  OptionTable own = verb.Options();
  const VerbInfo info = verb.Info();
  for (const std::string& word : words) {
    if (word == "--") break;
    if (word == "-h" || word == "--help") {
      std::fputs(HelpText(DocOf(verb), word == "--help").c_str(), stdout);
      return kExitDone;
    }
  }
  absl::Status layers =
      ApplyLayers(global_table, own, absl::StrReplaceAll(info.name, {{" ", "."}}), nullptr);
  if (!layers.ok()) return Report(layers);
  absl::StatusOr<ParsedLine> line = ParseLine(words, global_table, own, info);
  if (!line.ok()) return Report(line.status());
  Session session(global, registry, cancel);
  absl::StatusOr<int> code = verb.Run(line->arguments, session);
  return code.ok() ? *code : Report(code.status());
}

}  // namespace

VerbDoc DocOf(Verb& verb) {
  const VerbInfo info = verb.Info();
  // The table describes only; its targets live as long as the process so that defaults can be
  // shown.
  static GlobalOptions global;
  VerbDoc doc{info.name,    info.summary,     info.arguments,
              info.example, info.description, verb.Options()};
  doc.options.Append(BindOptions(global));
  return doc;
}

int RunProgram(const std::vector<std::string>& words, const Registry& registry,
               const CancelToken* cancel) {
  const auto verbs = MakeVerbs();
  if (words.empty() || words[0] == "-h" || words[0] == "--help" || words[0] == "help") {
    std::fputs(Overview(verbs).c_str(), words.empty() ? stderr : stdout);
    return words.empty() ? ExitCode(absl::InvalidArgumentError("")) : kExitDone;
  }
  if (words[0] == "--version") {
    std::printf("weir %s\n", kVersion);
    return kExitDone;
  }
  size_t used = 0;
  absl::StatusOr<size_t> found = FindVerb(verbs, words, used);
  if (!found.ok()) {
    // The first word of several verbs alone, with or without a wish for help: which there are.
    const std::string group = Verbs(verbs, absl::StrCat(words[0], " "));
    const bool alone = words.size() == 1;
    if (group.empty() || !(alone || words[1] == "-h" || words[1] == "--help")) {
      return Report(found.status());
    }
    std::fprintf(alone ? stderr : stdout, "usage: weir VERB [OPTIONS] [ARGUMENTS]\n\n%s",
                 group.c_str());
    return alone ? ExitCode(absl::InvalidArgumentError("")) : kExitDone;
  }
  return RunVerb(*verbs[*found], std::span(words).subspan(used), registry, cancel);
}

}  // namespace weir::cli
