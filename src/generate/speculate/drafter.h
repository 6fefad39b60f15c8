// What may come next, guessed without the model: a speculation lets the model check the guess in
// one pass. A wrong guess costs time and never changes a token.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace weir::generate {

struct Draft {
  std::vector<int32_t> tokens;
  // How much speaks for the first token; each following one has one more. Acceptance is learned by
  // this number.
  int evidence = 0;
};

// Not thread-safe; one drafter belongs to one sequence.
class Drafter {
 public:
  virtual ~Drafter() = default;
  // Forgets the sequence before. `sources`: texts that the sequence may quote.
  virtual void Begin(std::span<const std::vector<int32_t>> sources) = 0;
  // The sequence goes on with these tokens.
  virtual void Accept(std::span<const int32_t> tokens) = 0;
  // Up to `most` tokens that may come next; none when nothing speaks for one.
  virtual void Propose(size_t most, Draft& draft) const = 0;
};

}  // namespace weir::generate
