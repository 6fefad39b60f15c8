// Finds the spans that support a sentence somebody wrote: the writer's own source numbers are
// ignored. Candidates are the sentences of the retrieved passages; a few that together cover the
// sentence's words and mean the same are chosen greedily. Whether they prove it is the verifier's
// business, not ours.
#pragma once

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "answer/evidence.h"
#include "text/records.h"

namespace weir::answer {

inline constexpr int kMaxCitations = 3;

// Citations in falling order of what they add; empty when nothing resembles the sentence.
absl::StatusOr<std::vector<text::Citation>> FindCitations(std::string_view sentence,
                                                          const EvidenceSet& set,
                                                          const text::Encoder& encoder,
                                                          const Context& context);

}  // namespace weir::answer
