#include "generate/completion.h"

#include "base/status.h"

namespace weir::generate {

absl::StatusOr<text::Completion> RunCompletion(std::span<const int32_t> prompt,
                                               CompletionWriter& writer, Session& session,
                                               const Context& context) {
  session.sequence().Begin(static_cast<int64_t>(prompt.size()), writer.request().max_tokens);
  absl::Status status = session.Feed(prompt, context);
  while (status.ok() && !writer.finished()) {
    WEIR_ASSIGN_OR_RETURN(const int32_t token, writer.Choose(session.logits()));
    writer.Take(token, session.size() < session.window());
    if (writer.finished()) break;
    status = context.CheckCancelled();
    if (status.ok()) status = session.Append(token, context);
  }
  if (absl::IsCancelled(status)) {
    writer.Cancel();
  } else if (!status.ok()) {
    return status;
  }
  session.Keep();
  return writer.Finish();
}

}  // namespace weir::generate
