// The values of fields that every document has, out of the catalogue's other tables.
#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "index/catalogue/catalogue.h"
#include "index/fields/date.h"

namespace weir::index {
namespace {

std::string_view FileName(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// "" for a name without a dot, and for one that only begins with it.
std::string Extension(std::string_view path) {
  const std::string_view name = FileName(path);
  const size_t dot = name.rfind('.');
  if (dot == name.npos || dot == 0) return "";
  return absl::AsciiStrToLower(name.substr(dot + 1));
}

std::string_view Folder(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == path.npos ? std::string_view() : slash == 0 ? "/" : path.substr(0, slash);
}

constexpr char kMostPassages[] =
    "SELECT document, name FROM languages ORDER BY document, passages DESC, name";

}  // namespace

absl::Status Catalogue::VisitBuiltIn(std::string_view field, FieldTable::OnValue on_value) {
  if (field == "pages") return fields_.Visit(field, on_value);
  if (field == "language") {
    WEIR_ASSIGN_OR_RETURN(const bool any, database_->HasTable("languages"));
    if (!any) return absl::OkStatus();
  }
  const std::string_view column = field == "type"       ? "format"
                                  : field == "title"    ? "title"
                                  : field == "size"     ? "size"
                                  : field == "modified" ? "mtime"
                                                        : "path";
  WEIR_ASSIGN_OR_RETURN(
      Statement s,
      database_->Prepare(field == "language"
                             ? kMostPassages
                             : absl::StrCat("SELECT id, ", column, " FROM documents ORDER BY id")));
  int64_t last = -1;
  std::vector<int64_t> fresh;  // documents whose time is noted elsewhere, ascending
  while (true) {
    WEIR_ASSIGN_OR_RETURN(const bool more, s.Step());
    if (!more) break;
    const int64_t document = s.Int(0);
    std::string value = s.Text(1);
    if (field == "language") {
      if (document == last) continue;
      last = document;
      value.resize(std::min(value.find(':'), value.size()));
    } else if (field == "size" || field == "modified") {
      const int64_t number = s.Int(1);
      if (number < 0) fresh.push_back(document);
      if (number < 0) continue;
      value = field == "size" ? absl::StrCat(number) : DateText(number / 1000);
    } else if (field == "name") {
      value = std::string(FileName(value));
    } else if (field == "extension") {
      value = Extension(value);
    } else if (field == "folder") {
      value = std::string(Folder(value));
    }
    if (!value.empty()) on_value(document, value);
  }
  if (field != "modified") return absl::OkStatus();
  return fields_.Visit(field, [&](int64_t document, std::string_view value) {
    if (std::binary_search(fresh.begin(), fresh.end(), document)) on_value(document, value);
  });
}

absl::StatusOr<std::vector<std::string>> Catalogue::LanguagesOf(int64_t document) {
  std::vector<std::string> names;
  WEIR_ASSIGN_OR_RETURN(const bool any, database_->HasTable("languages"));
  if (!any) return names;
  WEIR_ASSIGN_OR_RETURN(Statement s,
                        database_->Prepare("SELECT name FROM languages WHERE document=?"));
  s.Bind(document);
  while (true) {
    WEIR_ASSIGN_OR_RETURN(const bool more, s.Step());
    if (!more) return names;
    names.push_back(s.Text(0));
  }
}

absl::Status Catalogue::VisitLanguages(
    absl::FunctionRef<void(int64_t, const std::string&, int64_t)> on_row) {
  WEIR_ASSIGN_OR_RETURN(const bool any, database_->HasTable("languages"));
  if (!any) return absl::OkStatus();
  WEIR_ASSIGN_OR_RETURN(Statement s,
                        database_->Prepare("SELECT document, name, passages FROM languages"));
  while (true) {
    WEIR_ASSIGN_OR_RETURN(const bool more, s.Step());
    if (!more) return absl::OkStatus();
    on_row(s.Int(0), s.Text(1), s.Int(2));
  }
}

absl::StatusOr<std::vector<Catalogue::DocumentPassages>> Catalogue::Passages(
    std::optional<int64_t> tenant) {
  constexpr char kAll[] = "SELECT id, first_passage, passage_count FROM documents ORDER BY id";
  constexpr char kGranted[] =
      "SELECT d.id, d.first_passage, d.passage_count FROM grants g JOIN documents d ON "
      "d.id=g.document WHERE g.tenant=? ORDER BY d.id";
  WEIR_ASSIGN_OR_RETURN(Statement s, database_->Prepare(tenant.has_value() ? kGranted : kAll));
  if (tenant.has_value()) s.Bind(*tenant);
  std::vector<DocumentPassages> out;
  while (true) {
    WEIR_ASSIGN_OR_RETURN(const bool more, s.Step());
    if (!more) return out;
    out.push_back({s.Int(0), s.Int(1), s.Int(2)});
  }
}

}  // namespace weir::index
