#include "generate/constrain/grammar.h"

#include <algorithm>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "generate/constrain/gbnf_tree.h"
#include "generate/constrain/utf8_ranges.h"

namespace weir::generate {
namespace {

// Which rules can match "" (least fixed point), and whether any rule can call itself before it has
// consumed a byte: such left recursion would never end, so it is refused.
class LeftRecursion {
 public:
  explicit LeftRecursion(const GbnfTree& tree) : tree_(tree), nullable_(tree.rules.size()) {}

  absl::Status Check() {
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t r = 0; r < tree_.rules.size(); ++r) {
        if (!nullable_[r] && Nullable(tree_.rules[r].body)) nullable_[r] = changed = true;
      }
    }
    std::vector<std::vector<uint32_t>> calls(tree_.rules.size());
    for (size_t r = 0; r < tree_.rules.size(); ++r) FirstCalls(tree_.rules[r].body, calls[r]);
    return FindCycle(calls);
  }

 private:
  bool Nullable(uint32_t id) const {
    const GbnfNode& node = tree_.nodes[id];
    const auto child = [this](uint32_t c) { return Nullable(c); };
    switch (node.kind) {
      case GbnfKind::kLiteral:
        return node.literal.empty();
      case GbnfKind::kClass:
        return false;
      case GbnfKind::kRule:
        return nullable_[node.rule];
      case GbnfKind::kSequence:
        return std::all_of(node.children.begin(), node.children.end(), child);
      case GbnfKind::kAlternates:
        return std::any_of(node.children.begin(), node.children.end(), child);
      case GbnfKind::kRepeat:
        return node.min == 0 || Nullable(node.children[0]);
    }
    return false;
  }

  // Rules that may be entered before a byte is consumed. Returns whether the node can match "".
  bool FirstCalls(uint32_t id, std::vector<uint32_t>& out) const {
    const GbnfNode& node = tree_.nodes[id];
    switch (node.kind) {
      case GbnfKind::kLiteral:
        return node.literal.empty();
      case GbnfKind::kClass:
        return false;
      case GbnfKind::kRule:
        out.push_back(node.rule);
        return nullable_[node.rule];
      case GbnfKind::kSequence:
        for (uint32_t c : node.children) {
          if (!FirstCalls(c, out)) return false;
        }
        return true;
      case GbnfKind::kAlternates: {
        bool any = false;
        for (uint32_t c : node.children) any |= FirstCalls(c, out);
        return any;
      }
      case GbnfKind::kRepeat:
        return FirstCalls(node.children[0], out) || node.min == 0;
    }
    return false;
  }

  // Depth-first search with an explicit stack; a call to a rule that is still open is a cycle.
  absl::Status FindCycle(const std::vector<std::vector<uint32_t>>& calls) const {
    enum : uint8_t { kNew, kOpen, kDone };
    std::vector<uint8_t> state(calls.size(), kNew);
    for (uint32_t first = 0; first < calls.size(); ++first) {
      if (state[first] != kNew) continue;
      std::vector<std::pair<uint32_t, size_t>> stack = {{first, 0}};
      state[first] = kOpen;
      while (!stack.empty()) {
        auto& [rule, next] = stack.back();
        if (next == calls[rule].size()) {
          state[rule] = kDone;
          stack.pop_back();
          continue;
        }
        const uint32_t callee = calls[rule][next++];
        if (state[callee] == kOpen) {
          return absl::InvalidArgumentError(
              absl::StrCat("grammar: rule '", tree_.rules[callee].name, "' is left-recursive"));
        }
        if (state[callee] == kNew) {
          state[callee] = kOpen;
          stack.push_back({callee, 0});
        }
      }
    }
    return absl::OkStatus();
  }

  const GbnfTree& tree_;
  std::vector<char> nullable_;
};

}  // namespace

class GrammarCompiler {
 public:
  GrammarCompiler(const GbnfTree& tree, const GrammarLimits& limits)
      : tree_(tree), limits_(limits), grammar_(std::make_shared<Grammar>()) {}

  absl::StatusOr<std::shared_ptr<const Grammar>> Compile() {
    std::vector<uint32_t> starts(tree_.rules.size());
    for (size_t r = 0; r < tree_.rules.size(); ++r) {
      starts[r] = Here();
      WEIR_RETURN_IF_ERROR(Emit(tree_.rules[r].body));
      WEIR_RETURN_IF_ERROR(Add({GrammarOp::kReturn}));
    }
    WEIR_RETURN_IF_ERROR(EmitClasses());
    for (const auto& [at, rule] : rule_calls_) Program()[at].target = starts[rule];
    grammar_->start_ = starts[tree_.root];
    SplitBytes();
    return std::shared_ptr<const Grammar>(std::move(grammar_));
  }

 private:
  std::vector<GrammarInstruction>& Program() { return grammar_->program_; }
  uint32_t Here() { return static_cast<uint32_t>(Program().size()); }

  absl::Status Add(GrammarInstruction instruction) {
    if (Program().size() >= limits_.instructions) return TooLarge();
    Program().push_back(instruction);
    return absl::OkStatus();
  }
  absl::Status TooLarge() const {
    return absl::ResourceExhaustedError(
        absl::StrCat("grammar: more than ", limits_.instructions,
                     " instructions after unrolling its repetitions"));
  }

  absl::Status Emit(uint32_t id) {
    // Counted as well, since a repetition of nothing adds no instruction.
    if (++emitted_nodes_ > 4 * limits_.instructions) return TooLarge();
    const GbnfNode& node = tree_.nodes[id];
    switch (node.kind) {
      case GbnfKind::kLiteral:
        for (char c : node.literal) {
          const uint8_t byte = static_cast<uint8_t>(c);
          WEIR_RETURN_IF_ERROR(Add({GrammarOp::kByte, byte, byte}));
        }
        return absl::OkStatus();
      case GbnfKind::kClass:
        return EmitClass(id);
      case GbnfKind::kRule:
        rule_calls_.push_back({Here(), node.rule});
        return Add({GrammarOp::kCall});
      case GbnfKind::kSequence:
        for (uint32_t c : node.children) WEIR_RETURN_IF_ERROR(Emit(c));
        return absl::OkStatus();
      case GbnfKind::kAlternates:
        return EmitAlternates(node);
      case GbnfKind::kRepeat:
        return EmitRepeat(node);
    }
    return absl::OkStatus();
  }

  // split L2; a; jump end; L2: split L3; b; jump end; L3: c; end:
  absl::Status EmitAlternates(const GbnfNode& node) {
    std::vector<uint32_t> jumps;
    for (size_t i = 0; i < node.children.size(); ++i) {
      const bool last = i + 1 == node.children.size();
      const uint32_t split = Here();
      if (!last) WEIR_RETURN_IF_ERROR(Add({GrammarOp::kSplit}));
      WEIR_RETURN_IF_ERROR(Emit(node.children[i]));
      if (last) break;
      jumps.push_back(Here());
      WEIR_RETURN_IF_ERROR(Add({GrammarOp::kJump}));
      Program()[split].target = Here();
    }
    for (uint32_t jump : jumps) Program()[jump].target = Here();
    return absl::OkStatus();
  }

  // min copies, then max - min optional copies (each may leave to the end), or one loop.
  absl::Status EmitRepeat(const GbnfNode& node) {
    const uint32_t body = node.children[0];
    for (int i = 0; i < node.min; ++i) WEIR_RETURN_IF_ERROR(Emit(body));
    std::vector<uint32_t> splits;
    if (node.max < 0) {
      const uint32_t loop = Here();
      splits.push_back(loop);
      WEIR_RETURN_IF_ERROR(Add({GrammarOp::kSplit}));
      WEIR_RETURN_IF_ERROR(Emit(body));
      WEIR_RETURN_IF_ERROR(Add({.op = GrammarOp::kJump, .target = loop}));
    }
    for (int i = node.min; i < node.max; ++i) {
      splits.push_back(Here());
      WEIR_RETURN_IF_ERROR(Add({GrammarOp::kSplit}));
      WEIR_RETURN_IF_ERROR(Emit(body));
    }
    for (uint32_t split : splits) Program()[split].target = Here();
    return absl::OkStatus();
  }

  // One ASCII range is one instruction; a larger class is a program of its own, shared by all uses.
  absl::Status EmitClass(uint32_t id) {
    const std::vector<CodePointRange>& ranges = tree_.nodes[id].ranges;
    if (ranges.size() == 1 && ranges[0].second < 0x80) {
      return Add({GrammarOp::kByte, static_cast<uint8_t>(ranges[0].first),
                  static_cast<uint8_t>(ranges[0].second)});
    }
    const auto [it, added] = class_index_.try_emplace(id, classes_.size());
    if (added) classes_.push_back({id, {}});
    classes_[it->second].calls.push_back(Here());
    return Add({GrammarOp::kCall});
  }

  absl::Status EmitClasses() {
    for (const ClassUse& use : classes_) {
      const uint32_t start = Here();
      std::vector<Utf8Sequence> sequences;
      for (const CodePointRange& r : tree_.nodes[use.node].ranges) {
        AppendUtf8Sequences(r.first, r.second, sequences);
      }
      for (size_t i = 0; i < sequences.size(); ++i) {
        const uint32_t split = Here();
        const bool last = i + 1 == sequences.size();
        if (!last) WEIR_RETURN_IF_ERROR(Add({GrammarOp::kSplit}));
        for (int b = 0; b < sequences[i].length; ++b) {
          const auto [low, high] = sequences[i].bytes[b];
          WEIR_RETURN_IF_ERROR(Add({GrammarOp::kByte, low, high}));
        }
        WEIR_RETURN_IF_ERROR(Add({GrammarOp::kReturn}));
        if (!last) Program()[split].target = Here();
      }
      // An empty class matches nothing: a range that no byte is in.
      if (sequences.empty()) WEIR_RETURN_IF_ERROR(Add({GrammarOp::kByte, 1, 0}));
      for (uint32_t call : use.calls) Program()[call].target = start;
    }
    return absl::OkStatus();
  }

  void SplitBytes() {
    std::array<bool, 257> starts{};
    for (const GrammarInstruction& i : Program()) {
      if (i.op != GrammarOp::kByte || i.low > i.high) continue;
      starts[i.low] = true;
      starts[i.high + 1] = true;
    }
    int current = 0;
    for (int byte = 0; byte < 256; ++byte) {
      if (byte > 0 && starts[byte]) ++current;
      grammar_->class_of_[byte] = static_cast<uint8_t>(current);
    }
    grammar_->byte_classes_ = current + 1;
  }

  struct ClassUse {
    uint32_t node;
    std::vector<uint32_t> calls;
  };

  const GbnfTree& tree_;
  const GrammarLimits& limits_;
  std::shared_ptr<Grammar> grammar_;
  size_t emitted_nodes_ = 0;
  std::vector<std::pair<uint32_t, uint32_t>> rule_calls_;  // instruction, rule
  absl::flat_hash_map<uint32_t, size_t> class_index_;
  std::vector<ClassUse> classes_;
};

absl::StatusOr<std::shared_ptr<const Grammar>> Grammar::ParseGbnf(std::string_view source,
                                                                  const GrammarLimits& limits) {
  WEIR_ASSIGN_OR_RETURN(const GbnfTree tree, ParseGbnfTree(source, limits));
  WEIR_RETURN_IF_ERROR(LeftRecursion(tree).Check());
  return GrammarCompiler(tree, limits).Compile();
}

}  // namespace weir::generate
