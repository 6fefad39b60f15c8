#include "generate/speculate/speculation.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "generate/speculate/prompt_lookup.h"

namespace weir::generate {

absl::StatusOr<SpeculateChoice> ParseSpeculate(std::string_view word) {
  if (word == "auto") return SpeculateChoice();
  if (word == "off") return SpeculateChoice{.on = false};
  int n = 0;
  if (!absl::SimpleAtoi(word, &n) || n < 1 || n > DraftLength::kMost) {
    return absl::InvalidArgumentError(absl::StrCat("speculate: '", word,
                                                   "'; expected auto, off or 1 to ",
                                                   DraftLength::kMost));
  }
  return SpeculateChoice{.fixed = n};
}

Speculation::Speculation(SpeculateChoice choice) : choice_(choice) {
  if (choice.on) drafter_ = std::make_unique<PromptLookup>();
}

void Speculation::Begin(std::span<const int32_t> prompt,
                        std::span<const std::vector<int32_t>> sources) {
  counts_ = {};
  draft_ = {};
  checked_ = seen_ = 0;
  length_.Begin();
  if (drafter_ == nullptr) return;
  drafter_->Begin(sources);
  drafter_->Accept(prompt);
}

void Speculation::Took(int32_t token) {
  if (drafter_ == nullptr) return;
  drafter_->Accept({&token, 1});
  if (seen_ >= draft_.tokens.size()) return;
  const bool right = draft_.tokens[seen_] == token;
  length_.Saw(draft_.evidence + static_cast<int>(seen_), right);
  seen_ = right ? seen_ + 1 : draft_.tokens.size();
}

std::span<const int32_t> Speculation::Next(int64_t room) {
  checked_ = seen_ = 0;
  if (drafter_ == nullptr) return {};
  drafter_->Propose(DraftLength::kMost, draft_);
  const int offered = static_cast<int>(
      std::clamp<int64_t>(room, 0, static_cast<int64_t>(draft_.tokens.size())));
  checked_ = choice_.fixed > 0 ? std::min(choice_.fixed, offered)
                               : length_.Choose(draft_.evidence, offered);
  return std::span(draft_.tokens).first(checked_);
}

void Speculation::Checked(size_t accepted, int64_t ns) {
  if (drafter_ == nullptr) return;
  length_.PassTook(static_cast<int>(checked_) + 1, static_cast<int>(accepted) + 1, ns);
  if (checked_ == 0) return;
  ++counts_.rounds;
  counts_.drafted += static_cast<int64_t>(checked_);
  counts_.accepted += static_cast<int64_t>(accepted);
}

}  // namespace weir::generate
