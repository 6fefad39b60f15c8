#include "generate/constrain/matcher.h"

#include <algorithm>
#include <tuple>

#include "absl/hash/hash.h"
#include "generate/constrain/token_trie.h"

namespace weir::generate {
namespace {

constexpr uint32_t kUnknown = UINT32_MAX;
constexpr uint32_t kEmptyStack = 0;
constexpr uint32_t kDead = 0;
// Beyond these the grammar is refused as too ambiguous; a JSON schema stays below a hundredth of
// them.
constexpr size_t kMaxSetMembers = 4096;
constexpr size_t kMaxVisited = 1 << 16;
constexpr size_t kMaxStacks = 1 << 21;
constexpr size_t kMaxSets = 1 << 16;
constexpr size_t kMaxMembers = 1 << 22;
constexpr size_t kMaxTransitions = 1 << 24;
// Between tokens the automaton is forgotten when it is larger than this.
constexpr size_t kCompactAbove = 1 << 14;

uint64_t Key(uint32_t pc, uint32_t below) { return (uint64_t{pc} << 32) | below; }

}  // namespace

Matcher::Matcher(std::shared_ptr<const Grammar> grammar)
    : grammar_(std::move(grammar)), compact_stacks_above_(4 * kCompactAbove) {
  sample_.resize(grammar_->byte_classes());
  for (int byte = 0; byte < 256; ++byte)
    sample_[grammar_->ClassOf(byte)] = static_cast<uint8_t>(byte);
  stacks_.push_back({0, 0});
  set_begin_ = {0};
  Number({});
  gathered_.clear();
  visited_.clear();
  Close(grammar_->start(), kEmptyStack);
  current_ = Number(std::move(gathered_));
}

bool Matcher::Admits(std::string_view bytes) { return Run(current_, bytes) != kDead; }

void Matcher::Accept(std::string_view bytes) {
  current_ = Run(current_, bytes);
  if (set_begin_.size() > kCompactAbove || stacks_.size() > compact_stacks_above_) Compact();
}

bool Matcher::CanEnd() const {
  const auto members = Members(current_);
  return status_.ok() && !members.empty() && members[0] == kEmptyStack;
}

bool Matcher::MustEnd() const { return CanEnd() && Members(current_).size() == 1; }

void Matcher::AdmitAll(const TokenTrie& trie, std::span<uint8_t> allowed) {
  std::fill(allowed.begin(), allowed.end(), 0);
  const std::span<const TokenTrie::Node> nodes = trie.nodes();
  std::vector<SetId> path(trie.depth() + 1, current_);  // the set after each byte of the piece
  for (size_t i = 0; i + 1 < nodes.size();) {
    const TokenTrie::Node& node = nodes[i];
    const SetId set = Step(path[node.depth - 1], node.byte);
    if (set == kDead) {
      if (!status_.ok()) return;
      i = node.skip;
      continue;
    }
    path[node.depth] = set;
    for (int32_t id : trie.TokensAt(i)) allowed[id] = 1;
    ++i;
  }
}

Matcher::SetId Matcher::Run(SetId set, std::string_view bytes) {
  for (size_t i = 0; i < bytes.size() && set != kDead; ++i) {
    set = Step(set, static_cast<uint8_t>(bytes[i]));
  }
  return set;
}

Matcher::SetId Matcher::Step(SetId set, uint8_t byte) {
  const uint8_t byte_class = grammar_->ClassOf(byte);
  const uint32_t known = next_[size_t{set} * sample_.size() + byte_class];
  return known != kUnknown ? known : StepSlow(set, byte_class);
}

Matcher::SetId Matcher::StepSlow(SetId set, uint8_t byte_class) {
  if (!status_.ok()) return kDead;
  const uint8_t byte = sample_[byte_class];
  const std::span<const GrammarInstruction> program = grammar_->program();
  gathered_.clear();
  visited_.clear();
  // Close pushes stacks, not members, so the span stays valid.
  for (StackId id : Members(set)) {
    if (id == kEmptyStack) continue;
    const Stack stack = stacks_[id];
    const GrammarInstruction& i = program[stack.pc];
    if (byte >= i.low && byte <= i.high) Close(stack.pc + 1, stack.below);
  }
  const SetId next = Number(std::move(gathered_));
  if (!status_.ok()) return kDead;
  next_[size_t{set} * sample_.size() + byte_class] = next;
  return next;
}

void Matcher::Close(uint32_t pc, StackId below) {
  const std::span<const GrammarInstruction> program = grammar_->program();
  work_.assign(1, {pc, below});
  while (!work_.empty() && status_.ok()) {
    std::tie(pc, below) = work_.back();
    work_.pop_back();
    if (!visited_.try_emplace(Key(pc, below), 0).second) continue;
    if (visited_.size() > kMaxVisited) return Fail();
    const GrammarInstruction& i = program[pc];
    switch (i.op) {
      case GrammarOp::kByte:
        gathered_.push_back(Push(pc, below));
        break;
      case GrammarOp::kJump:
        work_.push_back({i.target, below});
        break;
      case GrammarOp::kSplit:
        work_.push_back({pc + 1, below});
        work_.push_back({i.target, below});
        break;
      case GrammarOp::kCall: {
        uint32_t back = pc + 1;
        while (program[back].op == GrammarOp::kJump && program[back].target > back) {
          back = program[back].target;
        }
        // A call at the end of its rule needs no frame, so right recursion runs in constant depth.
        const bool tail = program[back].op == GrammarOp::kReturn;
        work_.push_back({i.target, tail ? below : Push(back, below)});
        break;
      }
      case GrammarOp::kReturn:
        if (below == kEmptyStack) {
          gathered_.push_back(kEmptyStack);
        } else {
          work_.push_back({stacks_[below].pc, stacks_[below].below});
        }
        break;
    }
  }
}

Matcher::StackId Matcher::Push(uint32_t pc, StackId below) {
  const auto [it, added] =
      stack_ids_.try_emplace(Key(pc, below), static_cast<StackId>(stacks_.size()));
  if (added) {
    if (stacks_.size() >= kMaxStacks) Fail();
    stacks_.push_back({pc, below});
  }
  return it->second;
}

Matcher::SetId Matcher::Number(std::vector<StackId> set) {
  std::sort(set.begin(), set.end());
  set.erase(std::unique(set.begin(), set.end()), set.end());
  const uint64_t hash = absl::HashOf(set);
  std::vector<SetId>& same = set_ids_[hash];
  for (SetId id : same) {
    if (std::ranges::equal(Members(id), set)) return id;
  }
  const SetId id = static_cast<SetId>(set_begin_.size() - 1);
  if (set.size() > kMaxSetMembers || id >= kMaxSets || members_.size() + set.size() > kMaxMembers ||
      next_.size() + sample_.size() > kMaxTransitions) {
    Fail();
    return kDead;
  }
  same.push_back(id);
  members_.insert(members_.end(), set.begin(), set.end());
  set_begin_.push_back(static_cast<uint32_t>(members_.size()));
  next_.resize(next_.size() + sample_.size(), id == kDead ? kDead : kUnknown);
  return id;
}

std::span<const Matcher::StackId> Matcher::Members(SetId set) const {
  return std::span(members_).subspan(set_begin_[set], set_begin_[set + 1] - set_begin_[set]);
}

void Matcher::Fail() {
  status_ = absl::ResourceExhaustedError("grammar: too ambiguous to follow within the limits");
  current_ = kDead;
}

// Keeps the current set and the stacks below it; a stack always has a larger number than what is
// below it, so one pass down marks and one pass up renumbers.
void Matcher::Compact() {
  std::vector<StackId> kept(Members(current_).begin(), Members(current_).end());
  std::vector<char> live(stacks_.size(), 0);
  for (StackId id : kept) live[id] = 1;
  live[kEmptyStack] = 1;
  for (size_t id = stacks_.size(); id-- > 1;) {
    if (live[id]) live[stacks_[id].below] = 1;
  }
  std::vector<StackId> renamed(stacks_.size(), 0);
  std::vector<Stack> stacks;
  stack_ids_.clear();
  for (size_t id = 0; id < stacks_.size(); ++id) {
    if (!live[id]) continue;
    renamed[id] = static_cast<StackId>(stacks.size());
    stacks.push_back({stacks_[id].pc, renamed[stacks_[id].below]});
    if (id != kEmptyStack) stack_ids_[Key(stacks.back().pc, stacks.back().below)] = renamed[id];
  }
  stacks_ = std::move(stacks);
  for (StackId& id : kept) id = renamed[id];
  members_.clear();
  set_begin_ = {0};
  set_ids_.clear();
  next_.clear();
  Number({});
  current_ = Number(std::move(kept));
  // A deep stack stays; waiting until it has doubled keeps the cost a constant a byte.
  compact_stacks_above_ = std::max(4 * kCompactAbove, 2 * stacks_.size());
}

}  // namespace weir::generate
