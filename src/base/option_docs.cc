#include "base/option_docs.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/option_text.h"
#include "base/status.h"

namespace weir {
namespace {

constexpr size_t kColumns = 80;
constexpr std::string_view kManDate = "2026-11-23";  // not the build's: same sources, same page
constexpr size_t kHelpColumn = 26;  // where the help of an option starts in the short form

std::string Usage(const VerbDoc& verb) {
  return absl::StrCat("weir ", verb.name, verb.options.fields().empty() ? "" : " [options]",
                      verb.arguments.empty() ? "" : " ", verb.arguments);
}

std::string Indented(std::string_view lines) {
  std::string out;
  for (const std::string_view line : absl::StrSplit(lines, '\n', absl::SkipWhitespace())) {
    absl::StrAppend(&out, "  ", line, "\n");
  }
  return out;
}

// "  left      right, wrapped under itself"; a long left side takes a line of its own.
std::string Columns(std::string_view left, std::string_view right, size_t column) {
  std::string out = absl::StrCat("  ", left);
  std::string filled = Wrap(right, column, kColumns);
  if (filled.empty()) return out + "\n";
  if (out.size() + 2 > column) return absl::StrCat(out, "\n", filled);
  return out + filled.substr(out.size());
}

std::string ShortOption(const OptionField& field) {
  const OptionSpec& spec = field.spec();
  std::string help(spec.help);
  if (!spec.choices.empty()) absl::StrAppend(&help, " (", absl::StrJoin(spec.choices, ", "), ")");
  if (!field.default_text().empty() && field.type_name() != "bool") {
    absl::StrAppend(&help, " [", field.default_text(), spec.unit.empty() ? "" : " ", spec.unit,
                    "]");
  }
  return Columns(FlagText(field), help, kHelpColumn);
}

std::string LongOption(const OptionField& field) {
  return absl::StrCat("  ", FlagText(field), "\n", Wrap(field.spec().help, 6, kColumns),
                      Wrap(absl::StrCat("(", ValueText(field), "; ",
                                        EnvironmentName(field.spec().name), ")"),
                           6, kColumns));
}

// Text inside a line of a man page: roff's escape character and its minus and quote rules.
std::string Roff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '\\': out += "\\e"; break;
      case '-': out += "\\-"; break;
      case '"': out += "\\(dq"; break;
      case '\'': out += "\\(aq"; break;
      case '`': out += "\\(ga"; break;
      case '^': out += "\\(ha"; break;
      case '~': out += "\\(ti"; break;
      default: out += c;
    }
  }
  // A line that starts with a dot would be a request.
  if (!out.empty() && out[0] == '.') out.insert(0, "\\&");
  return out;
}

// Filled text, each sentence on a line of its own, as man pages are written.
std::string RoffParagraph(std::string_view text) {
  std::string out;
  std::string line;
  const auto flush = [&] {
    if (!line.empty()) absl::StrAppend(&out, Roff(line), "\n");
    line.clear();
  };
  for (const std::string_view word :
       absl::StrSplit(text, absl::ByAnyChar(" \n"), absl::SkipEmpty())) {
    if (line.size() + word.size() > 76) flush();
    absl::StrAppend(&line, line.empty() ? "" : " ", word);
    if (word.back() == '.') flush();
  }
  flush();
  return out;
}

std::string RoffLines(std::string_view lines) {
  std::string out = ".EX\n";
  for (const std::string_view line : absl::StrSplit(lines, '\n', absl::SkipWhitespace())) {
    absl::StrAppend(&out, Roff(line), "\n");
  }
  return out + ".EE\n";
}

std::string RoffVerb(const VerbDoc& verb) {
  std::string out = absl::StrCat(".SS ", Roff(absl::StrCat("weir ", verb.name)), "\n");
  absl::StrAppend(&out, RoffParagraph(verb.summary));
  for (const std::string_view paragraph : absl::StrSplit(verb.description, "\n\n",
                                                         absl::SkipWhitespace())) {
    absl::StrAppend(&out, ".PP\n", RoffParagraph(paragraph));
  }
  absl::StrAppend(&out, ".PP\n.B ", Roff(Usage(verb)), "\n");
  for (const OptionField& field : verb.options.fields()) {
    absl::StrAppend(&out, ".TP\n.B ", Roff(FlagText(field)), "\n",
                    RoffParagraph(field.spec().help),
                    RoffParagraph(absl::StrCat("(", ValueText(field), "; ",
                                               EnvironmentName(field.spec().name), ")")));
  }
  if (!verb.example.empty()) {
    absl::StrAppend(&out, ".PP\nExample:\n.PP\n", RoffLines(verb.example));
  }
  return out;
}

constexpr std::string_view kSettings =
    "An option may be given as a flag, as an environment variable, in a weir.toml of the project "
    "(a section for each verb, keys named as the flags), or in the user's own weir.toml below "
    "$XDG_CONFIG_HOME/weir. The first that is given in this order holds.";

}  // namespace

std::string HelpText(const VerbDoc& verb, bool long_form) {
  std::string out = absl::StrCat(verb.summary, "\n\nUsage: ", Usage(verb), "\n");
  if (long_form) {
    for (const std::string_view paragraph : absl::StrSplit(verb.description, "\n\n",
                                                           absl::SkipWhitespace())) {
      absl::StrAppend(&out, "\n", Wrap(paragraph, 0, kColumns));
    }
  }
  if (!verb.example.empty()) absl::StrAppend(&out, "\nExample:\n", Indented(verb.example));
  if (!verb.options.fields().empty()) absl::StrAppend(&out, "\nOptions:\n");
  for (const OptionField& field : verb.options.fields()) {
    absl::StrAppend(&out, long_form ? LongOption(field) : ShortOption(field));
  }
  if (!long_form) {
    absl::StrAppend(&out, "\n'weir ", verb.name, " --help' tells more about each option.\n");
  }
  return out;
}

std::string ManPage(std::span<const VerbDoc> verbs, std::string_view version) {
  std::string out = absl::StrCat(".TH WEIR 1 ", kManDate, " \"Weir ", Roff(version), "\"\n");
  absl::StrAppend(&out, ".SH NAME\nweir \\- answers with citations from your own documents\n",
                  ".SH SYNOPSIS\n");
  for (const VerbDoc& verb : verbs) absl::StrAppend(&out, ".B ", Roff(Usage(verb)), "\n.br\n");
  out.resize(out.size() - (verbs.empty() ? 0 : 4));  // no break after the last
  absl::StrAppend(&out, ".SH DESCRIPTION\n", RoffParagraph(kSettings), ".SH COMMANDS\n");
  for (const VerbDoc& verb : verbs) absl::StrAppend(&out, RoffVerb(verb));
  absl::StrAppend(&out, ".SH ENVIRONMENT\n.TP\n.B WEIR_HOME\n",
                  RoffParagraph("The folder of models and libraries. Without it "
                                "$XDG_DATA_HOME/weir, else ~/.local/share/weir."),
                  ".TP\n.B WEIR_NAME\n",
                  RoffParagraph("Sets the option of that name, in capitals and with _ for -."),
                  ".SH FILES\n.TP\n.B weir.toml\n",
                  RoffParagraph("Options, a section for each verb. An unknown key is an error."),
                  ".SH EXIT STATUS\n");
  for (const ExitCodeRow& row : ExitCodes()) {
    absl::StrAppend(&out, ".TP\n.B ", row.code, "\n", RoffParagraph(row.meaning));
  }
  return out;
}

}  // namespace weir
