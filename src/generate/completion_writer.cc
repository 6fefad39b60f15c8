#include "generate/completion_writer.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace weir::generate {

absl::StatusOr<std::unique_ptr<CompletionWriter>> CompletionWriter::Make(
    std::span<const int32_t> prompt, text::CompletionRequest request,
    const SampleOptions& sampling, std::unique_ptr<Constraint> constraint,
    const model::Tokenizer& tokenizer, Clock now_ns) {
  if (request.max_tokens < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_tokens: ", request.max_tokens, "; expected at least 1"));
  }
  WEIR_ASSIGN_OR_RETURN(TextStream stream, TextStream::Make(request.stop));
  std::unique_ptr<CompletionWriter> writer(
      new CompletionWriter(std::move(request), sampling, std::move(constraint), tokenizer,
                           std::move(stream), std::move(now_ns)));
  writer->out_.prompt_tokens = static_cast<int64_t>(prompt.size());
  for (int32_t token : prompt) writer->sampler_.Accept(token);
  return writer;
}

CompletionWriter::CompletionWriter(text::CompletionRequest request, const SampleOptions& sampling,
                                   std::unique_ptr<Constraint> constraint,
                                   const model::Tokenizer& tokenizer, TextStream stream,
                                   Clock now_ns)
    : request_(std::move(request)),
      sampler_(sampling),
      constraint_(std::move(constraint)),
      tokenizer_(tokenizer),
      stream_(std::move(stream)),
      now_ns_(std::move(now_ns)),
      start_ns_(now_ns_()) {}

// A grammar looks at the sampled token first, and masks the vocabulary only when it refuses that
// one.
absl::StatusOr<int32_t> CompletionWriter::Choose(std::span<float> logits) {
  const auto draw = static_cast<uint64_t>(out_.tokens);
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

void CompletionWriter::Take(int32_t token, bool room) {
  if (out_.tokens == 0) out_.first_token_s = Seconds();
  const auto ends = tokenizer_.end_ids();
  if (!ignore_ends_ && std::binary_search(ends.begin(), ends.end(), token)) {
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
  } else if (out_.tokens >= request_.max_tokens || !room) {
    out_.finish = "length";
  }
}

text::Completion CompletionWriter::Finish() {
  Emit(stream_.Finish());
  out_.total_s = Seconds();
  return std::move(out_);
}

bool CompletionWriter::Emit(const std::string& text) {
  if (text.empty() || declined_) return !declined_;
  out_.text += text;
  declined_ = request_.on_text && !request_.on_text(text);
  return !declined_;
}

}  // namespace weir::generate
