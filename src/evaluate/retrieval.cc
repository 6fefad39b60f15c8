#include "evaluate/retrieval.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "base/files.h"
#include "base/status.h"
#include "evaluate/beir.h"
#include "evaluate/collection.h"
#include "retrieve/pipeline.h"

namespace weir::evaluate {
namespace {

double SecondsSince(int64_t start_ns, const Context& context) {
  return static_cast<double>(context.now_ns() - start_ns) * 1e-9;
}

// Of the file, or of its compressed form: whichever is read.
absl::StatusOr<std::string> HashOf(const std::string& path) {
  const absl::StatusOr<std::string> plain = Sha256File(path);
  return plain.ok() ? plain : Sha256File(absl::StrCat(path, ".zst"));
}

absl::StatusOr<std::string> FingerprintOf(const BeirPaths& paths, RetrievalOptions options,
                                          const retrieve::Encoders& encoders) {
  std::map<std::string, std::string> extra;
  WEIR_ASSIGN_OR_RETURN(extra["corpus"], HashOf(paths.corpus));
  WEIR_ASSIGN_OR_RETURN(extra["queries"], HashOf(paths.queries));
  WEIR_ASSIGN_OR_RETURN(extra["qrels"], HashOf(paths.qrels));
  extra["encoder"] = encoders.dense == nullptr ? "" : encoders.dense->fingerprint();
  if (encoders.sparse != nullptr) extra["sparse-encoder"] = encoders.sparse->fingerprint();
  if (encoders.scorer != nullptr) extra["scorer"] = encoders.scorer->fingerprint();
  if (encoders.completer != nullptr) extra["model"] = encoders.completer->name();
  if (encoders.tokens != nullptr) extra["token-encoder"] = encoders.tokens->fingerprint();
  extra["protocol"] = "1";
  std::string text = BindOptions(options).Fingerprint();
  for (const auto& [name, value] : extra) {
    // Escaped as the options' own values are.
    absl::StrAppend(&text, ";", name, "=",
                    absl::StrReplaceAll(value, {{"\\", "\\\\"}, {";", "\\;"}}));
  }
  return text;
}

// What the pipelines need together.
absl::StatusOr<retrieve::ModeNeeds> Check(const RetrievalOptions& options,
                                          const retrieve::Encoders& encoders) {
  if (options.pipelines.empty()) return absl::InvalidArgumentError("pipelines: none is named");
  if (options.split.find('/') != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat("split: ", options.split, "; expected a name"));
  }
  retrieve::ModeNeeds all;
  for (const std::string& pipeline : options.pipelines) {
    WEIR_ASSIGN_OR_RETURN(const retrieve::ModeNeeds needs, 
                          retrieve::NeedsOf(pipeline, options.fuse));
    if ((needs.dense && encoders.dense == nullptr) ||
        (needs.sparse && encoders.sparse == nullptr) ||
        (needs.multi && encoders.tokens == nullptr)) {
      return absl::InvalidArgumentError(
          absl::StrCat("pipeline ", pipeline, " needs an encoder; none was given"));
    }
    all.dense |= needs.dense;
    all.sparse |= needs.sparse;
    all.multi |= needs.multi;
  }
  return all;
}

absl::StatusOr<RankedRun> RunQueries(const index::Store& store, const std::string& mode,
                                     const std::vector<BeirRecord>& queries,
                                     const RetrievalOptions& options,
                                     const retrieve::Encoders& encoders, const Registry& registry,
                                     const Context& context) {
  retrieve::SearchOptions search{.mode = mode,
                                 .fuse = options.fuse,
                                 .sparse = options.sparse,
                                 .multi = options.multi,
                                 .rerank = options.rerank};
  search.top_k = options.depth + 1;  // one may be the query itself
  search.fuse.fetch = std::max(options.fuse.fetch, search.top_k);
  search.dedupe = false;  // judgements name each copy
  WEIR_ASSIGN_OR_RETURN(const auto pipeline,
                        retrieve::Pipeline::Make(store, encoders, search, registry));
  RankedRun run;
  for (const BeirRecord& query : queries) {
    WEIR_RETURN_IF_ERROR(context.CheckCancelled());
    const auto hits = pipeline->Search(query.text, context);
    if (!hits.ok()) return Annotate(hits.status(), absl::StrCat("query ", query.id));
    std::vector<Ranked>& ranked = run[query.id];
    for (const text::Hit& hit : *hits) ranked.push_back({hit.document.path, hit.score});
  }
  DropIdenticalIds(run);
  for (auto& [query, ranked] : run) {
    if (ranked.size() > static_cast<size_t>(options.depth)) ranked.resize(options.depth);
  }
  return run;
}

absl::Status WriteRuns(const std::string& folder, const std::string& name, const RankedRun& run,
                       const Evaluation& evaluation) {
  WEIR_RETURN_IF_ERROR(MakeFolders(folder));
  const std::string stem = absl::StrCat(folder, "/", name);
  WEIR_RETURN_IF_ERROR(WriteFileAtomic(stem + ".trec", TrecRun(run, "weir-" + name)));
  return WriteFileAtomic(stem + ".tsv", PerQueryTable(evaluation));
}

std::string SetName(const std::string& folder) {
  std::filesystem::path path = std::filesystem::path(folder).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  return path.filename().string();
}

}  // namespace

absl::StatusOr<EvalRecord> EvaluateRetrieval(const std::string& folder,
                                             const RetrievalOptions& options,
                                             retrieve::Encoders encoders, const Registry& registry,
                                             const Context& context) {
  WEIR_ASSIGN_OR_RETURN(const retrieve::ModeNeeds needs, Check(options, encoders));
  const BeirPaths paths = BeirPathsOf(folder, options.split);
  WEIR_ASSIGN_OR_RETURN(const std::unique_ptr<LineReader> lines, LineReader::Open(paths.qrels));
  WEIR_ASSIGN_OR_RETURN(const Qrels qrels, ReadQrels(*lines));
  WEIR_ASSIGN_OR_RETURN(const std::vector<BeirRecord> queries,
                        ReadJudgedQueries(paths.queries, qrels));
  EvalRecord record;
  record.set = SetName(folder);
  record.split = options.split;
  if (!needs.dense) encoders.dense = nullptr;
  if (!needs.sparse) encoders.sparse = nullptr;
  if (!needs.multi) encoders.tokens = nullptr;
  WEIR_ASSIGN_OR_RETURN(record.fingerprint, FingerprintOf(paths, options, encoders));
  const int64_t start = context.now_ns();
  WEIR_ASSIGN_OR_RETURN(const std::unique_ptr<Collection> collection,
                        Collection::Open(paths.corpus, options.index_in, encoders,
                                         options.encoding, options.language, context));
  collection->SetBm25(options.bm25);
  record.documents = collection->documents();
  record.index_s = SecondsSince(start, context);
  for (const std::string& pipeline : options.pipelines) {
    const int64_t begin = context.now_ns();
    WEIR_ASSIGN_OR_RETURN(const RankedRun run,
                          RunQueries(collection->store(), pipeline, queries, options, encoders,
                                     registry, context));
    const double took_s = SecondsSince(begin, context);
    const Evaluation evaluation = Evaluate(qrels, run, StandardMetrics());
    record.runs.push_back({pipeline, evaluation.mean, evaluation.queries, took_s});
    if (options.write_runs.empty()) continue;
    WEIR_RETURN_IF_ERROR(WriteRuns(options.write_runs, absl::StrCat(record.set, ".", pipeline), run,
                                   evaluation));
  }
  return record;
}

std::string TrecRun(const RankedRun& run, std::string_view tag) {
  std::string out;
  for (const auto& [query, documents] : run) {
    std::vector<Ranked> order = documents;
    std::sort(order.begin(), order.end(), [](const Ranked& a, const Ranked& b) {
      return a.score != b.score ? a.score > b.score : a.document > b.document;
    });
    for (size_t i = 0; i < order.size(); ++i) {
      absl::StrAppendFormat(&out, "%s Q0 %s %d %.9g %s\n", query, order[i].document, i + 1,
                            order[i].score, tag);
    }
  }
  return out;
}

std::string PerQueryTable(const Evaluation& evaluation) {
  std::string out = "query";
  for (const auto& [name, mean] : evaluation.mean) absl::StrAppend(&out, "\t", name);
  out += "\n";
  for (const auto& [query, values] : evaluation.per_query) {
    absl::StrAppend(&out, query);
    for (const auto& [name, value] : values) absl::StrAppendFormat(&out, "\t%.6f", value);
    out += "\n";
  }
  return out;
}

}  // namespace weir::evaluate
