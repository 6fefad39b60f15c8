// Which tenants may see which documents, and who owns them: two tables of the catalogue, made with
// the first tenant. Stores without tenants have none; an older weir passes them over. Format page:
// docs/formats/catalogue.md. Not thread-safe; writes belong to a Transaction of the catalogue.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "index/catalogue/sqlite.h"

namespace weir::index {

inline constexpr size_t kMaxTenantName = 256;  // bytes

// kInvalidArgument for a name that is empty, longer, or has a control character.
absl::Status CheckTenantName(std::string_view name);

struct IdRange {
  int64_t first = 0, last = 0;  // inclusive
};

struct TenantRow {
  int64_t id = -1;
  std::string name;
  int64_t documents = 0, passages = 0, owned = 0;  // owned: documents
};

class Grants {
 public:
  // Borrows the catalogue's database.
  explicit Grants(Sqlite& database) : database_(database) {}

  absl::StatusOr<std::optional<int64_t>> Find(std::string_view tenant);
  absl::StatusOr<int64_t> FindOrAdd(std::string_view tenant);
  // False when it was there already; then nothing changes, ownership neither.
  absl::StatusOr<bool> Add(int64_t tenant, int64_t document, bool owner);
  absl::StatusOr<bool> Remove(int64_t tenant, int64_t document);  // false when it was not there
  absl::StatusOr<bool> Has(int64_t tenant, int64_t document);
  absl::StatusOr<std::optional<int64_t>> Owner(int64_t document);
  // Of a document that another one replaces.
  absl::Status Move(int64_t from, int64_t to);
  absl::Status Forget(int64_t document);

  absl::StatusOr<std::vector<TenantRow>> Tenants();  // by name
  absl::StatusOr<std::vector<std::string>> Paths(int64_t tenant);
  absl::StatusOr<std::vector<IdRange>> Passages(int64_t tenant);
  // As Catalogue::Languages, of the tenant's documents.
  absl::StatusOr<std::map<std::string, int64_t>> Languages(int64_t tenant);
  // Grants of documents that do not exist.
  absl::StatusOr<int64_t> Dangling();

 private:
  absl::StatusOr<bool> Exist();

  Sqlite& database_;
};

}  // namespace weir::index
