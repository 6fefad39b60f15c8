// How many tokens of a draft are worth checking, by what was measured in this process: the time of
// a pass over n rows beside that of one, and how often drafted tokens were right. Both are learned
// while answers are written; a draft that is not checked still shows whether it would have been
// right, so that text where nothing repeats costs nothing to find out about.
//
//   rate(k) = (1 + sum over i <= k of a(e) a(e + 1) .. a(e + i - 1)) / cost(k + 1)
//
// tokens a nanosecond, with a(e) the share of right tokens at evidence e. The k with the best rate
// is taken if it beats k = 0 by 2%. A leaky bucket of the time that passes with drafts lost against
// one token a pass keeps whatever the estimates miss below 1%. Not thread-safe; one an engine.
#pragma once

#include <array>
#include <cstdint>

namespace weir::generate {

class DraftLength {
 public:
  static constexpr int kMost = 15;      // tokens of a draft
  static constexpr int kEvidence = 16;  // classes of evidence; what is above counts as the last

  DraftLength();

  // A new text begins: what was learned about acceptance counts half.
  void Begin();
  // A prompt of so many rows took so long; few rows say nothing and are left out.
  void PromptTook(int64_t rows, int64_t ns);
  // A pass over 1 + k rows took so long and gave so many tokens.
  void PassTook(int rows, int tokens, int64_t ns);
  void Saw(int evidence, bool right);

  // Tokens to check of a draft of `offered`, 0 to min(offered, kMost).
  int Choose(int evidence, int offered) const;

  // Nanoseconds of a pass over `rows`; 0 while a pass over one row was not measured twice.
  double Cost(int rows) const;
  double Acceptance(int evidence) const;

 private:
  double Single() const;

  static constexpr int kSingles = 9;
  std::array<double, kSingles> single_ = {};  // ring of the last passes over one row; < 0: won
  int64_t singles_ = 0;
  double prompt_row_ = 0;  // ns a row of the last long prompt; 0: none yet
  // [rows] cost of a pass over so many rows in passes over one; 0: never measured.
  std::array<double, kMost + 2> relative_ = {};
  std::array<double, kEvidence + 1> right_ = {}, seen_ = {};
  int64_t since_single_ = 0;  // passes with a draft
  double lost_ = 0;           // the bucket, in passes over one row
};

}  // namespace weir::generate
