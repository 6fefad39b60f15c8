#include "answer/pack.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace weir::answer {

namespace {

// Tokens kept free for the instructions and the chat template around the sources.
constexpr int64_t kPromptOverhead = 160;

std::string Heading(std::string_view title, std::string_view heading) {
  return absl::StrCat(title, !title.empty() && !heading.empty() ? ", " : "", heading,
                      title.empty() && heading.empty() ? "" : ":\n");
}

}  // namespace

std::string PassageSource(std::string_view title, const text::Passage& passage) {
  return absl::StrCat(Heading(title, passage.heading),
                      absl::StripAsciiWhitespace(passage.text), "\n\n");
}

absl::StatusOr<PackedContext> PackPassages(const std::vector<text::Hit>& hits,
                                           const AnswerOptions& options,
                                           const AnswerPorts& ports) {
  const text::Completer& completer = *ports.completer;
  const int64_t budget = completer.context_tokens() - options.max_tokens - kPromptOverhead;
  PackedContext packed;
  packed.whole = true;
  for (const text::Hit& hit : hits) {
    if (static_cast<int64_t>(packed.sources.size()) >= options.passages) break;
    std::string source = PassageSource(hit.document.title, hit.passage);
    WEIR_ASSIGN_OR_RETURN(const int64_t tokens, completer.CountTokens(source));
    if (packed.tokens + tokens > budget) continue;  // a shorter one may still fit
    packed.tokens += tokens;
    packed.sources.push_back(std::move(source));
    packed.before.emplace_back();
    if (ports.before != nullptr) {
      WEIR_ASSIGN_OR_RETURN(packed.before.back(), ports.before(hit.passage));
    }
  }
  return packed;
}

std::vector<text::PromptPassage> PromptPassages(const PackedContext& packed) {
  std::vector<text::PromptPassage> passages;
  for (size_t i = 0; packed.whole && i < packed.sources.size(); ++i) {
    passages.push_back({packed.sources[i], packed.before[i]});
  }
  return passages;
}

absl::StatusOr<PackedContext> Pack(const EvidenceSet& set, const AnswerOptions& options,
                                   const text::Completer& completer) {
  const int64_t budget = completer.context_tokens() - options.max_tokens - kPromptOverhead;
  PackedContext packed;
  std::vector<std::string_view> windows;
  std::set<int64_t> passages;
  for (const Evidence& e : set.sentences) {
    if (static_cast<int64_t>(packed.sources.size()) >= options.windows) break;
    const bool shown = std::any_of(windows.begin(), windows.end(), [&](std::string_view window) {
      return absl::StrContains(window, e.text);
    });
    if (shown) continue;
    std::string source = absl::StrCat(Heading(e.document.title, e.heading), e.context);
    WEIR_ASSIGN_OR_RETURN(const int64_t tokens, completer.CountTokens(source));
    if (packed.tokens + tokens > budget) {
      if (!packed.sources.empty()) break;
      source = e.text;  // a small window still sees the best sentence
    }
    packed.tokens += tokens;
    packed.sources.push_back(std::move(source));
    passages.insert(e.passage);
    windows.push_back(e.context);
  }
  for (const text::Hit& hit : set.hits) {
    if (passages.erase(hit.passage.id) > 0) packed.passages.push_back(hit.passage.text);
  }
  return packed;
}

std::string SourcesBlock(const PackedContext& packed) {
  std::string block = "Sources:\n\n";
  if (packed.whole) return absl::StrCat(block, text::kPassageSlot);
  for (const std::string& source : packed.sources) absl::StrAppend(&block, source, "\n\n");
  return block;
}

std::vector<text::ChatMessage> Prompt(std::string_view question, const PackedContext& packed) {
  std::string user = SourcesBlock(packed);
  absl::StrAppend(
      &user, "Question: ", question,
      "\n\nAnswer the question in one or two complete sentences, using only the sources above "
      "and their own words, names and numbers.");
  return {{"system", kSystemPrompt}, {"user", std::move(user)}};
}

}  // namespace weir::answer
