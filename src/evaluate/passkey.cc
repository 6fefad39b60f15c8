#include "evaluate/passkey.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status.h"
#include "generate/sample/random.h"

namespace weir::evaluate {
namespace {

constexpr char kIntroduction[] =
    "There is important information hidden in a lot of irrelevant text. Find it and remember it.\n";
constexpr char kFiller[] =
    "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again. ";
constexpr char kQuestion[] = "\nWhat is the pass key? Answer with its five digits.";
constexpr char kGrammar[] = "root ::= [0-9] [0-9] [0-9] [0-9] [0-9]";
constexpr int64_t kAnswerTokens = 16;   // five digits, one a token or fewer, and an end
constexpr int64_t kTemplateTokens = 64;  // of the chat template and a default system message

}  // namespace

PasskeyPrompt MakePasskeyPrompt(uint64_t seed, int64_t index, int64_t sentences) {
  const auto draw = [&](int64_t which, int64_t below) {
    const double at = generate::UniformAt(seed, static_cast<uint64_t>(2 * index + which));
    return static_cast<int64_t>(at * static_cast<double>(below));
  };
  PasskeyPrompt prompt{absl::StrCat(10000 + draw(0, 90000)), kIntroduction};
  const int64_t place = draw(1, sentences + 1);
  for (int64_t s = 0; s <= sentences; ++s) {
    if (s == place) {
      absl::StrAppendFormat(&prompt.text,
                            "The pass key is %s. Remember it. %s is the pass key. ", prompt.key,
                            prompt.key);
    }
    if (s < sentences) absl::StrAppend(&prompt.text, kFiller);
  }
  absl::StrAppend(&prompt.text, kQuestion);
  return prompt;
}

absl::StatusOr<PasskeyResult> RunPasskey(text::Completer& completer, const PasskeyOptions& options,
                                         const Context& context) {
  if (options.prompts < 1) return absl::InvalidArgumentError("passkey: expected at least 1 prompt");
  WEIR_ASSIGN_OR_RETURN(const int64_t none,
                        completer.CountTokens(MakePasskeyPrompt(0, 0, 0).text));
  WEIR_ASSIGN_OR_RETURN(const int64_t ten,
                        completer.CountTokens(MakePasskeyPrompt(0, 0, 10).text));
  const int64_t room = options.tokens - none - kAnswerTokens - kTemplateTokens;
  const int64_t sentences = ten > none ? room * 10 / (ten - none) : 0;
  if (sentences < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("passkey: ", options.tokens, " tokens leave no room for text; expected ",
                     none + kAnswerTokens + kTemplateTokens + (ten - none + 9) / 10, " or more"));
  }
  PasskeyResult result;
  for (int64_t i = 0; i < options.prompts; ++i) {
    WEIR_RETURN_IF_ERROR(context.CheckCancelled());
    const PasskeyPrompt prompt = MakePasskeyPrompt(context.seed, i, sentences);
    WEIR_ASSIGN_OR_RETURN(const text::Completion answer,
                          completer.Complete({.messages = {{"user", prompt.text}},
                                              .max_tokens = kAnswerTokens,
                                              .grammar = kGrammar},
                                             context));
    ++result.prompts;
    result.right += answer.text == prompt.key;
    result.most_tokens = std::max(result.most_tokens, answer.prompt_tokens);
    result.least_tokens =
        i == 0 ? answer.prompt_tokens : std::min(result.least_tokens, answer.prompt_tokens);
  }
  return result;
}

}  // namespace weir::evaluate
