#include "generate/completion.h"

#include <algorithm>
#include <vector>

#include "base/status.h"

namespace weir::generate {
namespace {

class Run {
 public:
  Run(CompletionWriter& writer, Session& session, Speculation& speculation, const Context& context)
      : writer_(writer), session_(session), speculation_(speculation), context_(context) {}

  absl::Status Go(std::span<const int32_t> prompt) {
    session_.sequence().Begin(static_cast<int64_t>(prompt.size()), writer_.request().max_tokens);
    WEIR_RETURN_IF_ERROR(Read(prompt));
    while (true) {
      WEIR_RETURN_IF_ERROR(TakeAll());
      if (writer_.finished()) return absl::OkStatus();
      WEIR_RETURN_IF_ERROR(Pass());
    }
  }

 private:
  absl::Status Read(std::span<const int32_t> prompt) {
    const int64_t start_ns = context_.now_ns();
    WEIR_RETURN_IF_ERROR(session_.Feed(prompt, context_));
    stored_ = session_.size();
    speculation_.PromptTook(stored_ - session_.reused(), context_.now_ns() - start_ns);
    logits_ = session_.logits();
    return absl::OkStatus();
  }

  // Takes the token that the last pass leads to, and as long as it is the one that was drafted, the
  // next one as well. The session keeps what a pass a token would have left in it.
  absl::Status TakeAll() {
    const size_t vocabulary = session_.logits().size();
    const size_t drafted = pass_.empty() ? 0 : pass_.size() - 1;
    absl::Status status;
    size_t right = 0;
    for (;; ++right, ++stored_) {
      WEIR_ASSIGN_OR_RETURN(newest_,
                            writer_.Choose(logits_.subspan(right * vocabulary, vocabulary)));
      writer_.Take(newest_, stored_ < session_.window());
      speculation_.Took(newest_);
      if (writer_.finished()) break;
      status = context_.CheckCancelled();
      if (!status.ok() || right == drafted || pass_[right + 1] != newest_) break;
    }
    session_.Truncate(stored_);
    if (!pass_.empty()) speculation_.Checked(right, pass_ns_);
    return status;
  }

  // One pass over the token taken last and the draft of what follows it.
  absl::Status Pass() {
    const int64_t room =
        std::min(writer_.request().max_tokens - writer_.tokens(), session_.window() - stored_) - 1;
    const std::span<const int32_t> draft = speculation_.Next(room);
    pass_.assign(1, newest_);
    pass_.insert(pass_.end(), draft.begin(), draft.end());
    const int64_t start_ns = context_.now_ns();
    WEIR_ASSIGN_OR_RETURN(logits_, session_.AppendAll(pass_, context_));
    pass_ns_ = context_.now_ns() - start_ns;
    ++stored_;
    return absl::OkStatus();
  }

  CompletionWriter& writer_;
  Session& session_;
  Speculation& speculation_;
  const Context& context_;
  int64_t stored_ = 0;         // tokens the session holds without those drafted and not yet taken
  int32_t newest_ = 0;         // taken and not stored
  std::vector<int32_t> pass_;  // what was appended last: the newest token then, and a draft
  int64_t pass_ns_ = 0;
  std::span<float> logits_;  // [pass_, vocabulary] after each of them
};

}  // namespace

absl::StatusOr<text::Completion> RunCompletion(std::span<const int32_t> prompt,
                                               CompletionWriter& writer, Session& session,
                                               Speculation& speculation, const Context& context) {
  const absl::Status status = Run(writer, session, speculation, context).Go(prompt);
  if (absl::IsCancelled(status)) {
    writer.Cancel();
  } else if (!status.ok()) {
    return status;
  }
  session.Keep();
  text::Completion done = writer.Finish();
  const Speculation::Counts& counts = speculation.counts();
  done.drafted = counts.drafted, done.accepted = counts.accepted;
  done.draft_passes = counts.rounds;
  return done;
}

}  // namespace weir::generate
