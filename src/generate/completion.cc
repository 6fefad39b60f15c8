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
      const model::Tokenizer& tokenizer, Session& session, TextStream stream,
      const Context& context)
      : request_(request),
        sampler_(sampling),
        constraint_(constraint),
        tokenizer_(tokenizer),
        session_(session),
        stream_(std::move(stream)),
        context_(context) {}

  absl::StatusOr<text::Completion> Go(std::span<const int32_t> prompt) {
    start_ns_ = context_.now_ns();
    out_.prompt_tokens = static_cast<int64_t>(prompt.size());
    for (int32_t token : prompt) sampler_.Accept(token);
    session_.sequence().Begin(out_.prompt_tokens, request_.max_tokens);
    absl::Status status = session_.Feed(prompt, context_);
    while (status.ok() && out_.finish.empty()) {
      absl::StatusOr<int32_t> token = Choose();
      if (!token.ok()) return token.status();
      if (out_.tokens == 0) out_.first_token_s = Seconds();
      Take(*token);
      if (out_.finish.empty()) status = context_.CheckCancelled();
      if (status.ok() && out_.finish.empty()) status = session_.Append(*token, context_);
    }
    if (absl::IsCancelled(status)) {
      out_.finish = "cancelled";
    } else if (!status.ok()) {
      return status;
    }
    Emit(stream_.Finish());
    out_.total_s = Seconds();
    return std::move(out_);
  }

 private:
  double Seconds() const { return static_cast<double>(context_.now_ns() - start_ns_) * 1e-9; }

  // The next token. A grammar looks at the sampled token first, and masks the vocabulary only when
  // it refuses that one.
  absl::StatusOr<int32_t> Choose() {
    const uint64_t draw = static_cast<uint64_t>(out_.tokens);
    int32_t token = sampler_.Sample(session_.logits(), draw);
    if (constraint_ == nullptr || constraint_->Allows(token)) return token;
    const size_t left = constraint_->Mask(session_.logits());
    WEIR_RETURN_IF_ERROR(constraint_->status());
    token = sampler_.Resample(session_.logits(), draw);
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
    if (constraint_ != nullptr) constraint_->Accept(token);
    const bool wanted = Emit(stream_.Push(tokenizer_.Piece(token)));
    if (stream_.stopped() || (constraint_ != nullptr && constraint_->complete())) {
      out_.finish = "stop";
    } else if (!wanted) {
      out_.finish = "cancelled";
    } else if (out_.tokens >= request_.max_tokens || session_.size() >= session_.window()) {
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
  TextStream stream_;
  const Context& context_;
  bool declined_ = false;  // the caller wants no more text
  int64_t start_ns_ = 0;
  text::Completion out_;
};

}  // namespace

absl::StatusOr<text::Completion> RunCompletion(std::span<const int32_t> prompt,
                                               const text::CompletionRequest& request,
                                               const SampleOptions& sampling,
                                               Constraint* constraint,
                                               const model::Tokenizer& tokenizer, Session& session,
                                               const Context& context) {
  if (request.max_tokens < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_tokens: ", request.max_tokens, "; expected at least 1"));
  }
  WEIR_ASSIGN_OR_RETURN(TextStream stream, TextStream::Make(request.stop));
  return Run(request, sampling, constraint, tokenizer, session, std::move(stream), context)
      .Go(prompt);
}

}  // namespace weir::generate
