#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/status.h"
#include "evaluate/known_items.h"

namespace weir::evaluate {
namespace {

using Json = nlohmann::ordered_json;

std::string Line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

Qrels KnownItemSet::QrelsOf(std::string_view style) const {
  Qrels qrels;
  for (const KnownItem& query : queries) {
    if (!style.empty() && query.style != style) continue;
    for (const size_t p : query.relevant) qrels[query.id][passages[p].id] = 1;
  }
  return qrels;
}

std::vector<std::string> KnownItemSet::Styles() const {
  std::vector<std::string> styles;
  for (const KnownItem& query : queries) {
    if (styles.empty() || styles.back() != query.style) styles.push_back(query.style);
  }
  return styles;
}

std::string KnownItemSet::Corpus() const {
  std::string out;
  for (const Item& p : passages) {
    out += Line({{"_id", p.id},
                 {"title", ""},
                 {"text", p.text},
                 {"metadata",
                  {{"path", p.path},
                   {"page", p.page},
                   {"start", p.span.start},
                   {"end", p.span.end},
                   {"title", p.title},
                   {"heading", p.heading}}}});
  }
  return out;
}

std::string KnownItemSet::Queries() const {
  std::string out;
  for (const KnownItem& q : queries) {
    out += Line({{"_id", q.id},
                 {"text", q.query},
                 {"metadata", {{"style", q.style}, {"passage", passages[q.source].id}}}});
  }
  return out;
}

std::string QrelsText(const Qrels& qrels) {
  std::string out = "query-id\tcorpus-id\tscore\n";
  for (const auto& [query, judged] : qrels) {
    for (const auto& [document, grade] : judged) {
      absl::StrAppend(&out, query, "\t", document, "\t", grade, "\n");
    }
  }
  return out;
}

absl::Status WriteKnownItems(const KnownItemSet& set, const std::string& folder) {
  std::error_code error;
  const std::string corpus = folder + "/corpus.jsonl";
  if (std::filesystem::exists(corpus, error)) {
    return absl::AlreadyExistsError(
        absl::StrCat(corpus, " is there already and may have been edited; choose another folder"));
  }
  WEIR_RETURN_IF_ERROR(MakeFolders(folder + "/qrels"));
  WEIR_RETURN_IF_ERROR(WriteFileAtomic(folder + "/queries.jsonl", set.Queries()));
  WEIR_RETURN_IF_ERROR(WriteFileAtomic(folder + "/qrels/test.tsv", QrelsText(set.QrelsOf(""))));
  for (const std::string& style : set.Styles()) {
    WEIR_RETURN_IF_ERROR(WriteFileAtomic(absl::StrCat(folder, "/qrels/", style, ".tsv"),
                                         QrelsText(set.QrelsOf(style))));
  }
  return WriteFileAtomic(corpus, set.Corpus());
}

}  // namespace weir::evaluate
