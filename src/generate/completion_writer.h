// One completion as it is written, a token at a time: sample, check against the grammar, stream,
// stop. Whoever runs the decoder drives it: Choose from fresh logits, Take, and again until
// finished(); then Finish. So one completion alone and many together are written by the same code.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "generate/constrain/constraint.h"
#include "generate/sample/sampler.h"
#include "generate/sample/text_stream.h"
#include "model/tokenizer.h"
#include "text/ports.h"

namespace weir::generate {

class CompletionWriter {
 public:
  // `constraint` may be null. `tokenizer` must outlive the writer. The clock starts here. Errors:
  // kInvalidArgument (max_tokens, stop).
  static absl::StatusOr<std::unique_ptr<CompletionWriter>> Make(
      std::span<const int32_t> prompt, text::CompletionRequest request,
      const SampleOptions& sampling, std::unique_ptr<Constraint> constraint,
      const model::Tokenizer& tokenizer, Clock now_ns);

  // The next token; changes the logits. Touches nothing outside of the writer, so writers may
  // choose on several threads. Errors: kInvalidArgument (the grammar).
  absl::StatusOr<int32_t> Choose(std::span<float> logits);
  // Adds the chosen token to the text and calls on_text. `room`: the decoder has a place for it.
  void Take(int32_t token, bool room);
  bool finished() const { return !out_.finish.empty(); }
  // Writes on after end tokens: what a bench measures should not depend on what a text says.
  void IgnoreEnds() { ignore_ends_ = true; }
  void Cancel() { out_.finish = "cancelled"; }
  // The result; once, when finished.
  text::Completion Finish();

  const text::CompletionRequest& request() const { return request_; }
  int64_t tokens() const { return out_.tokens; }

 private:
  CompletionWriter(text::CompletionRequest request, const SampleOptions& sampling,
                   std::unique_ptr<Constraint> constraint, const model::Tokenizer& tokenizer,
                   TextStream stream, Clock now_ns);
  double Seconds() const { return static_cast<double>(now_ns_() - start_ns_) * 1e-9; }
  bool Emit(const std::string& text);

  text::CompletionRequest request_;
  Sampler sampler_;
  std::unique_ptr<Constraint> constraint_;
  const model::Tokenizer& tokenizer_;
  TextStream stream_;
  Clock now_ns_;
  bool ignore_ends_ = false;
  bool declined_ = false;  // the caller wants no more text
  int64_t start_ns_ = 0;
  text::Completion out_;
};

}  // namespace weir::generate
