// Bytes as a query: parsed by both analysers, then searched and explained in a small segment. What
// the parser promises (query.h) is checked, and that hits come in order.
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "index/lexical/analysed.h"
#include "index/lexical/query.h"
#include "index/lexical/search.h"

namespace wi = weir::index;

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

const wi::LexicalSegment& Segment() {
  static const std::shared_ptr<const wi::LexicalSegment> segment = [] {
    const auto folder = std::filesystem::temp_directory_path() /
                        ("weir_query_fuzz_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder);
    std::vector<wi::PassageFields> passages;
    std::vector<int64_t> ids;
    for (const char* text :
         {"A weir is a low head dam across a river.", "The \"lock gate\" opens.",
          "Water flows over the weir; the gate is shut.", "\u00c9cluse \u6c34"}) {
      passages.push_back(wi::MakeFields("Weirs", "", text));
      ids.push_back(static_cast<int64_t>(ids.size()) + 1);
    }
    Require(wi::BuildLexicalSegment(passages, ids, "english", folder.string(), "q.lex", {}).ok());
    auto opened = wi::LexicalSegment::Open((folder / "q.lex").string());
    Require(opened.ok());
    std::filesystem::remove_all(folder);  // it stays mapped
    return *std::move(opened);
  }();
  return *segment;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const char* name : {"english", "plain"}) {
    auto analyzer = *weir::text::Analyzer::Make(name);
    wi::LexicalQuery query = wi::ParseLexicalQuery(text, *analyzer);
    Require(query.clauses.size() <= wi::kMaxClauses);
    for (const wi::LexicalClause& clause : query.clauses) {
      Require(!clause.terms.empty() && clause.terms.size() <= wi::kMaxPhraseTerms);
      Require(clause.offsets.size() == clause.terms.size() && clause.offsets[0] == 0);
      Require(clause.weight >= 1);
      Require(clause.width >= 0 && clause.width <= wi::kMaxWidth);
    }
    const wi::SegmentView view{&Segment(), nullptr};
    for (const bool all : {false, true}) {
      query.all = all;
      const auto hits = wi::SearchSegments({&view, 1}, query, 3, {});
      Require(hits.ok());
      for (size_t i = 1; i < hits->size(); ++i) Require((*hits)[i - 1].score >= (*hits)[i].score);
      for (const wi::Scored& hit : *hits) {
        Require(wi::ExplainSegments({&view, 1}, query, hit.passage, {}).ok());
      }
    }
  }
  return 0;
}
