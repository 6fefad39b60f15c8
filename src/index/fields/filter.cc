#include "index/fields/filter.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/options.h"
#include "base/status.h"
#include "index/fields/built_in.h"
#include "index/lexical/token_match.h"
#include "text/fields.h"
#include "text/language.h"
#include "text/unicode.h"

namespace weir::index {
namespace {

// A folder's value is also that of the folders above it, so that = means at or below.
template <class OnFolder>
void ForEachFolder(std::string_view folder, OnFolder on_folder) {
  while (true) {
    on_folder(folder);
    const size_t slash = folder.rfind('/');
    if (slash == folder.npos || folder == "/") return;
    folder = folder.substr(0, std::max<size_t>(slash, 1));
  }
}

// What is written for a field that has its own ways to write a value.
void Adapt(WhereTest& test) {
  for (WhereRange& range : test.values) {
    for (std::optional<WhereValue>* end : {&range.low, &range.high}) {
      if (!end->has_value()) continue;
      std::string& folded = (*end)->value.folded;
      if (test.field == "folder" && folded.size() > 1 && folded.ends_with('/')) folded.pop_back();
      if (test.field == "extension" && folded.size() > 1 && folded.starts_with('.'))
        folded.erase(0, 1);
      if (test.field != "language" || test.op != WhereOperator::kEqual) continue;
      if (const text::Language* known = text::FindLanguage(folded)) folded = known->name;
    }
  }
}

// Whether text has the words that were written, one behind the other.
class WordTest {
 public:
  WordTest(std::string_view written, const std::vector<text::Analyzer*>& analyzers) {
    for (text::Analyzer* const analyzer : analyzers) {
      tokens_.clear();
      analyzer->Analyze(written, tokens_);
      if (!tokens_.empty()) phrases_.emplace_back(analyzer, PhraseOf(tokens_));
    }
  }
  // Without words (a stop word alone) it cannot tell.
  bool empty() const { return phrases_.empty(); }
  bool Matches(std::string_view value) {
    if (!text::IsValidUtf8(value)) return false;  // the catalogue may be damaged
    bool found = false;
    for (const auto& [analyzer, phrase] : phrases_) {
      tokens_.clear();
      analyzer->Analyze(value, tokens_);
      MatchClause(phrase, tokens_, [&](text::Span) { found = true; });
      if (found) return true;
    }
    return false;
  }

 private:
  std::vector<std::pair<text::Analyzer*, LexicalClause>> phrases_;
  std::vector<text::Token> tokens_;
};

// Paths are no prose: a part of them is meant.
bool HasWords(std::string_view field) {
  return field != "path" && field != "name" && field != "folder" && field != "extension" &&
         field != "type" && field != "language";
}

std::vector<bool> Join(const WhereNode& node, std::vector<std::vector<bool>>& passing) {
  std::vector<bool> out = std::move(passing[node.children[0]]);
  if (node.kind == WhereNode::Kind::kNot) out.flip();
  for (size_t c = 1; c < node.children.size(); ++c) {
    const std::vector<bool>& other = passing[node.children[c]];
    for (size_t i = 0; i < out.size(); ++i) {
      out[i] = node.kind == WhereNode::Kind::kAll ? out[i] && other[i] : out[i] || other[i];
    }
    passing[node.children[c]].clear();
  }
  return out;
}

}  // namespace

absl::StatusOr<FieldView> FieldView::Make(Catalogue& catalogue, std::optional<int64_t> tenant,
                                          std::string language,
                                          std::vector<text::Analyzer*> analyzers) {
  FieldView view(catalogue, tenant, std::move(language));
  view.analyzers_ = std::move(analyzers);
  WEIR_ASSIGN_OR_RETURN(view.documents_, catalogue.Passages(tenant));
  return view;
}

absl::StatusOr<std::vector<std::string>> FieldView::Names() const {
  WEIR_ASSIGN_OR_RETURN(std::vector<std::string> names, catalogue_.fields().Names(tenant_));
  std::erase_if(names, [](const std::string& name) { return FindBuiltIn(name) != nullptr; });
  return names;
}

absl::Status FieldView::Visit(std::string_view field, OnValue on_value) const {
  if (field == "language" && !language_.empty()) {
    for (size_t i = 0; i < documents_.size(); ++i) on_value(i, language_);
    return absl::OkStatus();
  }
  const auto seen = [&](int64_t document, std::string_view value) {
    const auto at = std::lower_bound(
        documents_.begin(), documents_.end(), document,
        [](const Catalogue::DocumentPassages& d, int64_t id) { return d.document < id; });
    if (at == documents_.end() || at->document != document) return;
    on_value(static_cast<size_t>(at - documents_.begin()), value);
  };
  if (FindBuiltIn(field) == nullptr) return catalogue_.fields().Visit(field, seen);
  return catalogue_.VisitBuiltIn(field, seen);
}

// Tells of the names that the view has, and of no others.
absl::Status FieldView::Unknown(const Where& where, const WhereTest& test) const {
  constexpr size_t kMostNames = 30;
  WEIR_ASSIGN_OR_RETURN(std::vector<std::string> names, Names());
  for (const BuiltInField& field : BuiltInFields()) names.emplace_back(field.name);
  const std::string near = NearestName(test.field, names);
  const size_t shown = std::min(names.size(), kMostNames);
  std::string message = absl::StrCat(
      "no document has a field \"", test.field, "\"; there are ",
      absl::StrJoin(names.begin(), names.begin() + static_cast<long>(shown), ", "),
      names.size() > shown ? ", ... (see weir fields)" : "",
      near.empty() ? "" : absl::StrCat("; did you mean \"", near, "\"?"));
  WEIR_ASSIGN_OR_RETURN(const int64_t lacking, catalogue_.fields().Lacking());
  if (lacking > 0 && !tenant_.has_value()) {
    absl::StrAppend(&message, "; ", lacking,
                    " documents were indexed before there were fields: index them again");
  }
  return WhereError(where.text, test.at, message);
}

absl::StatusOr<std::vector<bool>> FieldView::Pass(const Where& where, WhereTest test) const {
  Adapt(test);
  std::vector<bool> pass(documents_.size());
  const BuiltInField* const built_in = FindBuiltIn(test.field);
  SeenTypes seen;
  bool any = false;
  if (built_in != nullptr) {
    seen.text = built_in->type == FieldType::kText;
    seen.number = seen.other_number = built_in->type == FieldType::kNumber;
    seen.date = seen.other_date = built_in->type == FieldType::kDate;
  }
  const bool worded = test.op == WhereOperator::kWords && HasWords(test.field) &&
                      test.values[0].single;
  WordTest words(worded ? test.values[0].low->text : "", analyzers_);
  const auto matches = [&](std::string_view value) {
    const FieldValue read =
        built_in == nullptr ? ReadValue(value) : ReadValueAs(built_in->type, value);
    if (built_in == nullptr) seen.Add(read);
    if (worded && !words.empty() && !Compare(read, test.values[0].low->value).has_value())
      return words.Matches(value);
    return Matches(test, read);
  };
  const bool below = test.field == "folder" && test.op == WhereOperator::kEqual;
  WEIR_RETURN_IF_ERROR(Visit(test.field, [&](size_t place, std::string_view value) {
    any = true;
    if (!below) {
      const bool one = matches(value);
      pass[place] = pass[place] || one;
      return;
    }
    ForEachFolder(value, [&](std::string_view folder) {
      pass[place] = pass[place] || Matches(test, ReadValueAs(FieldType::kText, folder));
    });
  }));
  if (!any && built_in == nullptr) return Unknown(where, test);
  WEIR_RETURN_IF_ERROR(CheckTypes(where.text, test, seen));
  return pass;
}

absl::StatusOr<std::vector<bool>> FieldView::Passing(const Where& where) const {
  std::vector<std::vector<bool>> passing(where.nodes.size());
  for (size_t i = 0; i < where.nodes.size(); ++i) {
    const WhereNode& node = where.nodes[i];
    if (node.kind == WhereNode::Kind::kTest) {
      WEIR_ASSIGN_OR_RETURN(passing[i], Pass(where, where.tests[node.test]));
    } else {
      passing[i] = Join(node, passing);
    }
  }
  return std::move(passing.back());
}

}  // namespace weir::index
