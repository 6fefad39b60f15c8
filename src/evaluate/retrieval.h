// The retrieval protocol: index a BEIR folder as one passage a document (title, line break, text),
// run every judged query through the query pipeline, and measure (`weir eval`). Documents named
// like the query are dropped as BEIR does, duplicates are not merged, and all judged queries count.
// Several folders in one run: sets.h.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "base/context.h"
#include "base/registry.h"
#include "evaluate/beir.h"
#include "evaluate/compare.h"
#include "evaluate/metrics.h"
#include "retrieve/pipeline.h"
#include "text/ports.h"

namespace weir::evaluate {

struct RetrievalOptions {
  std::string split = "test";
  std::string queries, qrels;  // files in place of the folder's; "" for those
  std::vector<std::string> pipelines = {"bm25", "dense", "hybrid"};  // as ParsePipeline takes them
  index::Bm25Options bm25;
  retrieve::FusionOptions fuse;
  retrieve::SparseOptions sparse;
  index::MultiSearchOptions multi;
  index::FixedEncodingOptions encoding;
  retrieve::RerankOptions rerank;  // of every pipeline
  int64_t depth = 100;  // hits kept for a query; recall@100 needs 100
  std::string language;    // as Collection::Open takes it
  std::string index_in;   // a folder to keep the index in and use again; "" for a temporary one
  std::string write_runs;  // a folder for SET.PIPELINE.trec and SET.PIPELINE.tsv; "" for none
  template <class V>
  void Visit(V& v) {
    v(split, {.name = "split", .help = "Judgements to use, qrels/SPLIT.tsv."});
    v(queries, {.name = "queries",
                .help = "File of queries in place of the folder's: BEIR, tabs, or TREC topics.",
                .fingerprint = false});
    v(qrels, {.name = "qrels",
              .help = "File of judgements in place of the folder's: BEIR or TREC.",
              .fingerprint = false});
    v(pipelines,
      {.name = "pipelines",
       .help = "Pipelines to measure: bm25, dense, sparse, multi, hybrid; with +cross or "
               "+likelihood behind one, its first candidates are reread."});
    bm25.Visit(v);
    fuse.Visit(v);
    sparse.Visit(v);
    multi.Visit(v);
    encoding.Visit(v);
    rerank.Visit(v);
    v(depth,
      {.name = "depth", .help = "Hits kept for each query.", .unit = "hits", .min = 1, .max = 999});
    v(language, {.name = "language",
                 .help = "Language of the documents: auto, code, or a name or code (polish, pl)."});
    v(index_in, {.name = "index-in",
                 .help = "Folder to keep the set's index in and use again.",
                 .fingerprint = false});
    v(write_runs, {.name = "write-runs",
                   .help = "Folder for TREC run files and the values of each query.",
                   .fingerprint = false});
  }
};

// "hybrid+cross": a mode, and what rereads its first candidates; "" for what the options say.
struct PipelineName {
  std::string mode, rerank;
};
// kInvalidArgument for an unknown mode or reranker.
absl::StatusOr<PipelineName> ParsePipeline(std::string_view name);

struct EvalRun {
  std::string pipeline;
  std::map<std::string, double> metrics;  // of StandardMetrics(), by name
  int64_t queries = 0;
  double took_s = 0;  // the queries alone, one after the other
  QueryValues per_query;
  std::string per_query_sha256;  // of PerQueryTable(per_query)
};

// Pipelines against one of them, by one metric (sets.h).
struct PipelineTests {
  std::string metric, baseline;
  std::vector<Comparison> rows;  // run: the pipeline
};

// The Eval record of the design.
struct EvalRecord {
  std::string set;  // name of the folder
  std::string split;
  std::vector<EvalRun> runs;
  int64_t documents = 0;  // indexed; empty documents are left out
  double index_s = 0;     // reading, indexing, encoding
  // "name=value;..." sorted by name: options, SHA-256 of the corpus, queries and qrels files, the
  // encoder's fingerprint. Same fingerprint, same figures.
  std::string fingerprint;

  std::string folder;
  std::string corpus_sha256, queries_sha256, qrels_sha256;  // of the files as they are
  std::string language;                       // of the analysis, "auto" for each passage's own
  std::map<std::string, std::string> models;  // role -> fingerprint
  uint64_t seed = 0;
  double took_s = 0;        // all of it
  int64_t index_bytes = 0;  // of the store with its vectors
  int64_t peak_bytes = 0;   // resident memory, models included; 0 when unknown
  std::map<std::string, std::string> query_texts;  // of the judged ones
  PipelineTests tests;                             // no rows until sets.h gave them
};

// The name of a set: that of its folder.
std::string SetName(const std::string& folder);

// kInvalidArgument when a pipeline needs an encoder that is null.
absl::StatusOr<EvalRecord> EvaluateRetrieval(const std::string& folder,
                                             const RetrievalOptions& options,
                                             retrieve::Encoders encoders, const Registry& registry,
                                             const Context& context);

// All queries through a pipeline, one after the other; `name_of` gives a hit the name that
// judgements know it by. Documents named like the query are dropped.
absl::StatusOr<RankedRun> RunQueries(const index::Store& store, const std::string& pipeline,
                                     const std::vector<BeirRecord>& queries,
                                     const RetrievalOptions& options,
                                     const retrieve::Encoders& encoders, const Registry& registry,
                                     absl::FunctionRef<std::string(const text::Hit&)> name_of,
                                     const Context& context);

// What a run's figures depend on beside its options and data: role -> fingerprint.
std::map<std::string, std::string> ModelsOf(const retrieve::Encoders& encoders);
// "name=value;..." behind the options' own; escaped as they are.
std::string FingerprintOf(const OptionTable& options,
                          const std::map<std::string, std::string>& extra);

// A run against its judgements; took_s is left to the caller.
EvalRun Measured(const std::string& pipeline, const Qrels& qrels, const RankedRun& run);

// Who measured: the caller's part of a record.
struct EvalOrigin {
  std::string weir;     // version of the program
  std::string command;  // that makes the record again
  std::string machine;  // processor, cores, kernels, load
};

// docs/formats/json.md, Eval.
std::string EvalToJson(const EvalRecord& record, const EvalOrigin& origin);

// The run as TREC's six columns, best first by trec_eval's rule, ties included.
std::string TrecRun(const RankedRun& run, std::string_view tag);
// A heading and one row of metrics a query, separated by tabs.
std::string PerQueryTable(const QueryValues& values);

}  // namespace weir::evaluate
