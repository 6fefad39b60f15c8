// Follows a grammar byte by byte. The state is a set of stacks (a pushdown automaton run on all its
// choices at once); stacks share their tails in one arena and whole sets are numbered, so the
// automaton is built lazily and a step that was taken before is one table look-up. Not thread-safe;
// one Matcher belongs to one sequence.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "generate/constrain/grammar.h"

namespace weir::generate {

class TokenTrie;

class Matcher {
 public:
  explicit Matcher(std::shared_ptr<const Grammar> grammar);

  // Whether the text so far followed by `bytes` begins some sentence of the grammar. No effect.
  bool Admits(std::string_view bytes);
  // Takes `bytes`. REQUIRES: Admits(bytes).
  void Accept(std::string_view bytes);
  bool CanEnd() const;   // the text so far is a sentence
  bool MustEnd() const;  // and nothing may follow it
  // allowed[id] = Admits(piece of id) for all tokens of the trie. allowed: one byte a token.
  void AdmitAll(const TokenTrie& trie, std::span<uint8_t> allowed);
  // kResourceExhausted once the grammar was too ambiguous to follow; every answer since then is
  // false.
  const absl::Status& status() const { return status_; }

 private:
  using StackId = uint32_t;  // in stacks_; 0 is the empty stack
  using SetId = uint32_t;    // in sets_; 0 is the empty set (a dead end)
  struct Stack {
    uint32_t pc;
    StackId below;
  };

  SetId Step(SetId set, uint8_t byte);
  SetId StepSlow(SetId set, uint8_t byte_class);
  SetId Run(SetId set, std::string_view bytes);
  // Follows all instructions that consume nothing, from (pc, below), and gathers the stacks whose
  // top is a byte instruction (or the empty stack: the sentence may end).
  void Close(uint32_t pc, StackId below);
  StackId Push(uint32_t pc, StackId below);
  SetId Number(std::vector<StackId> set);
  std::span<const StackId> Members(SetId set) const;
  void Fail();
  void Compact();  // forgets all but the current set

  std::shared_ptr<const Grammar> grammar_;
  absl::Status status_;
  SetId current_ = 0;
  std::vector<Stack> stacks_;
  absl::flat_hash_map<uint64_t, StackId> stack_ids_;  // (pc, below) -> id
  std::vector<StackId> members_;                      // of all sets, one after the other
  std::vector<uint32_t> set_begin_;                   // set s owns members_[begin[s], begin[s + 1])
  absl::flat_hash_map<uint64_t, std::vector<SetId>> set_ids_;  // hash of members -> sets
  std::vector<uint32_t> next_;   // [sets, byte classes]; kUnknown until taken
  std::vector<uint8_t> sample_;  // a byte of each class
  size_t compact_stacks_above_;
  // Scratch of one step.
  std::vector<std::pair<uint32_t, StackId>> work_;
  absl::flat_hash_map<uint64_t, char> visited_;
  std::vector<StackId> gathered_;
};

}  // namespace weir::generate
