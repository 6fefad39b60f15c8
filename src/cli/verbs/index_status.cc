// weir index status and weir index check: what the store holds, and whether it is sound.

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "cli/verbs.h"

namespace weir::cli {
namespace {

using Json = nlohmann::ordered_json;

class IndexStatusVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {.name = "index status",
            .summary = "Show what the store holds and which files failed, with the reason.",
            .arguments = "",
            .example = "weir index status --json"};
  }
  absl::StatusOr<int> Run(std::span<const std::string>, Session& session) override {
    WEIR_ASSIGN_OR_RETURN(auto store, session.OpenStore(index::Store::Mode::kRead));
    WEIR_ASSIGN_OR_RETURN(const index::StoreStatus status, store->Status());
    if (session.json()) {
      Json failed = Json::array();
      for (const auto& [path, reason] : status.failed)
        failed.push_back({{"path", path}, {"reason", reason}});
      Json languages = Json::object();
      for (const auto& [name, passages] : status.languages) languages[name] = passages;
      Json beside = Json::array();
      for (const auto& other : status.encoders_beside)
        beside.push_back({{"name", other.name}, {"pending", other.pending}});
      session.Print(Json{{"version", 1},
                         {"documents", status.documents},
                         {"passages", status.passages},
                         {"pending", status.pending},
                         {"failed", std::move(failed)},
                         {"bytes", status.bytes},
                         {"encoder", status.encoder},
                         {"encoders_beside", std::move(beside)},
                         {"sparse_encoder", status.sparse_encoder},
                         {"sparse_pending", status.sparse_pending},
                         {"given_terms", status.given_terms},
                         {"multi_encoder", status.multi_encoder},
                         {"multi_pending", status.multi_pending},
                         {"language", status.language},
                         {"languages", std::move(languages)}}
                        .dump(-1, ' ', false, Json::error_handler_t::replace));
      return kExitDone;
    }
    session.Print(absl::StrCat(status.documents, " documents, ", status.passages, " passages, ",
                               status.bytes, " bytes; encoder ",
                               status.encoder.empty() ? "none" : status.encoder, "; ",
                               status.pending, " passages without a vector"));
    for (const auto& other : status.encoders_beside) {
      session.Print(absl::StrCat("beside it ", other.name, "; ", other.pending,
                                 " passages without a vector of it"));
    }
    if (!status.sparse_encoder.empty()) {
      session.Print(absl::StrCat("sparse encoder ", status.sparse_encoder, "; ",
                                 status.sparse_pending, " passages without a sparse vector"));
      if (status.given_terms > 0) {
        session.Print(absl::StrCat("given terms of ", status.given_terms,
                                   " documents (weir index --lexicon)"));
      }
    }
    if (!status.multi_encoder.empty()) {
      session.Print(absl::StrCat("token vectors of ", status.multi_encoder, "; ",
                                 status.multi_pending, " passages without them"));
    }
    std::string languages = absl::StrCat("language ", status.language);
    for (const auto& [name, passages] : status.languages) {
      absl::StrAppend(&languages, &name == &status.languages.front().first ? ": " : ", ", passages,
                      " ", name);
    }
    session.Print(languages);
    for (const auto& [path, reason] : status.failed) {
      session.Print(absl::StrCat("failed: ", path, ": ", reason));
    }
    return kExitDone;
  }
};

class IndexCheckVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {.name = "index check",
            .summary = "Verify every checksum and cross reference of the store.",
            .arguments = "",
            .example = "weir index check",
            .description = "Prints one line per problem and exits with 65 when there is any."};
  }
  absl::StatusOr<int> Run(std::span<const std::string>, Session& session) override {
    WEIR_ASSIGN_OR_RETURN(auto store, session.OpenStore(index::Store::Mode::kRead));
    WEIR_ASSIGN_OR_RETURN(const std::vector<std::string> problems, store->Check(session.context()));
    if (session.json()) {
      session.Print(Json{{"version", 1}, {"clean", problems.empty()}, {"problems", problems}}.dump(
          -1, ' ', false, Json::error_handler_t::replace));
    } else {
      for (const std::string& problem : problems) session.Print(problem);
      if (problems.empty()) session.Print("clean");
    }
    return problems.empty() ? kExitDone : ExitCode(absl::DataLossError(""));
  }
};

}  // namespace

std::unique_ptr<Verb> MakeIndexStatusVerb() { return std::make_unique<IndexStatusVerb>(); }
std::unique_ptr<Verb> MakeIndexCheckVerb() { return std::make_unique<IndexCheckVerb>(); }

}  // namespace weir::cli
