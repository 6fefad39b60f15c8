// Makers of the verbs, one per file of verbs/, and what several of them share.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "cli/verb.h"
#include "ingest/reader.h"
#include "text/records.h"

namespace weir::cli {

std::unique_ptr<Verb> MakeModelAddVerb();
std::unique_ptr<Verb> MakeModelListVerb();
std::unique_ptr<Verb> MakeModelRemoveVerb();
std::unique_ptr<Verb> MakeModelShowVerb();
std::unique_ptr<Verb> MakeModelPackVerb();
std::unique_ptr<Verb> MakeModelTokenizeVerb();
std::unique_ptr<Verb> MakeIndexVerb();
std::unique_ptr<Verb> MakeIndexStatusVerb();
std::unique_ptr<Verb> MakeIndexCheckVerb();
std::unique_ptr<Verb> MakeIndexCacheVerb();
std::unique_ptr<Verb> MakeFieldsVerb();
std::unique_ptr<Verb> MakeTenantGrantVerb();
std::unique_ptr<Verb> MakeTenantRevokeVerb();
std::unique_ptr<Verb> MakeTenantListVerb();
std::unique_ptr<Verb> MakeIngestShowVerb();
std::unique_ptr<Verb> MakeTextAnalyzeVerb();
std::unique_ptr<Verb> MakeTextLanguagesVerb();
std::unique_ptr<Verb> MakePromptSaveVerb();
std::unique_ptr<Verb> MakePromptLoadVerb();
std::unique_ptr<Verb> MakePromptListVerb();
std::unique_ptr<Verb> MakePromptFitVerb();
std::unique_ptr<Verb> MakeSearchVerb();
std::unique_ptr<Verb> MakeAskVerb();
std::unique_ptr<Verb> MakeVerifyVerb();
std::unique_ptr<Verb> MakeEvalVerb();
std::unique_ptr<Verb> MakeEvalCompareVerb();
std::unique_ptr<Verb> MakeEvalLeaderboardVerb();
std::unique_ptr<Verb> MakeEvalOwnVerb();
std::unique_ptr<Verb> MakeEvalPerplexityVerb();
std::unique_ptr<Verb> MakeEvalPasskeyVerb();
std::unique_ptr<Verb> MakeEvalAnswersVerb();
std::unique_ptr<Verb> MakeEvalPassagesVerb();
std::unique_ptr<Verb> MakeEvalClaimsVerb();
std::unique_ptr<Verb> MakeEvalPassageCacheVerb();
std::unique_ptr<Verb> MakeEvalPromptVerb();
std::unique_ptr<Verb> MakeBenchLlmVerb();
std::unique_ptr<Verb> MakeBenchAttentionVerb();
std::unique_ptr<Verb> MakeBenchSearchVerb();
std::unique_ptr<Verb> MakeBenchEncodeVerb();
std::unique_ptr<Verb> MakeBenchPromptVerb();
std::unique_ptr<Verb> MakePlanAttentionVerb();
std::unique_ptr<Verb> MakeListVerb();
std::unique_ptr<Verb> MakeConfigVerb();
std::unique_ptr<Verb> MakeLicensesVerb();
std::unique_ptr<Verb> MakeCompletionVerb();
std::unique_ptr<Verb> MakeManVerb();

}  // namespace weir::cli
