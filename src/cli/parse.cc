#include "cli/parse.h"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/files.h"
#include "base/status.h"

namespace weir::cli {
namespace fs = std::filesystem;
namespace {

// Binds one table to the parser; the first refused value is kept in `status`.
void AddFlags(CLI::App& app, OptionTable& table, absl::Status& status) {
  for (OptionField& field : table.fields()) {
    const std::string flag = absl::StrCat("--", field.spec().name);
    auto set = [&field, &status](const std::string& text) {
      if (absl::Status s = field.Set(text); !s.ok() && status.ok()) status = s;
    };
    if (field.type_name() == "bool") {
      app.add_flag_callback(flag, [set] { set("true"); });
      app.add_flag_callback(absl::StrCat("--no-", field.spec().name), [set] { set("false"); });
    } else if (field.type_name() == "list") {  // may be repeated
      app.add_option_function<std::vector<std::string>>(
             flag,
             [set](const std::vector<std::string>& items) { set(absl::StrJoin(items, ",")); })
          ->allow_extra_args(false);
    } else {
      app.add_option_function<std::string>(flag, set)->multi_option_policy(
          CLI::MultiOptionPolicy::TakeLast);
    }
  }
}

absl::Status UnknownFlag(const std::string& word, const OptionTable& global,
                         const OptionTable& own) {
  std::vector<std::string> names;
  for (const OptionTable* table : {&own, &global}) {
    for (const OptionField& field : table->fields())
      names.push_back(absl::StrCat("--", field.spec().name));
  }
  names.push_back("--help");
  const std::string name = word.substr(0, word.find('='));
  const std::string nearest = NearestName(name, names);
  return absl::InvalidArgumentError(
      absl::StrCat("unknown option: ", name,
                   nearest.empty() ? "" : absl::StrCat("; did you mean ", nearest, "?")));
}

absl::Status CheckCount(const std::vector<std::string>& arguments, const VerbInfo& info) {
  const int count = static_cast<int>(arguments.size());
  if (count < info.min_arguments) {
    return absl::InvalidArgumentError(absl::StrCat("weir ", info.name, ": expected ",
                                                   info.arguments, "; example: ", info.example));
  }
  if (info.max_arguments >= 0 && count > info.max_arguments) {
    return absl::InvalidArgumentError(absl::StrCat("weir ", info.name, ": unexpected argument: ",
                                                   arguments[info.max_arguments]));
  }
  return absl::OkStatus();
}

std::vector<std::string> Values(const OptionTable& table) {
  std::vector<std::string> values;
  for (const OptionField& field : table.fields()) values.push_back(field.Get());
  return values;
}

// Notes `origin` for every field whose value differs from `before`.
void NoteChanges(const OptionTable& table, const std::vector<std::string>& before,
                 const std::string& origin, Origins* origins) {
  if (origins == nullptr) return;
  for (size_t i = 0; i < table.fields().size(); ++i) {
    const OptionField& field = table.fields()[i];
    auto [it, fresh] = origins->try_emplace(std::string(field.spec().name), "default");
    if (field.Get() != before[i]) it->second = origin;
  }
}

absl::Status ApplyFile(const std::string& path, OptionTable& global, OptionTable& own,
                       const std::string& section, Origins* origins) {
  std::error_code error;
  if (path.empty() || !fs::is_regular_file(path, error)) return absl::OkStatus();
  WEIR_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, 1 << 20));
  const auto global_before = Values(global), own_before = Values(own);
  WEIR_RETURN_IF_ERROR(ApplyToml(path, text, "weir", global));
  WEIR_RETURN_IF_ERROR(ApplyToml(path, text, section, own));
  NoteChanges(global, global_before, path, origins);
  NoteChanges(own, own_before, path, origins);
  return absl::OkStatus();
}

std::string UserFile() {
  const char* config = std::getenv("XDG_CONFIG_HOME");
  const char* home = std::getenv("HOME");
  if (config != nullptr && *config != 0) return absl::StrCat(config, "/weir/weir.toml");
  return home == nullptr ? "" : absl::StrCat(home, "/.config/weir/weir.toml");
}

std::string ProjectFile() {
  std::error_code error;
  for (fs::path folder = fs::current_path(error); !folder.empty(); folder = folder.parent_path()) {
    if (fs::is_regular_file(folder / "weir.toml", error)) return (folder / "weir.toml").string();
    if (folder == folder.parent_path()) break;
  }
  return "";
}

}  // namespace

absl::StatusOr<size_t> FindVerb(std::span<const std::unique_ptr<Verb>> verbs,
                                std::span<const std::string> words, size_t& used) {
  size_t best = verbs.size();
  used = 0;
  for (size_t i = 0; i < verbs.size(); ++i) {
    const std::vector<std::string> name = absl::StrSplit(verbs[i]->Info().name, ' ');
    if (name.size() <= used || name.size() > words.size()) continue;
    if (std::equal(name.begin(), name.end(), words.begin())) {
      best = i;
      used = name.size();
    }
  }
  if (best < verbs.size()) return best;
  std::vector<std::string> names;
  for (const auto& verb : verbs) {
    names.push_back(verb->Info().name);
    names.push_back(names.back().substr(0, names.back().find(' ')));
  }
  const std::string said = words.size() > 1 && !absl::StartsWith(words[1], "-")
                               ? absl::StrCat(words[0], " ", words[1])
                               : words[0];
  std::string nearest = NearestName(said, names);
  if (nearest.empty()) nearest = NearestName(words[0], names);
  return absl::InvalidArgumentError(absl::StrCat(
      "unknown verb: ", said,
      nearest.empty() ? "; see weir --help" : absl::StrCat("; did you mean ", nearest, "?")));
}

absl::StatusOr<ParsedLine> ParseLine(std::span<const std::string> words, OptionTable& global,
                                     OptionTable& own, const VerbInfo& info) {
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  ParsedLine parsed;
  absl::Status status;
  app.add_flag_callback("-h", [&] { parsed.help = HelpWanted::kShort; });
  app.add_flag_callback("--help", [&] { parsed.help = HelpWanted::kLong; });
  AddFlags(app, global, status);
  AddFlags(app, own, status);
  // CLI11 wants the words in reverse.
  std::vector<std::string> reversed(words.rbegin(), words.rend());
  try {  // library throws: CLI11 reports errors by exception
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(error.what());
  }
  WEIR_RETURN_IF_ERROR(status);
  bool only_arguments = false;
  for (const std::string& word : app.remaining()) {
    if (!only_arguments && word == "--") {
      only_arguments = true;
    } else if (!only_arguments && word.size() > 1 && word[0] == '-') {
      return UnknownFlag(word, global, own);
    } else {
      parsed.arguments.push_back(word);
    }
  }
  if (parsed.help == HelpWanted::kNo) WEIR_RETURN_IF_ERROR(CheckCount(parsed.arguments, info));
  return parsed;
}

absl::Status ApplyLayers(OptionTable& global, OptionTable& own, const std::string& section,
                         Origins* origins) {
  WEIR_RETURN_IF_ERROR(ApplyFile(UserFile(), global, own, section, origins));
  WEIR_RETURN_IF_ERROR(ApplyFile(ProjectFile(), global, own, section, origins));
  const auto global_before = Values(global), own_before = Values(own);
  WEIR_RETURN_IF_ERROR(ApplyEnvironment(global));
  WEIR_RETURN_IF_ERROR(ApplyEnvironment(own));
  NoteChanges(global, global_before, "environment", origins);
  NoteChanges(own, own_before, "environment", origins);
  return absl::OkStatus();
}

}  // namespace weir::cli
