// A context-free grammar over UTF-8 text, compiled to bytes: the target of GBNF and JSON schemas.
// Rules are small programs over byte ranges (code point classes become UTF-8 byte sequences), so a
// token that ends inside a character, or spans several grammar elements, needs no special case.
// Immutable and thread-safe once made. Grammar text is hostile input: every limit is checked.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace weir::generate {

struct GrammarLimits {
  size_t source_bytes = 1 << 20;
  size_t rules = 2048;
  size_t nodes = 1 << 16;         // elements of the parsed grammar
  size_t instructions = 1 << 18;  // after repetitions are unrolled
  int repetition = 4096;          // largest m or n in {m,n}
  int depth = 64;                 // nested groups
};

enum class GrammarOp : uint8_t {
  kByte,    // consumes one byte in [low, high]; goes on at pc + 1
  kSplit,   // goes on at pc + 1 and at target
  kJump,    // goes on at target
  kCall,    // runs the program at target, then goes on at pc + 1
  kReturn,  // ends a rule
};

struct GrammarInstruction {
  GrammarOp op = GrammarOp::kReturn;
  uint8_t low = 0, high = 0;
  uint32_t target = 0;
};

class Grammar {
 public:
  // GBNF as llama.cpp writes it: `name ::= alternates`, "literals", [classes] and [^negated], `.`,
  // groups, ? * + {m} {m,} {m,n} {,n}, # comments, escapes \n \r \t \\ \" \[ \] \- \^ \xHH \uHHHH
  // \UHHHHHHHH. The start rule is `root`.
  // Errors: kInvalidArgument (with line: syntax, undefined or repeated rule, left recursion),
  // kResourceExhausted (a limit).
  static absl::StatusOr<std::shared_ptr<const Grammar>> ParseGbnf(std::string_view source,
                                                                  const GrammarLimits& limits = {});

  std::span<const GrammarInstruction> program() const { return program_; }
  uint32_t start() const { return start_; }
  // Bytes that no instruction tells apart share a class; transitions are kept per class.
  int byte_classes() const { return byte_classes_; }
  uint8_t ClassOf(uint8_t byte) const { return class_of_[byte]; }

 private:
  friend class GrammarCompiler;
  std::vector<GrammarInstruction> program_;
  uint32_t start_ = 0;
  int byte_classes_ = 0;
  std::array<uint8_t, 256> class_of_{};
};

}  // namespace weir::generate
