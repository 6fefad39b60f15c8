// Packs evidence into the model's window: windows of text around the best sentences, merged where they
// touch, in document order, best first until the token budget is spent.
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
  int64_t tokens = 0;
};

// At most `sources` texts and `token_budget` tokens.
absl::StatusOr<PackedContext> Pack(const EvidenceSet& set, int64_t sources, int64_t token_budget,
                                   const text::Completer& completer);

// The messages of the question over the packed sources.
std::vector<text::ChatMessage> Prompt(std::string_view question, const PackedContext& packed);

}  // namespace weir::answer
