#include "evaluate/beir.h"

#include <simdjson.h>

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "evaluate/topics.h"

namespace weir::evaluate {
namespace {

absl::StatusOr<std::string> StringField(const simdjson::dom::object& object, const char* name,
                                        bool required) {
  simdjson::dom::element value;
  if (object.at_key(name).get(value) != simdjson::SUCCESS || value.is_null()) {
    if (!required) return std::string();
    return absl::DataLossError(absl::StrCat("field \"", name, "\" is missing"));
  }
  std::string_view text;
  if (value.get(text) == simdjson::SUCCESS) return std::string(text);
  int64_t number = 0;
  if (std::string_view(name) == "_id" && value.get(number) == simdjson::SUCCESS) {
    return absl::StrCat(number);
  }
  return absl::DataLossError(absl::StrCat("field \"", name, "\" is not a string"));
}

absl::StatusOr<BeirRecord> ParseWith(simdjson::dom::parser& parser, std::string_view line) {
  simdjson::dom::element root;
  const simdjson::error_code error = parser.parse(line.data(), line.size()).get(root);
  if (error != simdjson::SUCCESS) {
    return absl::DataLossError(absl::StrCat("not JSON: ", simdjson::error_message(error)));
  }
  simdjson::dom::object object;
  if (root.get(object) != simdjson::SUCCESS) return absl::DataLossError("not a JSON object");
  BeirRecord record;
  WEIR_ASSIGN_OR_RETURN(record.id, StringField(object, "_id", true));
  if (record.id.empty()) return absl::DataLossError("field \"_id\" is empty");
  WEIR_ASSIGN_OR_RETURN(record.title, StringField(object, "title", false));
  WEIR_ASSIGN_OR_RETURN(record.text, StringField(object, "text", true));
  return record;
}

bool IsBlank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

}  // namespace

absl::StatusOr<BeirRecord> ParseBeirRecord(std::string_view line) {
  simdjson::dom::parser parser;
  return ParseWith(parser, line);
}

absl::Status ReadBeirRecords(LineReader& lines,
                             absl::FunctionRef<absl::Status(BeirRecord record)> each) {
  simdjson::dom::parser parser;
  absl::flat_hash_set<std::string> seen;
  std::string line;
  while (true) {
    WEIR_ASSIGN_OR_RETURN(const bool more, lines.Next(line));
    if (!more) return absl::OkStatus();
    if (IsBlank(line)) continue;
    absl::StatusOr<BeirRecord> record = ParseWith(parser, line);
    if (!record.ok()) return Annotate(record.status(), lines.Where());
    if (!seen.insert(record->id).second) {
      return absl::DataLossError(absl::StrCat(lines.Where(), ": id ", record->id, " occurs twice"));
    }
    WEIR_RETURN_IF_ERROR(Annotate(each(*std::move(record)), lines.Where()));
  }
}

namespace {

// query, document, judgement; "" where the line is neither of the two forms.
struct JudgementLine {
  std::string_view query, document, judgement;
  bool trec = false;
};
JudgementLine SplitJudgement(std::string_view line) {
  const std::vector<std::string_view> fields = absl::StrSplit(line, '\t');
  if (fields.size() == 3) return {fields[0], fields[1], fields[2]};
  const std::vector<std::string_view> words =
      absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
  return words.size() == 4 ? JudgementLine{words[0], words[2], words[3], true} : JudgementLine{};
}

}  // namespace

absl::StatusOr<Qrels> ReadQrels(LineReader& lines) {
  Qrels qrels;
  std::string line;
  bool first = true;
  while (true) {
    WEIR_ASSIGN_OR_RETURN(const bool more, lines.Next(line));
    if (!more) return qrels;
    if (IsBlank(line)) continue;
    const JudgementLine fields = SplitJudgement(line);
    if (fields.query.empty() || fields.document.empty()) {
      return absl::DataLossError(
          absl::StrCat(lines.Where(),
                       ": expected query, document and judgement with tabs between them, or the "
                       "four columns of TREC"));
    }
    int judgement = 0;
    const bool number = absl::SimpleAtoi(fields.judgement, &judgement);
    const bool heading = first && !number && !fields.trec;
    first = false;
    if (heading) continue;
    if (!number) {
      return absl::DataLossError(
          absl::StrCat(lines.Where(), ": judgement \"", std::string(fields.judgement.substr(0, 40)),
                       "\" is no integer"));
    }
    qrels[std::string(fields.query)][std::string(fields.document)] = judgement;
  }
}

BeirPaths BeirPathsOf(const std::string& folder, std::string_view split) {
  return {absl::StrCat(folder, "/corpus.jsonl"), absl::StrCat(folder, "/queries.jsonl"),
          absl::StrCat(folder, "/qrels/", split, ".tsv")};
}

absl::StatusOr<std::vector<BeirRecord>> ReadJudgedQueries(const std::string& path,
                                                          const Qrels& qrels) {
  std::vector<BeirRecord> queries;
  WEIR_RETURN_IF_ERROR(ReadQueries(path, [&](BeirRecord record) {
    if (qrels.contains(record.id)) queries.push_back(std::move(record));
    return absl::OkStatus();
  }));
  if (queries.size() == qrels.size()) return queries;
  absl::flat_hash_set<std::string_view> with_text;
  for (const BeirRecord& query : queries) with_text.insert(query.id);
  for (const auto& [query, judged] : qrels) {
    if (!with_text.contains(query)) {
      return absl::NotFoundError(absl::StrCat(path, ": judged query ", query, " is not in it"));
    }
  }
  return queries;
}

void DropIdenticalIds(RankedRun& run) {
  for (auto& entry : run) {
    std::erase_if(entry.second, [&](const Ranked& d) { return d.document == entry.first; });
  }
}

}  // namespace weir::evaluate
