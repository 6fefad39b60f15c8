// Speculation of one engine: the drafter of the sequence being written, the choice of how much to
// check, and what came of it. The completion loop asks for a draft after each token it took and
// reports what the pass cost; tokens never depend on any of it. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "generate/speculate/draft_length.h"
#include "generate/speculate/drafter.h"

namespace weir::generate {

// What `--speculate` says.
struct SpeculateChoice {
  bool on = true;
  int fixed = 0;  // > 0: so many tokens whenever so many are offered
};

// "auto", "off" or 1 to DraftLength::kMost. Errors: kInvalidArgument.
absl::StatusOr<SpeculateChoice> ParseSpeculate(std::string_view word);

// Declared once, for all that write with a model.
struct SpeculateOptions {
  std::string speculate = "auto";
  template <class V>
  void Visit(V& v) {
    v(speculate, {.name = "speculate",
                  .help = "Check several tokens at once that the prompt or its sources suggest: "
                          "auto (as many as pay), off, or a number; the text stays the same.",
                  .fingerprint = false});
  }
};

class Speculation {
 public:
  struct Counts {
    int64_t drafted = 0, accepted = 0;  // tokens
    int64_t rounds = 0;                 // passes with a draft
  };

  explicit Speculation(SpeculateChoice choice);

  // A new sequence: its prompt, and texts that it may quote. The counts start anew.
  void Begin(std::span<const int32_t> prompt, std::span<const std::vector<int32_t>> sources);
  // So many of the prompt's rows took so long.
  void PromptTook(int64_t rows, int64_t ns) { length_.PromptTook(rows, ns); }
  // The sequence goes on with `token`, whether it was drafted or not.
  void Took(int32_t token);
  // What to check beside the token taken last: at most `room` tokens, often none. Valid until the
  // next call.
  std::span<const int32_t> Next(int64_t room);
  // The pass over the token taken last and the draft took so long; `accepted` of the draft were
  // right. Called when all tokens of the pass were taken.
  void Checked(size_t accepted, int64_t ns);
  bool on() const { return choice_.on; }
  const Counts& counts() const { return counts_; }

 private:
  SpeculateChoice choice_;
  std::unique_ptr<Drafter> drafter_;  // null: off
  DraftLength length_;
  Draft draft_;         // as proposed; the first checked_ tokens of it are checked
  size_t checked_ = 0;  // tokens
  size_t seen_ = 0;     // tokens of draft_ that were compared with what came
  Counts counts_;
};

}  // namespace weir::generate
