// weir tenant: who may see which documents of the store.

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status.h"
#include "cli/verbs.h"

namespace weir::cli {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

bool AtOrBelow(const std::string& path, const std::string& root) {
  return path.starts_with(root) &&
         (path.size() == root.size() || root.back() == '/' || path[root.size()] == '/');
}

// The store's documents that the arguments name: each a document, or a folder of some.
absl::StatusOr<std::vector<std::string>> Named(const index::Store& store,
                                               std::span<const std::string> arguments) {
  WEIR_ASSIGN_OR_RETURN(const std::vector<std::string> all, store.Paths());
  std::vector<std::string> named;
  for (const std::string& argument : arguments) {
    std::error_code error;
    const fs::path full = fs::weakly_canonical(argument, error);
    const size_t before = named.size();
    for (const std::string& path : all) {
      if (path == argument || (!error && AtOrBelow(path, full.string()))) named.push_back(path);
    }
    if (named.size() == before)
      return absl::NotFoundError(absl::StrCat(argument, ": no document of the store"));
  }
  std::sort(named.begin(), named.end());
  named.erase(std::unique(named.begin(), named.end()), named.end());
  return named;
}

class TenantChangeVerb : public Verb {
 public:
  explicit TenantChangeVerb(bool grant) : grant_(grant) {}
  VerbInfo Info() const override {
    if (grant_) {
      return {.name = "tenant grant",
              .summary = "Let a tenant see documents of the store.",
              .arguments = "NAME PATH...",
              .example = "weir tenant grant anna ~/papers/shared",
              .description = "A path is a document of the store or a folder of documents. What the "
                             "tenant may see already stays as it is.",
              .min_arguments = 2,
              .max_arguments = -1};
    }
    return {.name = "tenant revoke",
            .summary = "Let a tenant see documents of the store no longer.",
            .arguments = "NAME PATH...",
            .example = "weir tenant revoke anna ~/papers/shared",
            .description = "The documents stay in the store, for others and without --tenant.",
            .min_arguments = 2,
            .max_arguments = -1};
  }
  absl::StatusOr<int> Run(std::span<const std::string> arguments, Session& session) override {
    // Opened to read first: a mistyped folder must not become a new store.
    WEIR_RETURN_IF_ERROR(session.OpenStore(index::Store::Mode::kRead).status());
    WEIR_ASSIGN_OR_RETURN(auto store, session.OpenStore(index::Store::Mode::kWrite));
    WEIR_ASSIGN_OR_RETURN(const auto paths, Named(*store, arguments.subspan(1)));
    WEIR_ASSIGN_OR_RETURN(const int64_t changed, grant_ ? store->Grant(arguments[0], paths)
                                                        : store->Revoke(arguments[0], paths));
    const int64_t same = static_cast<int64_t>(paths.size()) - changed;
    const char* done = grant_ ? "granted" : "revoked";
    if (session.json()) {
      session.Print(
          Json{{"version", 1}, {"tenant", arguments[0]}, {done, changed}, {"unchanged", same}}.dump(
              -1, ' ', false, Json::error_handler_t::replace));
      return kExitDone;
    }
    session.Print(absl::StrFormat("%d documents %s", changed, done));
    if (same > 0)
      session.Note(absl::StrCat(same, grant_ ? " were granted before" : " were never granted"));
    return kExitDone;
  }

 private:
  const bool grant_;
};

class TenantListVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {.name = "tenant list",
            .summary = "List the tenants, or the documents that one may see.",
            .arguments = "[NAME]",
            .example = "weir tenant list anna",
            .max_arguments = 1};
  }
  absl::StatusOr<int> Run(std::span<const std::string> arguments, Session& session) override {
    WEIR_ASSIGN_OR_RETURN(auto store, session.OpenStore(index::Store::Mode::kRead));
    return arguments.empty() ? ListTenants(*store, session)
                             : ListPaths(*store, arguments[0], session);
  }

 private:
  static absl::StatusOr<int> ListTenants(const index::Store& store, Session& session) {
    WEIR_ASSIGN_OR_RETURN(const std::vector<index::TenantStatus> tenants, store.Tenants());
    Json list = Json::array();
    for (const index::TenantStatus& t : tenants) {
      if (session.json()) {
        list.push_back({{"name", t.name},
                        {"documents", t.documents},
                        {"passages", t.passages},
                        {"owned", t.owned}});
      } else {
        session.Print(absl::StrFormat("%s: %d documents (%d owned), %d passages", t.name,
                                      t.documents, t.owned, t.passages));
      }
    }
    if (session.json()) {
      session.Print(Json{{"version", 1}, {"tenants", std::move(list)}}.dump(
          -1, ' ', false, Json::error_handler_t::replace));
    } else if (tenants.empty()) {
      session.Note("no tenants");
    }
    return kExitDone;
  }

  static absl::StatusOr<int> ListPaths(const index::Store& store, const std::string& tenant,
                                       Session& session) {
    WEIR_ASSIGN_OR_RETURN(const std::vector<std::string> paths, store.Paths(tenant));
    if (session.json()) {
      session.Print(Json{{"version", 1}, {"tenant", tenant}, {"documents", paths}}.dump(
          -1, ' ', false, Json::error_handler_t::replace));
    } else {
      for (const std::string& path : paths) session.Print(path);
      if (paths.empty()) session.Note("no documents");
    }
    return kExitDone;
  }
};

}  // namespace

std::unique_ptr<Verb> MakeTenantGrantVerb() { return std::make_unique<TenantChangeVerb>(true); }
std::unique_ptr<Verb> MakeTenantRevokeVerb() { return std::make_unique<TenantChangeVerb>(false); }
std::unique_ptr<Verb> MakeTenantListVerb() { return std::make_unique<TenantListVerb>(); }

}  // namespace weir::cli
