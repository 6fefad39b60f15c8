#include "answer/pack.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace weir::answer {

absl::StatusOr<PackedContext> Pack(const EvidenceSet& set, int64_t sources, int64_t token_budget,
                                   const text::Completer& completer) {
  PackedContext packed;
  std::set<int64_t> taken;
  // Passages in the order of their best sentence, so that what likely answers stands first.
  for (const Evidence& e : set.sentences) {
    if (static_cast<int64_t>(packed.sources.size()) >= sources) break;
    if (!taken.insert(e.passage).second) continue;
    auto hit = std::find_if(set.hits.begin(), set.hits.end(),
                            [&](const text::Hit& h) { return h.passage.id == e.passage; });
    if (hit == set.hits.end()) continue;
    std::string source = absl::StrCat(hit->document.title.empty() ? hit->document.path : hit->document.title,
                                      hit->passage.heading.empty() ? "" : ", ", hit->passage.heading,
                                      ":\n", hit->passage.text);
    WEIR_ASSIGN_OR_RETURN(const int64_t tokens, completer.CountTokens(source));
    if (packed.tokens + tokens > token_budget) {
      if (packed.sources.empty()) source = e.context;  // a small window still sees the best sentence
      else continue;
    }
    packed.tokens += tokens;
    packed.sources.push_back(std::move(source));
  }
  return packed;
}

std::vector<text::ChatMessage> Prompt(std::string_view question, const PackedContext& packed) {
  std::string user = "Sources:\n\n";
  for (const std::string& source : packed.sources) absl::StrAppend(&user, source, "\n\n");
  absl::StrAppend(&user,
                  "Answer the question in one or two complete sentences, using only the sources above and "
                  "their own words, names and numbers. If the sources do not say it, reply exactly: "
                  "NOT IN THE SOURCES.\n\nQuestion: ",
                  question);
  return {{"system", "You answer questions from the given sources only, briefly and exactly."},
          {"user", std::move(user)}};
}

}  // namespace weir::answer
