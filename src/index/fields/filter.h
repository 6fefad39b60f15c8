// Fields over the documents that one may see, and the documents that pass an expression. Reads the
// catalogue; not thread-safe, and for one generation.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "index/catalogue/catalogue.h"
#include "index/fields/where.h"
#include "text/analysis.h"

namespace weir::index {

class FieldView {
 public:
  using Documents = std::vector<Catalogue::DocumentPassages>;

  // Of the documents that a tenant may see, else of all. `language`: of every document of a store
  // that has one; "" where each passage has its own. `analyzers`: what kWords reads text with; any
  // may match; borrowed.
  static absl::StatusOr<FieldView> Make(Catalogue& catalogue, std::optional<int64_t> tenant,
                                        std::string language,
                                        std::vector<text::Analyzer*> analyzers = {});

  const Documents& documents() const { return documents_; }  // ascending by id
  // Of fields that are not built in, ascending.
  absl::StatusOr<std::vector<std::string>> Names() const;
  // Every value of a field. `place`: of the document in documents().
  using OnValue = absl::FunctionRef<void(size_t place, std::string_view value)>;
  absl::Status Visit(std::string_view field, OnValue on_value) const;
  // The documents that pass; mistakes as in store.h (MakeScope).
  absl::StatusOr<std::vector<bool>> Passing(const Where& where) const;

 private:
  FieldView(Catalogue& catalogue, std::optional<int64_t> tenant, std::string language)
      : catalogue_(catalogue), tenant_(tenant), language_(std::move(language)) {}
  absl::StatusOr<std::vector<bool>> Pass(const Where& where, WhereTest test) const;
  absl::Status Unknown(const Where& where, const WhereTest& test) const;

  Catalogue& catalogue_;
  std::optional<int64_t> tenant_;
  std::string language_;
  std::vector<text::Analyzer*> analyzers_;
  Documents documents_;
};

}  // namespace weir::index
