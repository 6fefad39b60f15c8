#include "cli/eval_setup.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/status.h"
#include "cli/machine.h"
#include "cli/run.h"

namespace weir::cli {
namespace {

std::string Quoted(std::string_view word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=.,:/@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == word.npos) return std::string(word);
  return absl::StrCat("'", absl::StrReplaceAll(std::string(word), {{"'", "'\\''"}}), "'");
}

std::string Absolute(const std::string& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  return error ? path : absolute.lexically_normal().string();
}

void AppendChanged(const OptionTable& defaults, const OptionTable& values, std::string& out) {
  for (const OptionField& field : values.fields()) {
    const OptionField* plain = defaults.Find(field.spec().name);
    const std::string value = field.Get();
    if (plain != nullptr && plain->Get() == value) continue;
    const std::string name(field.spec().name);
    if (field.type_name() == "bool") {
      absl::StrAppend(&out, value == "true" ? " --" : " --no-", name);
    } else {
      absl::StrAppend(&out, " --", name, " ", Quoted(value));
    }
  }
}

std::string TestAsText(const evaluate::Comparison& c) {
  return absl::StrFormat("%+.4f [%+.4f, %+.4f]  p %.4f  Holm %.4f  %d better, %d worse of %d%s",
                         c.test.mean, c.test.low, c.test.high, c.test.p, c.holm_p, c.better,
                         c.worse, c.queries, evaluate::IsSignificant(c) ? "  *" : "");
}

std::string TestsAsText(const evaluate::PipelineTests& tests) {
  std::string out;
  for (const evaluate::Comparison& c : tests.rows) {
    absl::StrAppendFormat(&out, "%-8s  against %s by %s: %s\n", c.run, tests.baseline,
                          tests.metric, TestAsText(c));
  }
  return out;
}

void AppendRow(std::string_view name, const std::vector<evaluate::EvalRun>& runs,
               const evaluate::PipelineTests& tests, std::string& out) {
  absl::StrAppendFormat(&out, "%-24s", name);
  for (const evaluate::EvalRun& run : runs) {
    const std::string mark = evaluate::MarkOf(tests, run.pipeline);
    absl::StrAppendFormat(&out, "  %13s%1s", absl::StrFormat("%.4f", run.metrics.at(tests.metric)),
                          mark);
  }
  out += "\n";
}

}  // namespace

absl::StatusOr<SearchModels> LoadEvalModels(const EvalOptions& options, Session& session) {
  SearchModels models;
  WEIR_RETURN_IF_ERROR(
      LoadRerankers(options.retrieval.rerank, options.model, session, models));
  for (const std::string& pipeline : options.retrieval.pipelines) {
    WEIR_ASSIGN_OR_RETURN(const evaluate::PipelineName name, evaluate::ParsePipeline(pipeline));
    WEIR_ASSIGN_OR_RETURN(const retrieve::ModeNeeds needs, 
                          retrieve::NeedsOf(name.mode, options.retrieval.fuse));
    if (needs.dense && models.encoder == nullptr) {
      WEIR_ASSIGN_OR_RETURN(models.encoder, session.LoadEncoder(options.encoder));
    }
    for (const std::string& beside : needs.beside) {
      if (std::any_of(models.beside.begin(), models.beside.end(),
                      [&](const auto& loaded) { return loaded->name() == beside; })) {
        continue;
      }
      WEIR_ASSIGN_OR_RETURN(auto encoder, session.LoadEncoder(beside));
      models.beside.push_back(std::move(encoder));
    }
    if (needs.sparse && models.sparse == nullptr) {
      WEIR_ASSIGN_OR_RETURN(models.sparse, session.LoadSparseEncoder(options.sparse_encoder));
    }
    if (needs.multi && models.tokens == nullptr) {
      WEIR_ASSIGN_OR_RETURN(models.tokens, session.LoadTokenEncoder(options.encoder));
    }
    retrieve::RerankOptions rerank;
    if (!name.rerank.empty()) rerank.rerank = name.rerank;
    const bool there = rerank.rerank == "cross" ? models.scorer != nullptr
                                                : models.engine != nullptr;
    if (!there) WEIR_RETURN_IF_ERROR(LoadRerankers(rerank, options.model, session, models));
  }
  return models;
}

std::string CommandOf(std::string_view verb, const OptionTable& defaults, const OptionTable& values,
                      std::span<const std::string> arguments, const Session& session) {
  std::string out = absl::StrCat("weir ", std::string(verb));
  AppendChanged(defaults, values, out);
  if (session.options().threads != 0) {
    absl::StrAppend(&out, " --threads ", session.options().threads);
  }
  if (session.options().seed != 0) absl::StrAppend(&out, " --seed ", session.options().seed);
  for (const std::string& argument : arguments) absl::StrAppend(&out, " ", Quoted(argument));
  return out;
}

evaluate::LeaderboardEntry EntryOf(const evaluate::EvalRecord& record, EvalOptions options,
                                   const SearchModels& models, const evaluate::EvalOrigin& origin,
                                   std::string_view name, std::string_view metric) {
  // What a default was this time; another one may be installed later.
  if (models.encoder != nullptr && options.encoder.empty()) {
    options.encoder = models.encoder->name();
  }
  if (models.sparse != nullptr && options.sparse_encoder.empty()) {
    options.sparse_encoder = models.sparse->name();
  }
  if (models.engine != nullptr && options.model.empty()) options.model = models.engine->name();
  for (std::string* path : {&options.retrieval.queries, &options.retrieval.qrels}) {
    if (!path->empty()) *path = Absolute(*path);
  }
  evaluate::LeaderboardEntry entry{.name = std::string(name),
                                   .time = absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::Now(),
                                                            absl::UTCTimeZone()),
                                   .origin = origin,
                                   .record = record,
                                   .metric = std::string(metric)};
  entry.record.folder = Absolute(record.folder);
  const OptionTable table = BindOptions(options);
  for (const OptionField& field : table.fields()) {
    if (evaluate::IsReplayable(field)) entry.options[std::string(field.spec().name)] = field.Get();
  }
  return entry;
}

absl::StatusOr<EvalOptions> OptionsOf(const evaluate::LeaderboardEntry& entry) {
  EvalOptions options;
  OptionTable table = BindOptions(options);
  const std::string where = absl::StrCat("record of line ", entry.line);
  for (const auto& [name, value] : entry.options) {
    const OptionField* field = table.Find(name);
    if (field == nullptr || !evaluate::IsReplayable(*field)) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, ": option \"", name, "\" is not one that a record may set"));
    }
    const absl::Status set = table.Set(name, value);
    if (!set.ok()) return Annotate(set, where);
  }
  return options;
}

evaluate::EvalOrigin OriginOf(std::string command) {
  return {.weir = kVersion, .command = std::move(command), .machine = Machine()};
}

std::string EvalAsText(const evaluate::EvalRecord& record) {
  std::string out = absl::StrFormat("%s, %s: %d documents, indexed in %.1f s\n", record.set,
                                    record.split, record.documents, record.index_s);
  for (const evaluate::EvalRun& run : record.runs) {
    absl::StrAppendFormat(&out, "%-8s", run.pipeline);
    for (const auto& [name, value] : run.metrics) {
      absl::StrAppendFormat(&out, "  %s %.4f", name, value);
    }
    absl::StrAppendFormat(&out, "  (%d queries, %.2f s)\n", run.queries, run.took_s);
  }
  return out + TestsAsText(record.tests);
}

std::string SetsAsText(const evaluate::SetsRecord& record) {
  std::string out = absl::StrFormat("%-24s", record.tests.metric);
  for (const evaluate::EvalRun& run : record.mean) {
    absl::StrAppendFormat(&out, "  %13s ", run.pipeline);
  }
  out += "\n";
  for (const evaluate::EvalRecord& set : record.sets) {
    AppendRow(set.set, set.runs, set.tests, out);
  }
  AppendRow(absl::StrCat("mean of ", record.sets.size(), " sets"), record.mean, record.tests, out);
  absl::StrAppend(&out, "= the baseline, + and - differ from it (p < .05 after Holm)\n",
                  TestsAsText(record.tests));
  for (const evaluate::FailedSet& set : record.failed) {
    absl::StrAppend(&out, "failed: ", set.folder, ": ", set.reason, "\n");
  }
  return out;
}

}  // namespace weir::cli
