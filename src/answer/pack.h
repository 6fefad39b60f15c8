// Packs evidence into the model's window: each of the best sentences with its neighbours, title and
// heading, best first, none twice, until the token budget is spent. Windows of a few sentences keep
// small models on the point and the prompt short.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "answer/evidence.h"
#include "text/ports.h"

namespace weir::answer {

struct PackedContext {
  std::vector<std::string> sources;  // text of each source as the model sees it
  // What the sources were cut from, each once: where a quotation of them may go on.
  std::vector<std::string> passages;
  int64_t tokens = 0;
  // Sources are whole passages and go beside the messages, where the completer may know them.
  bool whole = false;
  std::vector<std::vector<std::string>> before;  // of each whole source, or empty
};

// At most options.windows texts, and no more tokens than leave room for the answer.
absl::StatusOr<PackedContext> Pack(const EvidenceSet& set, const AnswerOptions& options,
                                   const text::Completer& completer);

// The first options.passages of the hits as whole passages, as many as leave room for the answer.
absl::StatusOr<PackedContext> PackPassages(const std::vector<text::Hit>& hits,
                                           const AnswerOptions& options, const AnswerPorts& ports);
// The whole sources as a request takes them.
std::vector<text::PromptPassage> PromptPassages(const PackedContext& packed);
// A passage as the model reads it: title, heading, text.
std::string PassageSource(std::string_view title, const text::Passage& passage);

inline constexpr char kSystemPrompt[] =
    "You answer questions from the given sources only, briefly and exactly.";

// "Sources:" and the texts; every prompt over the same sources begins with it.
std::string SourcesBlock(const PackedContext& packed);

// The messages of the question over the packed sources. Of whole passages they hold the place alone
// (text::kPassageSlot): what stands before it is the same for every question.
std::vector<text::ChatMessage> Prompt(std::string_view question, const PackedContext& packed);

}  // namespace weir::answer
