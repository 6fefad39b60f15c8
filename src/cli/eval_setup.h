// What the verbs that measure retrieval share: their options, the models of the pipelines, and
// where a record comes from.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "cli/search_models.h"
#include "evaluate/leaderboard.h"
#include "evaluate/retrieval.h"
#include "evaluate/sets.h"

namespace weir::cli {

// Everything that the figures of a run depend on, and where runs and indexes are kept.
struct EvalOptions {
  evaluate::RetrievalOptions retrieval;
  std::string encoder, sparse_encoder, model;
  template <class V>
  void Visit(V& v) {
    retrieval.Visit(v);
    v(encoder, {.name = "encoder",
                .help = "Encoder of passages and queries; a name (see weir model list)."});
    v(model, {.name = "model", .help = "Language model of --rerank likelihood."});
    v(sparse_encoder, {.name = "sparse-encoder", .help = "The same for the sparse pipeline."});
  }
};

// Of all pipelines, for a store that is still to be made.
absl::StatusOr<SearchModels> LoadEvalModels(const EvalOptions& options, Session& session);

// "weir eval --depth 10 DIR": the options that are not at their defaults, from whatever layer they
// came, quoted for a shell.
std::string CommandOf(std::string_view verb, const OptionTable& defaults, const OptionTable& values,
                      std::span<const std::string> arguments, const Session& session);

// The record for a leaderboard; `options` are those that the set was measured with.
evaluate::LeaderboardEntry EntryOf(const evaluate::EvalRecord& record, EvalOptions options,
                                   const SearchModels& models, const evaluate::EvalOrigin& origin,
                                   std::string_view name, std::string_view metric);
// The options of a record over the defaults. kInvalidArgument for one that a record may not set, or
// a value that is not allowed; both name the leaderboard's line.
absl::StatusOr<EvalOptions> OptionsOf(const evaluate::LeaderboardEntry& entry);

// Version and machine; `command`: as CommandOf gives it.
evaluate::EvalOrigin OriginOf(std::string command);

// The runs of a set, and how they compare with its baseline if that was tested.
std::string EvalAsText(const evaluate::EvalRecord& record);
// One table of sets and pipelines by the metric of the tests, with their marks.
std::string SetsAsText(const evaluate::SetsRecord& record);

}  // namespace weir::cli
