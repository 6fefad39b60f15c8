// Completion scripts for bash, zsh and fish. All three first find the verb in the words typed so
// far and then offer its sub-verbs, flags and choices.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "base/option_docs.h"
#include "base/option_text.h"

namespace weir {
namespace {

// A node of the tree that the verbs' words span; "" is the root.
struct Node {
  std::string path;                 // "model add"
  const VerbDoc* verb = nullptr;    // null for a word that is only a prefix
  std::vector<std::pair<std::string, std::string>> words;  // sub-verbs with their summaries
};

Node* FindNode(std::vector<Node>& nodes, std::string_view path) {
  for (Node& node : nodes) {
    if (node.path == path) return &node;
  }
  return nullptr;
}

std::vector<Node> Tree(std::span<const VerbDoc> verbs) {
  std::vector<Node> nodes(1);
  for (const VerbDoc& verb : verbs) {
    std::string path;
    for (const std::string& word : std::vector<std::string>(absl::StrSplit(verb.name, ' '))) {
      const std::string next = path.empty() ? word : absl::StrCat(path, " ", word);
      if (FindNode(nodes, next) == nullptr) {
        FindNode(nodes, path)->words.emplace_back(word, next == verb.name ? verb.summary : "");
        Node added;
        added.path = next;
        nodes.push_back(added);
      }
      path = next;
    }
    FindNode(nodes, verb.name)->verb = &verb;
  }
  return nodes;
}

// 'text' for a shell that knows no escapes inside single quotes.
std::string Quoted(std::string_view text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

std::vector<std::string> Flags(const VerbDoc& verb) {
  std::vector<std::string> flags;
  for (const OptionField& field : verb.options.fields()) {
    flags.push_back(absl::StrCat(OnByDefault(field) ? "--no-" : "--", field.spec().name));
  }
  flags.push_back("--help");
  return flags;
}

// The shared loop body: case lines that follow one typed word, in a shell's own syntax.
std::string CaseLines(const std::vector<Node>& nodes, std::string_view format) {
  std::string out;
  for (const Node& node : nodes) {
    for (const auto& [word, summary] : node.words) {
      const std::string next = node.path.empty() ? word : absl::StrCat(node.path, " ", word);
      absl::StrAppend(&out, absl::StrReplaceAll(
                                format, {{"@FROM", Quoted(absl::StrCat(node.path, " ", word))},
                                         {"@TO", Quoted(next)}}));
    }
  }
  return out;
}

std::string Bash(const std::vector<Node>& nodes) {
  std::string values;
  std::string words;
  for (const Node& node : nodes) {
    std::vector<std::string> offered;
    for (const auto& [word, summary] : node.words) offered.push_back(word);
    if (node.verb != nullptr) {
      for (std::string& flag : Flags(*node.verb)) offered.push_back(std::move(flag));
      for (const OptionField& field : node.verb->options.fields()) {
        if (field.type_name() == "bool") continue;
        absl::StrAppend(&values, "    ", Quoted(absl::StrCat(node.path, " --", field.spec().name)),
                        ") words=", Quoted(absl::StrJoin(field.spec().choices, " ")),
                        "; value=1 ;;\n");
      }
    }
    absl::StrAppend(&words, "      ", Quoted(node.path),
                    ") words=", Quoted(absl::StrJoin(offered, " ")), " ;;\n");
  }
  return absl::StrCat(
      "# bash completion for weir; written by `weir completion bash`\n_weir() {\n"
      "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
      "  local verb= words= value= i\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n    case \"$verb ${COMP_WORDS[i]}\" in\n",
      CaseLines(nodes, "      @FROM) verb=@TO ;;\n"),
      "    esac\n  done\n"
      "  # bash splits --flag=value into three words\n"
      "  if [[ $cur == '=' ]]; then cur=\n"
      "  elif [[ $prev == '=' ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
      "  case \"$verb $prev\" in\n",
      values,
      "  esac\n"
      "  if [[ -z $value ]]; then\n    case \"$verb\" in\n",
      words,
      "    esac\n  fi\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
      "  # paths, where nothing of ours fits\n"
      "  [[ ${#COMPREPLY[@]} -eq 0 ]] && compopt -o default 2>/dev/null\n"
      "  return 0\n}\ncomplete -F _weir weir\n");
}

// Inside a spec of _arguments or _describe brackets and colons are syntax.
std::string ZshText(std::string_view text) {
  return absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"[", "\\["}, {"]", "\\]"}, {":", "\\:"}});
}

std::string ZshOption(const OptionField& field) {
  const std::string help = ZshText(ShortHelp(field));
  if (field.type_name() == "bool") {
    return Quoted(absl::StrCat(OnByDefault(field) ? "--no-" : "--", field.spec().name, "[", help,
                               "]"));
  }
  const std::string action =
      field.spec().choices.empty()
          ? (field.type_name() == "string" ? "_files" : " ")
          : absl::StrCat("(", absl::StrJoin(field.spec().choices, " "), ")");
  return Quoted(absl::StrCat("--", field.spec().name, "=[", help, "]:", ValueName(field), ":",
                             action));
}

std::string Zsh(const std::vector<Node>& nodes) {
  std::string subs;
  std::string options;
  for (const Node& node : nodes) {
    if (!node.words.empty()) {
      absl::StrAppend(&subs, "    ", Quoted(node.path), ") subs=(");
      for (const auto& [word, summary] : node.words) {
        absl::StrAppend(&subs, "\n      ", Quoted(absl::StrCat(word, ":", ZshText(summary))));
      }
      absl::StrAppend(&subs, ") ;;\n");
    }
    if (node.verb == nullptr) continue;
    absl::StrAppend(&options, "    ", Quoted(node.path), ") _arguments");
    for (const OptionField& field : node.verb->options.fields()) {
      absl::StrAppend(&options, " \\\n      ", ZshOption(field));
    }
    absl::StrAppend(&options,
                    " \\\n      '(-h --help)'{-h,--help}'[Show help]' '*:file:_files' ;;\n");
  }
  return absl::StrCat(
      "#compdef weir\n# zsh completion for weir; written by `weir completion zsh`\n_weir() {\n"
      "  local verb= word\n  local -a subs\n"
      "  for word in ${words[2,CURRENT-1]}; do\n    case \"$verb $word\" in\n",
      CaseLines(nodes, "      @FROM) verb=@TO ;;\n"), "    esac\n  done\n  case \"$verb\" in\n",
      subs, "  esac\n"
      "  (( $#subs )) && [[ $PREFIX != -* ]] && _describe verb subs\n"
      "  case \"$verb\" in\n", options, "  esac\n}\n"
      "if [[ $funcstack[1] == _weir ]]; then _weir \"$@\"; else compdef _weir weir; fi\n");
}

// fish knows \\ and \' inside single quotes.
std::string FishQuoted(std::string_view text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"'", "\\'"}}), "'");
}

std::string FishNode(const Node& node) {
  const std::string at = absl::StrCat(
      "complete -c weir -n ", FishQuoted(absl::StrCat("__weir_at ", FishQuoted(node.path))));
  std::string out;
  for (const auto& [word, summary] : node.words) {
    absl::StrAppend(&out, at, node.verb == nullptr ? " -f" : "", " -a ", FishQuoted(word), " -d ",
                    FishQuoted(summary), "\n");
  }
  if (node.verb == nullptr) return out;
  for (const OptionField& field : node.verb->options.fields()) {
    absl::StrAppend(&out, at, " -l ", OnByDefault(field) ? "no-" : "", field.spec().name);
    if (!field.spec().choices.empty()) {
      absl::StrAppend(&out, " -x -a ", FishQuoted(absl::StrJoin(field.spec().choices, " ")));
    } else if (field.type_name() != "bool") {
      absl::StrAppend(&out, field.type_name() == "string" ? " -r" : " -x");
    }
    absl::StrAppend(&out, " -d ", FishQuoted(ShortHelp(field)), "\n");
  }
  return absl::StrCat(out, at, " -s h -l help -d 'Show help'\n");
}

std::string Fish(const std::vector<Node>& nodes) {
  std::string out = absl::StrCat(
      "# fish completion for weir; written by `weir completion fish`\n"
      "function __weir_verb\n    set -l verb ''\n"
      "    for word in (commandline -opc)[2..]\n        switch \"$verb $word\"\n",
      CaseLines(nodes, "            case @FROM\n                set verb @TO\n"),
      "        end\n    end\n    echo $verb\nend\n"
      "function __weir_at\n    set -l verb (__weir_verb)\n    test \"$verb\" = "
      "\"$argv[1]\"\nend\n");
  for (const Node& node : nodes) absl::StrAppend(&out, FishNode(node));
  return out;
}

}  // namespace

std::string Completion(std::string_view shell, std::span<const VerbDoc> verbs) {
  const std::vector<Node> nodes = Tree(verbs);
  if (shell == "bash") return Bash(nodes);
  if (shell == "zsh") return Zsh(nodes);
  if (shell == "fish") return Fish(nodes);
  return "";
}

}  // namespace weir
