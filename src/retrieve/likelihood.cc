#include "retrieve/likelihood.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "retrieve/rerank.h"

namespace weir::retrieve {

// The wording of the paper's section 2.2, the passage before the instruction's last line.
absl::Status LikelihoodStage::Run(Query& query, const Resources& resources,
                                  const Context& context) const {
  if (resources.completer == nullptr) {
    return absl::FailedPreconditionError(
        "rerank: likelihood needs a language model; none is loaded");
  }
  return Rerank(
      query, resources, "likelihood",
      [&](std::span<const std::string_view> texts, std::span<double> scores) -> absl::Status {
        std::vector<text::ScoredPair> pairs;
        for (std::string_view text : texts) {
          pairs.push_back(
              {{{"user", absl::StrCat("Please write a question based on this passage.\n\nPassage: ",
                                      text)}},
               query.text});
        }
        WEIR_ASSIGN_OR_RETURN(const std::vector<double> all,
                              resources.completer->LogLikelihoods(pairs, context));
        std::copy(all.begin(), all.end(), scores.begin());
        return absl::OkStatus();
      });
}

void RegisterLikelihood(Registry& registry) {
  registry.Add<RetrievalStage>(
      "likelihood", "Reranks by how likely a language model finds the question.",
      [](const OptionTable&) { return std::make_unique<LikelihoodStage>(); });
}

}  // namespace weir::retrieve
