#include "generate/kv/policy.h"

#include <algorithm>
#include <typeindex>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "generate/kv/block_pool.h"
#include "generate/kv/hydragen.h"
#include "generate/kv/plain_format.h"

namespace weir::generate {
namespace {

class DenseSelection : public KvSelection {
 public:
  ReadPlan::Kind reads() const override { return ReadPlan::Kind::kAll; }
  ReadPlan BeforeAttention(int, int64_t, const float*, int64_t) override { return {}; }
  bool shares_prefixes() const override { return true; }
  std::unique_ptr<KvSelection> Fork() const override { return std::make_unique<DenseSelection>(); }
};

class KeepAll : public KvRetention {
 public:
  bool shares_prefixes() const override { return true; }
  std::unique_ptr<KvRetention> Fork() const override { return std::make_unique<KeepAll>(); }
};

class PerSequence : public KvExecution {
 public:
  void Attend(const KvFormat& format, std::span<const AttendJob> jobs, const KvShape& shape,
              Threads* threads) const override {
    format.AttendTogether(jobs, false, shape, threads);
  }
};

class InRam : public KvPlacementMaker {
 public:
  absl::StatusOr<std::unique_ptr<KvPlacement>> Make(size_t block_bytes, int64_t blocks,
                                                    size_t compact_bytes) const override {
    return BlockPool::Make(block_bytes, blocks, compact_bytes);
  }
};

// An axis: where a choice keeps its word, the type that its techniques register as, and what is
// built in, the default first.
struct Axis {
  std::string_view name;
  std::string KvChoice::*word;
  std::type_index type;
  std::vector<std::string_view> built_in;
};

const std::vector<Axis>& Axes() {
  static const auto* const axes = new std::vector<Axis>{
      {"format", &KvChoice::format, typeid(KvFormat), {"auto", "q8", "f16"}},
      {"retention", &KvChoice::retention, typeid(KvRetention), {"all"}},
      {"selection", &KvChoice::selection, typeid(KvSelection), {"dense"}},
      {"execution",
       &KvChoice::execution,
       typeid(KvExecution),
       {"automatic", "per-sequence"}},
      {"placement", &KvChoice::placement, typeid(KvPlacementMaker), {"ram"}},
  };
  return *axes;
}

std::vector<std::string_view> ValuesOf(const Axis& axis, const Registry& techniques) {
  std::vector<std::string_view> names = axis.built_in;
  for (const Registry::Entry& e : techniques.entries()) {
    if (e.type == axis.type) names.push_back(e.name);
  }
  return names;
}

std::string_view NameOf(std::string_view word) { return word.substr(0, word.find(':')); }

// The options of a word's technique with what the word sets. Built-in values have none.
absl::StatusOr<OptionTable> OptionsOf(const Axis& axis, std::string_view word,
                                      const Registry& techniques) {
  const std::string_view name = NameOf(word);
  OptionTable table;
  for (const Registry::Entry& e : techniques.entries()) {
    if (e.type == axis.type && e.name == name && e.options != nullptr) table = e.options();
  }
  if (name.size() == word.size()) return table;
  for (std::string_view pair : absl::StrSplit(word.substr(name.size() + 1), ',')) {
    const size_t equals = pair.find('=');
    if (equals == pair.npos) {
      return absl::InvalidArgumentError(
          absl::StrCat("kv: '", word, "': '", pair, "'; expected option=value"));
    }
    const absl::Status set = table.Set(pair.substr(0, equals), pair.substr(equals + 1));
    if (!set.ok()) return Annotate(set, absl::StrCat("kv: '", word, "'"));
  }
  return table;
}

// The value that a choice names on the axis of T: a technique, or else what is built in.
template <class T>
absl::StatusOr<std::unique_ptr<T>> MakeValue(const KvChoice& choice, const Registry& techniques,
                                             std::unique_ptr<T> built_in) {
  for (const Axis& axis : Axes()) {
    if (axis.type != typeid(T)) continue;
    const std::string& word = choice.*axis.word;
    const auto names = ValuesOf(axis, techniques);
    if (std::find(names.begin(), names.end(), NameOf(word)) == names.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("KV ", axis.name, ": '", word, "'; expected ", absl::StrJoin(names, ", ")));
    }
    WEIR_ASSIGN_OR_RETURN(const OptionTable options, OptionsOf(axis, word, techniques));
    const auto& own = axis.built_in;
    if (std::find(own.begin(), own.end(), word) != own.end()) return built_in;
    return techniques.Make<T>(NameOf(word), options);
  }
  return absl::InternalError("KV axis without a row in Axes()");
}

std::unique_ptr<KvFormat> PlainFormatFor(std::string_view name, const KvShape& shape) {
  auto int8 = std::make_unique<PlainFormat>(tensor::KvStorage::kInt8);
  if (name == "q8" || (name == "auto" && int8->Check(shape).ok())) return int8;
  return std::make_unique<PlainFormat>(tensor::KvStorage::kHalf);
}

std::unique_ptr<KvExecution> BuiltInExecution(std::string_view name) {
  if (name == "per-sequence") return std::make_unique<PerSequence>();
  return std::make_unique<HydragenExecution>();  // has the rule of when it pays
}

}  // namespace

absl::StatusOr<std::vector<std::string_view>> KvValues(std::string_view axis,
                                                       const Registry& techniques) {
  for (const Axis& a : Axes()) {
    if (a.name == axis) return ValuesOf(a, techniques);
  }
  return absl::NotFoundError(absl::StrCat(
      "KV axis '", axis, "'; expected format, retention, selection, execution or placement"));
}

absl::StatusOr<KvChoice> ParseKvChoice(std::string_view words, const Registry& techniques) {
  KvChoice choice;
  std::vector<std::string_view> named;
  for (std::string_view word : absl::StrSplit(words, '+')) {
    const Axis* found = nullptr;
    std::vector<std::string_view> all;
    for (const Axis& axis : Axes()) {
      for (std::string_view name : ValuesOf(axis, techniques)) {
        all.push_back(name);
        if (name == NameOf(word)) found = &axis;
      }
    }
    if (found == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("kv: '", word, "'; expected ", absl::StrJoin(all, ", ")));
    }
    if (std::find(named.begin(), named.end(), found->name) != named.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("kv: '", words, "' names the ", found->name, " twice"));
    }
    WEIR_RETURN_IF_ERROR(OptionsOf(*found, word, techniques).status());
    named.push_back(found->name);
    choice.*found->word = std::string(word);
  }
  return choice;
}

absl::StatusOr<std::shared_ptr<const KvPolicy>> KvPolicy::Make(const KvChoice& choice,
                                                                  const KvShape& shape,
                                                                  const Registry& techniques) {
  std::shared_ptr<KvPolicy> policy(new KvPolicy());
  WEIR_ASSIGN_OR_RETURN(policy->format_,
                        MakeValue(choice, techniques, PlainFormatFor(choice.format, shape)));
  WEIR_ASSIGN_OR_RETURN(
      policy->retention_,
      MakeValue<KvRetention>(choice, techniques, std::make_unique<KeepAll>()));
  WEIR_ASSIGN_OR_RETURN(
      policy->selection_,
      MakeValue<KvSelection>(choice, techniques, std::make_unique<DenseSelection>()));
  WEIR_ASSIGN_OR_RETURN(
      policy->execution_,
      MakeValue(choice, techniques, BuiltInExecution(choice.execution)));
  WEIR_ASSIGN_OR_RETURN(
      policy->placement_,
      MakeValue<KvPlacementMaker>(choice, techniques, std::make_unique<InRam>()));
  WEIR_RETURN_IF_ERROR(policy->format_->Check(shape));
  WEIR_RETURN_IF_ERROR(CheckKvPair(*policy->format_, *policy->selection_));
  return std::shared_ptr<const KvPolicy>(std::move(policy));
}

absl::Status CheckKvPair(const KvFormat& format, const KvSelection& selection) {
  if (format.Reads(selection.reads())) return absl::OkStatus();
  return absl::UnimplementedError(
      "KV format and selection: the format has no kernel for what the selection reads");
}

bool KvPolicy::shares_prefixes() const {
  return format_->shares_prefixes() && retention_->shares_prefixes() &&
         selection_->shares_prefixes();
}

absl::StatusOr<std::unique_ptr<KvPlacement>> KvPolicy::MakePlacement(const KvShape& shape,
                                                                     int64_t tokens) const {
  const int64_t blocks_a_layer = (tokens + kBlockTokens - 1) / kBlockTokens;
  return placement_->Make(format_->BlockBytes(shape), blocks_a_layer * shape.layers,
                          format_->CompactBytes(shape));
}

int64_t KvPolicy::CacheBytes(const KvShape& shape, int64_t tokens) const {
  const int64_t blocks = (tokens + kBlockTokens - 1) / kBlockTokens;
  const auto open = static_cast<int64_t>(format_->BlockBytes(shape));
  const auto compact = static_cast<int64_t>(format_->CompactBytes(shape));
  if (compact == 0) return blocks * open * shape.layers;
  const int64_t small = CompactBlocksFor(tokens, format_->open_blocks());
  const int64_t large =
      std::min(blocks, blocks - small + kSpareOpenBlocks + format_->sink_blocks());
  return (small * compact + large * open) * shape.layers;
}

}  // namespace weir::generate
