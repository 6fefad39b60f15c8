#include "generate/kv/policy.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "generate/kv/block_pool.h"
#include "generate/kv/hydragen.h"
#include "generate/kv/plain_format.h"

namespace weir::generate {
namespace {

struct AxisValue {
  std::string_view axis, name;
};
// Every value this build has; the first of an axis is its default.
constexpr AxisValue kValues[] = {
    {"format", "auto"},  {"format", "q8"},       {"format", "f16"},
    {"retention", "all"}, {"selection", "dense"}, {"execution", "automatic"},
    {"execution", "hydragen"}, {"execution", "per-sequence"}, {"placement", "ram"},
};

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

std::string& NameOn(KvChoice& c, std::string_view axis) {
  if (axis == "format") return c.format;
  if (axis == "retention") return c.retention;
  if (axis == "selection") return c.selection;
  if (axis == "execution") return c.execution;
  return c.placement;
}

std::unique_ptr<const KvFormat> MakeFormat(std::string_view name) {
  return std::make_unique<PlainFormat>(name == "f16" ? tensor::KvStorage::kHalf
                                                     : tensor::KvStorage::kInt8);
}

}  // namespace

absl::StatusOr<std::vector<std::string_view>> KvValues(std::string_view axis) {
  std::vector<std::string_view> names;
  for (const AxisValue& v : kValues) {
    if (v.axis == axis) names.push_back(v.name);
  }
  if (names.empty()) {
    return absl::NotFoundError(absl::StrCat(
        "KV axis '", axis, "'; expected format, retention, selection, execution or placement"));
  }
  return names;
}

absl::StatusOr<KvChoice> ParseKvChoice(std::string_view words) {
  KvChoice choice;
  std::vector<std::string_view> named;
  for (std::string_view word : absl::StrSplit(words, '+')) {
    const AxisValue* found = nullptr;
    for (const AxisValue& v : kValues) {
      if (v.name == word) found = &v;
    }
    if (found == nullptr) {
      std::vector<std::string_view> all;
      for (const AxisValue& v : kValues) all.push_back(v.name);
      return absl::InvalidArgumentError(
          absl::StrCat("kv: '", word, "'; expected ", absl::StrJoin(all, ", ")));
    }
    if (std::find(named.begin(), named.end(), found->axis) != named.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("kv: '", words, "' names the ", found->axis, " twice"));
    }
    named.push_back(found->axis);
    NameOn(choice, found->axis) = std::string(word);
  }
  return choice;
}

absl::StatusOr<std::shared_ptr<const KvPolicy>> KvPolicy::Make(const KvChoice& requested,
                                                                  const KvShape& shape) {
  KvChoice choice = requested;
  for (std::string_view axis : {"format", "retention", "selection", "execution", "placement"}) {
    WEIR_ASSIGN_OR_RETURN(const auto names, KvValues(axis));
    if (std::find(names.begin(), names.end(), NameOn(choice, axis)) != names.end()) continue;
    return absl::InvalidArgumentError(absl::StrCat("KV ", axis, ": '", NameOn(choice, axis),
                                                   "'; expected ", absl::StrJoin(names, ", ")));
  }
  std::shared_ptr<KvPolicy> policy(new KvPolicy());
  policy->choice_ = choice;
  if (choice.format == "auto") {
    policy->format_ = MakeFormat("q8");
    if (!policy->format_->Check(shape).ok()) policy->format_ = MakeFormat("f16");
  } else {
    policy->format_ = MakeFormat(choice.format);
  }
  WEIR_RETURN_IF_ERROR(policy->format_->Check(shape));
  if (choice.execution == "per-sequence") {
    policy->execution_ = std::make_unique<PerSequence>();
  } else {  // hydragen has the rule of when it pays
    policy->execution_ = std::make_unique<HydragenExecution>();
  }
  WEIR_RETURN_IF_ERROR(CheckKvPair(*policy->format_, *policy->MakeSelection()));
  return std::shared_ptr<const KvPolicy>(std::move(policy));
}

absl::Status CheckKvPair(const KvFormat& format, const KvSelection& selection) {
  if (format.Reads(selection.reads())) return absl::OkStatus();
  return absl::UnimplementedError(
      "KV format and selection: the format has no kernel for what the selection reads");
}

bool KvPolicy::shares_prefixes() const {
  return format_->shares_prefixes() && MakeRetention()->shares_prefixes() &&
         MakeSelection()->shares_prefixes();
}

std::unique_ptr<KvRetention> KvPolicy::MakeRetention() const { return std::make_unique<KeepAll>(); }
std::unique_ptr<KvSelection> KvPolicy::MakeSelection() const {
  return std::make_unique<DenseSelection>();
}

absl::StatusOr<std::unique_ptr<KvPlacement>> KvPolicy::MakePlacement(const KvShape& shape,
                                                                     int64_t tokens) const {
  const int64_t blocks_a_layer = (tokens + kBlockTokens - 1) / kBlockTokens;
  return BlockPool::Make(format_->BlockBytes(shape), blocks_a_layer * shape.layers);
}

}  // namespace weir::generate
