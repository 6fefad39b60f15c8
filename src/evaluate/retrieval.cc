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
#include "evaluate/memory.h"
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

// Hashes, models and their fingerprints, into the record.
absl::Status Identify(const BeirPaths& paths, RetrievalOptions options,
                      const retrieve::Encoders& encoders, EvalRecord& record) {
  WEIR_ASSIGN_OR_RETURN(record.corpus_sha256, HashOf(paths.corpus));
  WEIR_ASSIGN_OR_RETURN(record.queries_sha256, HashOf(paths.queries));
  WEIR_ASSIGN_OR_RETURN(record.qrels_sha256, HashOf(paths.qrels));
  record.models = ModelsOf(encoders);
  std::map<std::string, std::string> extra = record.models;
  extra.try_emplace("encoder", "");
  extra["corpus"] = record.corpus_sha256;
  extra["queries"] = record.queries_sha256;
  extra["qrels"] = record.qrels_sha256;
  extra["protocol"] = "1";
  record.fingerprint = FingerprintOf(BindOptions(options), extra);
  return absl::OkStatus();
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
    WEIR_ASSIGN_OR_RETURN(const PipelineName name, ParsePipeline(pipeline));
    WEIR_ASSIGN_OR_RETURN(const retrieve::ModeNeeds needs,
                          retrieve::NeedsOf(name.mode, options.fuse));
    if ((needs.dense && encoders.dense == nullptr) ||
        (needs.sparse && encoders.sparse == nullptr) ||
        (needs.multi && encoders.tokens == nullptr)) {
      return absl::InvalidArgumentError(
          absl::StrCat("pipeline ", pipeline, " needs an encoder; none was given"));
    }
    all.dense |= needs.dense;
    all.sparse |= needs.sparse;
    all.multi |= needs.multi;
    all.beside.insert(all.beside.end(), needs.beside.begin(), needs.beside.end());
  }
  return all;
}

absl::Status WriteRuns(const std::string& folder, const std::string& name, const RankedRun& run,
                       const std::string& table) {
  WEIR_RETURN_IF_ERROR(MakeFolders(folder));
  const std::string stem = absl::StrCat(folder, "/", name);
  WEIR_RETURN_IF_ERROR(WriteFileAtomic(stem + ".trec", TrecRun(run, "weir-" + name)));
  return WriteFileAtomic(stem + ".tsv", table);
}

}  // namespace

std::string SetName(const std::string& folder) {
  std::filesystem::path path = std::filesystem::path(folder).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  return path.filename().string();
}

std::map<std::string, std::string> ModelsOf(const retrieve::Encoders& encoders) {
  std::map<std::string, std::string> models;
  if (encoders.dense != nullptr) models["encoder"] = encoders.dense->fingerprint();
  if (encoders.sparse != nullptr) models["sparse-encoder"] = encoders.sparse->fingerprint();
  if (encoders.scorer != nullptr) models["scorer"] = encoders.scorer->fingerprint();
  if (encoders.completer != nullptr) models["model"] = encoders.completer->name();
  if (encoders.tokens != nullptr) models["token-encoder"] = encoders.tokens->fingerprint();
  return models;
}

std::string FingerprintOf(const OptionTable& options,
                          const std::map<std::string, std::string>& extra) {
  std::string out = options.Fingerprint();
  for (const auto& [name, value] : extra) {
    absl::StrAppend(&out, ";", name, "=",
                    absl::StrReplaceAll(value, {{"\\", "\\\\"}, {";", "\\;"}}));
  }
  return out;
}

absl::StatusOr<RankedRun> RunQueries(const index::Store& store, const std::string& pipeline_name,
                                     const std::vector<BeirRecord>& queries,
                                     const RetrievalOptions& options,
                                     const retrieve::Encoders& encoders, const Registry& registry,
                                     absl::FunctionRef<std::string(const text::Hit&)> name_of,
                                     const Context& context) {
  WEIR_ASSIGN_OR_RETURN(const PipelineName parts, ParsePipeline(pipeline_name));
  retrieve::SearchOptions search{.mode = parts.mode,
                                 .fuse = options.fuse,
                                 .sparse = options.sparse,
                                 .multi = options.multi,
                                 .rerank = options.rerank};
  if (!parts.rerank.empty()) search.rerank.rerank = parts.rerank;
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
    for (const text::Hit& hit : *hits) ranked.push_back({name_of(hit), hit.score});
  }
  DropIdenticalIds(run);
  for (auto& [query, ranked] : run) {
    if (ranked.size() > static_cast<size_t>(options.depth)) ranked.resize(options.depth);
  }
  return run;
}

absl::StatusOr<PipelineName> ParsePipeline(std::string_view name) {
  const size_t plus = name.find('+');
  PipelineName parts;
  parts.mode = name.substr(0, plus);
  WEIR_RETURN_IF_ERROR(retrieve::NeedsOf(parts.mode, {}).status());
  if (plus == name.npos) return parts;
  parts.rerank = name.substr(plus + 1);
  retrieve::RerankOptions options;
  const absl::Status known = BindOptions(options).Set("rerank", parts.rerank);
  if (!known.ok()) return Annotate(known, absl::StrCat("pipeline ", std::string(name)));
  return parts;
}

absl::StatusOr<EvalRecord> EvaluateRetrieval(const std::string& folder,
                                             const RetrievalOptions& options,
                                             retrieve::Encoders encoders, const Registry& registry,
                                             const Context& context) {
  WEIR_ASSIGN_OR_RETURN(const retrieve::ModeNeeds needs, Check(options, encoders));
  BeirPaths paths = BeirPathsOf(folder, options.split);
  if (!options.queries.empty()) paths.queries = options.queries;
  if (!options.qrels.empty()) paths.qrels = options.qrels;
  WEIR_ASSIGN_OR_RETURN(const std::unique_ptr<LineReader> lines, LineReader::Open(paths.qrels));
  WEIR_ASSIGN_OR_RETURN(const Qrels qrels, ReadQrels(*lines));
  if (qrels.empty()) return absl::DataLossError(absl::StrCat(paths.qrels, ": no judgements"));
  WEIR_ASSIGN_OR_RETURN(const std::vector<BeirRecord> queries,
                        ReadJudgedQueries(paths.queries, qrels));
  EvalRecord record;
  record.set = SetName(folder);
  record.split = options.split;
  record.folder = folder;
  record.language = options.language.empty() ? std::string(index::kAutoLanguage) : options.language;
  record.seed = context.seed;
  for (const BeirRecord& query : queries) record.query_texts[query.id] = query.text;
  if (!needs.dense) encoders.dense = nullptr;
  if (!needs.sparse) encoders.sparse = nullptr;
  if (!needs.multi) encoders.tokens = nullptr;
  if (needs.beside.empty()) encoders.beside.clear();
  WEIR_RETURN_IF_ERROR(Identify(paths, options, encoders, record));
  ResetPeakMemory();
  const int64_t start = context.now_ns();
  WEIR_ASSIGN_OR_RETURN(const std::unique_ptr<Collection> collection,
                        Collection::Open(paths.corpus, options.index_in, encoders,
                                         options.encoding, options.language, context));
  collection->SetBm25(options.bm25);
  record.documents = collection->documents();
  record.index_bytes = collection->bytes();
  record.index_s = SecondsSince(start, context);
  for (const std::string& pipeline : options.pipelines) {
    const int64_t begin = context.now_ns();
    WEIR_ASSIGN_OR_RETURN(const RankedRun run,
                          RunQueries(
                              collection->store(), pipeline, queries, options, encoders, registry,
                              [](const text::Hit& hit) { return hit.document.path; }, context));
    const double took_s = SecondsSince(begin, context);
    record.runs.push_back(Measured(pipeline, qrels, run));
    record.runs.back().took_s = took_s;
    if (options.write_runs.empty()) continue;
    WEIR_RETURN_IF_ERROR(WriteRuns(options.write_runs, absl::StrCat(record.set, ".", pipeline), run,
                                   PerQueryTable(record.runs.back().per_query)));
  }
  record.took_s = SecondsSince(start, context);
  record.peak_bytes = PeakMemoryBytes();
  return record;
}

EvalRun Measured(const std::string& pipeline, const Qrels& qrels, const RankedRun& run) {
  Evaluation evaluation = Evaluate(qrels, run, StandardMetrics());
  EvalRun out{.pipeline = pipeline, .metrics = evaluation.mean, .queries = evaluation.queries};
  out.per_query = std::move(evaluation.per_query);
  out.per_query_sha256 = Sha256(PerQueryTable(out.per_query));
  return out;
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

std::string PerQueryTable(const QueryValues& values) {
  std::string out = "query";
  if (!values.empty()) {
    for (const auto& [name, value] : values.begin()->second) absl::StrAppend(&out, "\t", name);
  }
  out += "\n";
  for (const auto& [query, row] : values) {
    absl::StrAppend(&out, query);
    for (const auto& [name, value] : row) absl::StrAppendFormat(&out, "\t%.6f", value);
    out += "\n";
  }
  return out;
}

}  // namespace weir::evaluate
