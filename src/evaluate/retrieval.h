// The retrieval protocol: index a BEIR folder as one passage a document (title, line break, text),
// run every judged query through the query pipeline, and measure (`weir eval`). Documents named
// like the query are dropped as BEIR does, duplicates are not merged, and all judged queries count.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "base/registry.h"
#include "evaluate/metrics.h"
#include "retrieve/pipeline.h"
#include "text/ports.h"

namespace weir::evaluate {

struct RetrievalOptions {
  std::string split = "test";
  std::vector<std::string> pipelines = {"bm25", "dense", "hybrid"};
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
    v(pipelines,
      {.name = "pipelines", .help = "Pipelines to measure: bm25, dense, sparse, multi, hybrid."});
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

struct EvalRun {
  std::string pipeline;
  std::map<std::string, double> metrics;  // of StandardMetrics(), by name
  int64_t queries = 0;
  double took_s = 0;  // the queries alone, one after the other
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
};

// kInvalidArgument when a pipeline needs an encoder that is null.
absl::StatusOr<EvalRecord> EvaluateRetrieval(const std::string& folder,
                                             const RetrievalOptions& options,
                                             retrieve::Encoders encoders, const Registry& registry,
                                             const Context& context);

// {version, set, split, runs: [{pipeline, metrics, queries, took_s}], fingerprint, documents,
// index_s}
std::string EvalToJson(const EvalRecord& record);

// The run as TREC's six columns, best first by trec_eval's rule, ties included.
std::string TrecRun(const RankedRun& run, std::string_view tag);
// A heading and one row of metrics a query, separated by tabs.
std::string PerQueryTable(const Evaluation& evaluation);

}  // namespace weir::evaluate
