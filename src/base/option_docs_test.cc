#include "base/option_docs.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace weir {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

struct FindOptions {
  bool dedupe = true;
  bool explain = false;
  int64_t top_k = 10;
  std::string fuse = "convex";
  std::string store = "";
  template <class V>
  void Visit(V& v) {
    v(dedupe, {.name = "dedupe", .help = "Drops repeated passages."});
    v(explain, {.name = "explain", .help = "Shows every score: it's [all] of \"them\"."});
    v(top_k, {.name = "top-k", .help = "How many hits to return.", .unit = "hits", .min = 1,
              .max = 1000});
    v(fuse, {.name = "fuse",
             .help = "How the ranked lists of several retrievers are brought together.",
             .choices = {"rrf", "convex"}});
    v(store, {.name = "store", .help = "The folder of the store."});
  }
};

std::vector<VerbDoc> Verbs() {
  std::vector<VerbDoc> verbs(3);
  verbs[0] = {
      "search",
      "Find passages in the store.",
      "QUERY",
      "weir search 'notice period'\n",
      "Looks in both indexes.\n\n.A paragraph that starts with a dot, and \\ with a backslash.",
      OwnedOptions<FindOptions>()};
  verbs[1] = {"model add", "Add a model.", "FILE|NAME", "weir model add smollm2-135m", "", {}};
  verbs[2] = {"model list", "List models.", "", "weir model list", "", OwnedOptions<FindOptions>()};
  return verbs;
}

struct Ran {
  int exit_code;
  std::string output;  // stdout and stderr
};

Ran RunShell(const std::string& command) {
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  std::string output;
  std::array<char, 4096> buffer;
  for (size_t got; (got = ::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    output.append(buffer.data(), got);
  }
  const int status = ::pclose(pipe);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, output};
}

bool Have(const std::string& tool) { return RunShell("command -v " + tool).exit_code == 0; }

class OptionDocsTest : public testing::Test {
 protected:
  // The path of a file with that text, removed at the end.
  std::string File(std::string_view name, std::string_view text) {
    const std::string path =
        absl::StrCat(testing::TempDir(), "/weir_docs_", ::getpid(), "_", name);
    EXPECT_TRUE(WriteFileAtomic(path, text).ok());
    paths_.push_back(path);
    return path;
  }
  void TearDown() override {
    for (const std::string& path : paths_) std::filesystem::remove(path);
  }
  std::vector<std::string> paths_;
};

TEST_F(OptionDocsTest, ShortHelp) {
  const std::string help = HelpText(Verbs()[0], false);
  EXPECT_THAT(help,
              HasSubstr("Find passages in the store.\n\nUsage: weir search [options] QUERY\n"));
  EXPECT_THAT(help, HasSubstr("Example:\n  weir search 'notice period'\n"));
  EXPECT_THAT(help, HasSubstr("\n  --[no-]dedupe           Drops repeated passages.\n"));
  EXPECT_THAT(help, HasSubstr("\n  --top-k N               How many hits to return. [10 hits]\n"));
  EXPECT_THAT(
      help,
      HasSubstr("\n  --fuse NAME             How the ranked lists of several retrievers"
                " are brought\n                          together. (rrf, convex) [convex]\n"));
  EXPECT_THAT(help, Not(HasSubstr("both indexes")));
}

TEST_F(OptionDocsTest, LongHelpTellsRangesDefaultsAndVariables) {
  const std::string help = HelpText(Verbs()[0], true);
  EXPECT_THAT(help, HasSubstr("\nLooks in both indexes.\n\n.A paragraph"));
  EXPECT_THAT(help, HasSubstr("  --top-k N\n      How many hits to return.\n"
                              "      (integer from 1 to 1000, default 10 hits; WEIR_TOP_K)\n"));
  EXPECT_THAT(help, HasSubstr("(one of rrf, convex, default convex; WEIR_FUSE)"));
  EXPECT_THAT(help, HasSubstr("(switch, default on; WEIR_DEDUPE)"));
  EXPECT_THAT(help, HasSubstr("(string, no default; WEIR_STORE)"));
}

TEST_F(OptionDocsTest, LinesFitATerminal) {
  const std::vector<VerbDoc> verbs = Verbs();
  for (const std::string& text : {HelpText(verbs[0], false), HelpText(verbs[0], true),
                                  HelpText(verbs[1], false)}) {
    for (const std::string& line : std::vector<std::string>(absl::StrSplit(text, '\n'))) {
      EXPECT_LE(line.size(), 80u) << line;
      EXPECT_FALSE(line.ends_with(' ')) << line;
    }
  }
}

TEST_F(OptionDocsTest, ManPageHoldsEverything) {
  const std::string page = ManPage(Verbs(), "1.0");
  EXPECT_THAT(page, AllOf(HasSubstr(".SS weir model add"), HasSubstr(".B \\-\\-top\\-k N"),
                          HasSubstr("WEIR_TOP_K"), HasSubstr(".SH EXIT STATUS"),
                          HasSubstr(".B 130\ninterrupted")));
}

TEST_F(OptionDocsTest, ManPageIsCleanUnderLint) {
  if (!Have("mandoc")) GTEST_SKIP() << "mandoc is not installed";
  const std::string path = File("weir.1", ManPage(Verbs(), "1.0"));
  const Ran lint = RunShell(absl::StrCat("mandoc -T lint -W warning ", path));
  EXPECT_EQ(lint.exit_code, 0) << lint.output;
  const Ran text = RunShell(absl::StrCat("mandoc -T ascii ", path, " | col -b"));
  EXPECT_THAT(text.output, HasSubstr(".A paragraph that starts with a dot, and \\ with"));
}

TEST_F(OptionDocsTest, UnknownShellsHaveNoScript) { EXPECT_EQ(Completion("tcsh", Verbs()), ""); }

// Sources the script and asks it as bash would; returns the sorted candidates.
std::string BashCandidates(const std::string& script, std::string_view words) {
  std::vector<std::string> parts = absl::StrSplit(words, ' ');
  std::string line = absl::StrCat("bash -c '. ", script, "; COMP_WORDS=(");
  for (const std::string& part : parts) absl::StrAppend(&line, "\"", part, "\" ");
  absl::StrAppend(&line, "); COMP_CWORD=", parts.size() - 1,
                  "; _weir; printf \"%s \" \"${COMPREPLY[@]}\"'");
  return RunShell(line).output;
}

TEST_F(OptionDocsTest, BashCompletes) {
  const std::string path = File("weir.bash", Completion("bash", Verbs()));
  EXPECT_EQ(RunShell("bash -n " + path).output, "");
  EXPECT_EQ(BashCandidates(path, "weir "), "search model ");
  EXPECT_EQ(BashCandidates(path, "weir s"), "search ");
  EXPECT_EQ(BashCandidates(path, "weir model "), "add list ");
  EXPECT_EQ(BashCandidates(path, "weir model add --"), "--help ");
  EXPECT_EQ(BashCandidates(path, "weir search --"),
            "--no-dedupe --explain --top-k --fuse --store --help ");
  EXPECT_EQ(BashCandidates(path, "weir search --top-k 3 --f"), "--fuse ");
  EXPECT_EQ(BashCandidates(path, "weir search --fuse "), "rrf convex ");
  EXPECT_EQ(BashCandidates(path, "weir search --fuse = c"), "convex ");
  EXPECT_EQ(BashCandidates(path, "weir search --fuse ="), "rrf convex ");
  EXPECT_EQ(BashCandidates(path, "weir search --store x"), " ");  // left to the file names
}

TEST_F(OptionDocsTest, ZshParses) {
  if (!Have("zsh")) GTEST_SKIP() << "zsh is not installed";
  const std::string path = File("_weir", Completion("zsh", Verbs()));
  EXPECT_EQ(RunShell("zsh -n " + path).output, "");
  EXPECT_THAT(Completion("zsh", Verbs()),
              HasSubstr("'--fuse=[How the ranked lists of several retrievers are brought together]:"
                        "NAME:(rrf convex)'"));
}

TEST_F(OptionDocsTest, FishCompletes) {
  if (!Have("fish")) GTEST_SKIP() << "fish is not installed";
  const std::string path = File("weir.fish", Completion("fish", Verbs()));
  const auto candidates = [&](std::string_view line) {
    return RunShell(absl::StrCat("fish --no-config -c 'source ", path, "; complete -C \"", line,
                                 "\"' | cut -f1 | tr '\\n' ' '"))
        .output;
  };
  EXPECT_EQ(candidates("weir mod"), "model ");
  EXPECT_EQ(candidates("weir model "), "add list ");
  EXPECT_EQ(candidates("weir search --f"), "--fuse ");
  EXPECT_EQ(candidates("weir search --fuse "), "convex rrf ");
}

}  // namespace
}  // namespace weir
