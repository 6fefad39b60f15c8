#include "generate/completion.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "generate/sample/text_stream.h"

namespace weir::generate {
namespace {

class Run {
 public:
  Run(const text::CompletionRequest& request, const SampleOptions& sampling, Constraint* constraint,
      const model::Tokenizer& tokenizer, Session& session, Speculation& speculation,
      TextStream stream, const Context& context)
      : request_(request),
        sampler_(sampling),
        constraint_(constraint),
        tokenizer_(tokenizer),
        session_(session),
        speculation_(speculation),
        stream_(std::move(stream)),
        context_(context) {}

  absl::StatusOr<text::Completion> Go(std::span<const int32_t> prompt) {
    start_ns_ = context_.now_ns();
    out_.prompt_tokens = static_cast<int64_t>(prompt.size());
    for (int32_t token : prompt) sampler_.Accept(token);
    session_.sequence().Begin(out_.prompt_tokens, request_.max_tokens);
    absl::Status status = Read(prompt);
    while (status.ok() && out_.finish.empty()) {
      status = TakeAll();
      if (status.ok() && out_.finish.empty()) status = Pass();
    }
    if (absl::IsCancelled(status)) {
      out_.finish = "cancelled";
    } else if (!status.ok()) {
      return status;
    }
    const Speculation::Counts& counts = speculation_.counts();
    out_.drafted = counts.drafted, out_.accepted = counts.accepted;
    out_.draft_passes = counts.rounds;
    Emit(stream_.Finish());
    out_.total_s = Seconds();
    return std::move(out_);
  }

 private:
  double Seconds() const { return static_cast<double>(context_.now_ns() - start_ns_) * 1e-9; }

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
    const size_t vocabulary = session_.logits().size(),
                 drafted = pass_.empty() ? 0 : pass_.size() - 1;
    absl::Status status;
    size_t right = 0;
    for (;; ++right, ++stored_) {
      absl::StatusOr<int32_t> token = Choose(logits_.subspan(right * vocabulary, vocabulary));
      if (!token.ok()) return token.status();
      if (out_.tokens == 0) out_.first_token_s = Seconds();
      Take(*token);
      if (out_.finish.empty()) status = context_.CheckCancelled();
      newest_ = *token;
      if (!status.ok() || !out_.finish.empty()) break;
      if (right == drafted || pass_[right + 1] != *token) break;
    }
    session_.Truncate(stored_);
    if (!pass_.empty()) speculation_.Checked(right, pass_ns_);
    return status;
  }

  // One pass over the token taken last and the draft of what follows it.
  absl::Status Pass() {
    const int64_t room = std::min(request_.max_tokens - out_.tokens,
                                  session_.window() - stored_) - 1;
    const std::span<const int32_t> draft = speculation_.Next(room);
    pass_.assign(1, newest_);
    pass_.insert(pass_.end(), draft.begin(), draft.end());
    const int64_t start_ns = context_.now_ns();
    WEIR_ASSIGN_OR_RETURN(logits_, session_.AppendAll(pass_, context_));
    pass_ns_ = context_.now_ns() - start_ns;
    ++stored_;
    return absl::OkStatus();
  }

  // The next token. A grammar looks at the sampled token first, and masks the vocabulary only when
  // it refuses that one.
  absl::StatusOr<int32_t> Choose(std::span<float> logits) {
    const uint64_t draw = static_cast<uint64_t>(out_.tokens);
    int32_t token = sampler_.Sample(logits, draw);
    if (constraint_ == nullptr || constraint_->Allows(token)) return token;
    const size_t left = constraint_->Mask(logits);
    WEIR_RETURN_IF_ERROR(constraint_->status());
    token = sampler_.Resample(logits, draw);
    if (left == 0 || token < 0) {
      return absl::InvalidArgumentError(
          "grammar: no token of this model's vocabulary can come next");
    }
    return token;
  }

  void Take(int32_t token) {
    const auto ends = tokenizer_.end_ids();
    if (std::binary_search(ends.begin(), ends.end(), token)) {
      out_.finish = "stop";
      return;
    }
    ++out_.tokens;
    sampler_.Accept(token);
    speculation_.Took(token);
    if (constraint_ != nullptr) constraint_->Accept(token);
    const bool wanted = Emit(stream_.Push(tokenizer_.Piece(token)));
    if (stream_.stopped() || (constraint_ != nullptr && constraint_->complete())) {
      out_.finish = "stop";
    } else if (!wanted) {
      out_.finish = "cancelled";
    } else if (out_.tokens >= request_.max_tokens || stored_ >= session_.window()) {
      out_.finish = "length";
    }
  }

  bool Emit(const std::string& text) {
    if (text.empty() || declined_) return !declined_;
    out_.text += text;
    declined_ = request_.on_text && !request_.on_text(text);
    return !declined_;
  }

  const text::CompletionRequest& request_;
  Sampler sampler_;
  Constraint* constraint_;
  const model::Tokenizer& tokenizer_;
  Session& session_;
  Speculation& speculation_;
  TextStream stream_;
  const Context& context_;
  bool declined_ = false;  // the caller wants no more text
  int64_t start_ns_ = 0;
  int64_t stored_ = 0;         // tokens the session holds without those drafted and not yet taken
  int32_t newest_ = 0;         // taken and not stored
  std::vector<int32_t> pass_;  // what was appended last: the newest token then, and a draft
  int64_t pass_ns_ = 0;
  std::span<float> logits_;  // [pass_, vocabulary] after each of them
  text::Completion out_;
};

}  // namespace

absl::StatusOr<text::Completion> RunCompletion(std::span<const int32_t> prompt,
                                               const text::CompletionRequest& request,
                                               const SampleOptions& sampling,
                                               Constraint* constraint,
                                               const model::Tokenizer& tokenizer, Session& session,
                                               Speculation& speculation, const Context& context) {
  if (request.max_tokens < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_tokens: ", request.max_tokens, "; expected at least 1"));
  }
  WEIR_ASSIGN_OR_RETURN(TextStream stream, TextStream::Make(request.stop));
  return Run(request, sampling, constraint, tokenizer, session, speculation, std::move(stream),
             context)
      .Go(prompt);
}

}  // namespace weir::generate
