// weir prompt save, load, list and fit: keys and values of a prompt on disk.

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <iostream>
#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/files.h"
#include "base/status.h"
#include "cli/prompt_setup.h"
#include "cli/verbs.h"
#include "generate/prompt_cache/saved_prompt.h"

namespace weir::cli {
namespace {

using Json = nlohmann::ordered_json;

struct SaveOptions {
  std::string text, form = "chat", tables = "auto";
  std::vector<std::string> levels = {"2"};
  PromptModelOptions model;
  template <class V>
  void Visit(V& v) {
    v(text, {.name = "text", .help = "File with the text, or - for standard input."});
    v(levels, {.name = "level",
               .help = "Levels to keep: 1 is the smallest, 3 the nearest to the original."});
    v(form, {.name = "form",
             .help = "chat: a message to be asked about; plain: a text to be continued.",
             .choices = {"chat", "plain"}});
    v(tables, {.name = "tables",
               .help = "auto: those of weir prompt fit, where the model has some; own: fitted on "
                       "this text.",
               .choices = {"auto", "own"}});
    model.Visit(v);
  }
};

absl::StatusOr<std::string> ReadText(const std::string& path) {
  if (path.empty()) {
    return absl::InvalidArgumentError("text: \"\"; expected a file, or - for standard input");
  }
  if (path != "-") return ReadFile(path, kMaxPromptText);
  std::string text;
  char buffer[1 << 16];
  while (std::cin.read(buffer, sizeof(buffer)), std::cin.gcount() > 0) {
    text.append(buffer, static_cast<size_t>(std::cin.gcount()));
    if (text.size() > kMaxPromptText) {
      return absl::ResourceExhaustedError(
          absl::StrCat("standard input: more than ", kMaxPromptText, " bytes"));
    }
  }
  return text;
}

absl::StatusOr<std::vector<int>> ParseLevels(const std::vector<std::string>& words) {
  std::vector<int> levels;
  for (const std::string& word : words) {
    int level = 0;
    if (!absl::SimpleAtoi(word, &level) || level < 1 || level > generate::kCodecLevels) {
      return absl::InvalidArgumentError(absl::StrCat("level: \"", word, "\"; expected 1, 2 or 3"));
    }
    levels.push_back(level);
  }
  std::sort(levels.begin(), levels.end());
  levels.erase(std::unique(levels.begin(), levels.end()), levels.end());
  return levels;
}

class PromptSaveVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {.name = "prompt save",
            .summary = "Keep a prompt's keys and values in a file, compressed.",
            .arguments = "FILE",
            .example = "weir prompt save lease.prompt --model smollm2-135m --text lease.txt",
            .description = "The file holds the text, its tokens and their keys and values, and "
                           "works with this very model only. It is written whole or not at all.",
            .min_arguments = 1,
            .max_arguments = 1};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string> arguments, Session& session) override {
    WEIR_ASSIGN_OR_RETURN(const std::vector<int> levels, ParseLevels(options_.levels));
    WEIR_ASSIGN_OR_RETURN(const std::string text, ReadText(options_.text));
    WEIR_ASSIGN_OR_RETURN(const auto model, LoadPromptModel(options_.model, session));
    std::shared_ptr<const generate::KvCodec> codec;
    if (options_.tables == "auto") {
      WEIR_ASSIGN_OR_RETURN(codec, generate::ReadTables(model->identity()));
    }
    const bool own = codec == nullptr;
    const auto form =
        options_.form == "chat" ? generate::PromptForm::kChat : generate::PromptForm::kPlain;
    generate::SaveReport report;
    WEIR_ASSIGN_OR_RETURN(const std::string bytes,
                          generate::SavePrompt(*model, form, text, levels, std::move(codec),
                                               report, session.context()));
    WEIR_RETURN_IF_ERROR(WriteFileAtomic(arguments[0], bytes));
    if (session.json()) {
      Json kept = Json::array();
      for (size_t i = 0; i < levels.size(); ++i) {
        kept.push_back({{"level", levels[i]}, {"bytes", report.level_bytes[i]}});
      }
      session.Print(Json{{"version", 1},
                         {"file", arguments[0]},
                         {"bytes", report.bytes},
                         {"tokens", report.tokens},
                         {"levels", std::move(kept)},
                         {"tables", own ? "own" : "model"},
                         {"f16_bytes", report.half_bytes},
                         {"compute_s", report.compute_s},
                         {"encode_s", report.encode_s}}
                        .dump(-1, ' ', false, Json::error_handler_t::replace));
    } else {
      session.Print(absl::StrFormat(
          "%s: %d tokens, %.2f MB (f16 keys and values: %.2f MB), computed in %.2f s, encoded in "
          "%.2f s",
          arguments[0], report.tokens, report.bytes * 1e-6, report.half_bytes * 1e-6,
          report.compute_s, report.encode_s));
    }
    return kExitDone;
  }

 private:
  SaveOptions options_;
};

struct LoadVerbOptions {
  std::string question, bandwidth;
  int64_t level = 0, max_tokens = 128;
  double slo = 0, bandwidth_step = 0.1;
  PromptModelOptions model;
  template <class V>
  void Visit(V& v) {
    v(question, {.name = "question", .help = "Question about the text of a chat prompt."});
    v(level, {.name = "level",
              .help = "Level to load; 0 takes the nearest to the original.",
              .min = 0,
              .max = generate::kCodecLevels});
    v(max_tokens, {.name = "max-tokens",
                   .help = "Most tokens to generate.",
                   .unit = "tokens",
                   .min = 1,
                   .max = 100000});
    v(slo, {.name = "ttft-slo",
            .help = "Load by this time, at the best level that allows it, or compute; 0: no limit.",
            .unit = "seconds",
            .min = 0,
            .max = 86400});
    v(bandwidth,
      {.name = "bandwidth",
       .help = "Play a link of so many Mbit/s: one number, or one a step, with commas."});
    v(bandwidth_step, {.name = "bandwidth-step",
                       .help = "How long each number of --bandwidth holds.",
                       .unit = "seconds",
                       .min = 0.001,
                       .max = 3600});
    model.Visit(v);
  }
};

class PromptLoadVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {.name = "prompt load",
            .summary = "Load a saved prompt and answer a question about it, or continue it.",
            .arguments = "FILE",
            .example = "weir prompt load lease.prompt --model smollm2-135m --question 'Who pays?'",
            .description =
                "A file of another model, quantisation or rotary base is refused. With --ttft-slo "
                "each chunk is fetched at the best level that meets it, or computed from its "
                "tokens when that is sooner.",
            .min_arguments = 1,
            .max_arguments = 1};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string> arguments, Session& session) override {
    WEIR_ASSIGN_OR_RETURN(const auto file, generate::PromptFile::Open(arguments[0]));
    const generate::PromptHead& head = file->head();
    if (head.form == generate::PromptForm::kChat && options_.question.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(arguments[0], ": a chat prompt; ask it something with --question"));
    }
    if (head.form == generate::PromptForm::kPlain && !options_.question.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          arguments[0], ": a plain prompt takes no question; it was saved with --form plain"));
    }
    generate::LoadOptions load;
    load.level = static_cast<int>(options_.level);
    load.deadline_s = options_.slo;
    WEIR_ASSIGN_OR_RETURN(load.bandwidth, generate::BandwidthTrace::Parse(options_.bandwidth,
                                                                          options_.bandwidth_step));
    PromptModelOptions wanted = options_.model;
    wanted.context = std::max<int64_t>(
        wanted.context, static_cast<int64_t>(head.tokens.size()) + options_.max_tokens + 256);
    WEIR_ASSIGN_OR_RETURN(const auto model, LoadPromptModel(wanted, session));
    (void)model->identity();  // read once, before the clock starts
    const int64_t start = session.context().now_ns();
    WEIR_ASSIGN_OR_RETURN(const auto loaded,
                          generate::LoadPrompt(*model, *file, load, session.context()));
    std::vector<int32_t> prompt = head.tokens;
    if (head.form == generate::PromptForm::kChat) {
      WEIR_ASSIGN_OR_RETURN(prompt,
                            generate::QuestionTokens(*model, head.text, options_.question));
    }
    text::CompletionRequest request;
    request.max_tokens = options_.max_tokens;
    request.temperature = 0;
    if (!session.json()) {
      request.on_text = [&](std::string_view piece) {
        session.Stream(piece);
        return true;
      };
    }
    const double before = static_cast<double>(session.context().now_ns() - start) * 1e-9;
    WEIR_ASSIGN_OR_RETURN(const text::Completion done,
                          model->Continue(prompt, std::move(request), session.context()));
    Report(arguments[0], loaded, done, before, model->session().reused(), session);
    return kExitDone;
  }

 private:
  static void Report(const std::string& path, const generate::LoadReport& loaded,
                     const text::Completion& done, double load_s, int64_t reused,
                     Session& session) {
    if (session.json()) {
      session.Print(Json{{"version", 1},
                         {"file", path},
                         {"text", done.text},
                         {"finish", done.finish},
                         {"prompt_tokens", done.prompt_tokens},
                         {"reused_tokens", reused},
                         {"loaded_tokens", loaded.loaded_tokens},
                         {"computed_tokens", loaded.computed_tokens},
                         {"fetched_bytes", loaded.fetched_bytes},
                         {"levels", loaded.levels},
                         {"load_s", loaded.seconds},
                         {"first_token_s", load_s + done.first_token_s},
                         {"total_s", load_s + done.total_s}}
                        .dump(-1, ' ', false, Json::error_handler_t::replace));
      return;
    }
    session.Print(done.text);
    session.Note(absl::StrFormat(
        "first token after %.3f s: %d of %d prompt tokens reused, %d loaded (%.2f MB), %d computed "
        "on the way; levels %s",
        load_s + done.first_token_s, reused, done.prompt_tokens, loaded.loaded_tokens,
        loaded.fetched_bytes * 1e-6, loaded.computed_tokens, absl::StrJoin(loaded.levels, " ")));
  }

  LoadVerbOptions options_;
};

class PromptListVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {.name = "prompt list",
            .summary = "List the saved prompts of a folder.",
            .arguments = "DIR",
            .example = "weir prompt list ~/prompts",
            .min_arguments = 1,
            .max_arguments = 1};
  }

  absl::StatusOr<int> Run(std::span<const std::string> arguments, Session& session) override {
    std::error_code error;
    std::vector<std::string> paths;
    for (std::filesystem::directory_iterator at(arguments[0], error), end; !error && at != end;
         at.increment(error)) {
      if (at->path().extension() == ".prompt") paths.push_back(at->path().string());
    }
    if (error) return ErrnoStatus(error.value(), arguments[0]);
    std::sort(paths.begin(), paths.end());
    Json list = Json::array();
    for (const std::string& path : paths) {
      const auto file = generate::PromptFile::Open(path);
      if (!file.ok()) {
        list.push_back({{"file", path}, {"error", std::string(file.status().message())}});
        if (!session.json()) session.Print(std::string(file.status().message()));
        continue;
      }
      const generate::PromptHead& head = (*file)->head();
      const bool chat = head.form == generate::PromptForm::kChat;
      list.push_back({{"file", path},
                      {"form", chat ? "chat" : "plain"},
                      {"tokens", head.tokens.size()},
                      {"levels", head.levels},
                      {"bytes", (*file)->bytes()},
                      {"architecture", head.identity.architecture},
                      {"quantisation", head.identity.types},
                      {"weights", absl::StrCat(absl::Hex(head.identity.weights,
                                                         absl::kZeroPad16))}});
      if (session.json()) continue;
      session.Print(absl::StrFormat("%s  %s, %d tokens, level %s, %.2f MB, %s (%s)", path,
                                    chat ? "chat" : "plain", head.tokens.size(),
                                    absl::StrJoin(head.levels, " "), (*file)->bytes() * 1e-6,
                                    head.identity.architecture, head.identity.types));
    }
    if (session.json()) {
      session.Print(Json{{"version", 1}, {"prompts", std::move(list)}}.dump(
          -1, ' ', false, Json::error_handler_t::replace));
    }
    return paths.empty() ? kExitNothing : kExitDone;
  }
};

struct FitOptions {
  std::string text;
  PromptModelOptions model;
  template <class V>
  void Visit(V& v) {
    v(text, {.name = "text", .help = "File with a sample text, or - for standard input."});
    model.Visit(v);
  }
};

class PromptFitVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {.name = "prompt fit",
            .summary = "Fit the codec's tables for a model on a sample text.",
            .arguments = "",
            .example = "weir prompt fit --model smollm2-135m --text sample.txt",
            .description = "Saved prompts then use these tables instead of fitting their own. They "
                           "lie in prompt-tables below WEIR_HOME; every file still carries those "
                           "that it was written with."};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string>, Session& session) override {
    WEIR_ASSIGN_OR_RETURN(const std::string text, ReadText(options_.text));
    WEIR_ASSIGN_OR_RETURN(const auto model, LoadPromptModel(options_.model, session));
    std::vector<int32_t> tokens = model->tokenizer().Encode(text, {.add_special = true});
    if (tokens.empty()) return absl::InvalidArgumentError("text: it makes no token");
    tokens.resize(std::min<size_t>(tokens.size(), model->session().window()));
    WEIR_RETURN_IF_ERROR(model->session().Feed(tokens, session.context()));
    constexpr int kAll[] = {1, 2, 3};
    WEIR_ASSIGN_OR_RETURN(const auto codec,
                          generate::FitOnSession(*model, static_cast<int64_t>(tokens.size()), kAll,
                                                 session.context()));
    WEIR_RETURN_IF_ERROR(generate::WriteTables(model->identity(), *codec));
    const std::string path = generate::TablesPath(model->identity());
    if (session.json()) {
      session.Print(Json{{"version", 1}, {"file", path}, {"tokens", tokens.size()}}.dump());
    } else {
      session.Print(absl::StrCat(path, ": fitted on ", tokens.size(), " tokens"));
    }
    return kExitDone;
  }

 private:
  FitOptions options_;
};

}  // namespace

std::unique_ptr<Verb> MakePromptSaveVerb() { return std::make_unique<PromptSaveVerb>(); }
std::unique_ptr<Verb> MakePromptLoadVerb() { return std::make_unique<PromptLoadVerb>(); }
std::unique_ptr<Verb> MakePromptListVerb() { return std::make_unique<PromptListVerb>(); }
std::unique_ptr<Verb> MakePromptFitVerb() { return std::make_unique<PromptFitVerb>(); }

}  // namespace weir::cli
