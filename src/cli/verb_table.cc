// The verbs in the order of the overview.

#include "cli/verbs.h"

namespace weir::cli {

std::vector<std::unique_ptr<Verb>> MakeVerbs() {
  std::vector<std::unique_ptr<Verb>> verbs;
  for (auto make : {MakeModelAddVerb,
                    MakeModelRemoveVerb,
                    MakeModelListVerb,
                    MakeModelShowVerb,
                    MakeModelPackVerb,
                    MakeModelTokenizeVerb,
                    MakeIndexVerb,
                    MakeIndexStatusVerb,
                    MakeIndexCheckVerb,
                    MakeIndexCacheVerb,
                    MakeFieldsVerb,
                    MakeTenantGrantVerb,
                    MakeTenantRevokeVerb,
                    MakeTenantListVerb,
                    MakeIngestShowVerb,
                    MakeTextAnalyzeVerb,
                    MakeTextLanguagesVerb,
                    MakePromptSaveVerb,
                    MakePromptLoadVerb,
                    MakePromptListVerb,
                    MakePromptFitVerb,
                    MakeSearchVerb,
                    MakeAskVerb,
                    MakeVerifyVerb,
                    MakeEvalVerb,
                    MakeEvalCompareVerb,
                    MakeEvalLeaderboardVerb,
                    MakeEvalOwnVerb,
                    MakeEvalPerplexityVerb,
                    MakeEvalPasskeyVerb,
                    MakeEvalAnswersVerb,
                    MakeEvalPassagesVerb,
                    MakeEvalClaimsVerb,
                    MakeEvalPromptVerb,
                    MakeEvalPassageCacheVerb,
                    MakeBenchLlmVerb,
                    MakeBenchAttentionVerb,
                    MakeBenchSearchVerb,
                    MakeBenchEncodeVerb,
                    MakeBenchPromptVerb,
                    MakePlanAttentionVerb,
                    MakeListVerb,
                    MakeConfigVerb,
                    MakeLicensesVerb,
                    MakeCompletionVerb,
                    MakeManVerb}) {
    verbs.push_back(make());
  }
  return verbs;
}

}  // namespace weir::cli
