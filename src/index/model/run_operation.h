// For tests only: runs a scripted operation on a store and says which generations it made.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "index/model/store_model.h"

namespace weir::index {

// Calls `before` ahead of each call of the encoder; its error is the encoder's.
template <class Encoder, class Output>
class WatchedEncoder final : public Encoder {
 public:
  WatchedEncoder(const Encoder& encoder, std::function<absl::Status()> before)
      : Encoder(encoder), before_(std::move(before)) {}
  absl::Status Encode(std::span<const std::string_view> texts, text::EncodeAs as,
                      std::span<Output> out, const Context& context) const override {
    if (absl::Status status = before_(); !status.ok()) return status;
    return Encoder::Encode(texts, as, out, context);
  }

 private:
  std::function<absl::Status()> before_;
};

struct Ran {
  std::string wrong;  // what was not as scripted; "" when nothing
  int64_t first = 0, last = 0;  // generation before and after
  // Of each of Script::Steps: the generation that first had it. What comes between, merges made.
  std::vector<int64_t> begins;
};

inline int64_t GenerationOf(const Store& store) { return store.Status()->generation; }

// `expected`: calls of the encoder for passages that lack vectors.
inline absl::Status RunEncode(Store& store, const Operation& op, bool notes, bool exchanges,
                              size_t expected, Ran& ran) {
  static const ModelEncoders encoders;
  constexpr int64_t kLongNs = int64_t{6} * 1000'000'000;  // after which a commit is due
  int64_t now_ns = 0;
  Context context;
  context.now_ns = [&now_ns] { return now_ns; };
  std::vector<int64_t> calls;  // the generation at each
  const auto before = [&]() -> absl::Status {
    // Behind the pending passages come those whose tokens are encoded again.
    if (op.modality == kMulti && calls.size() == expected) return absl::OkStatus();
    calls.push_back(GenerationOf(store));
    if (op.commit_each_call) now_ns += kLongNs;
    if (op.fail_at + 1 == static_cast<int>(calls.size()))
      return absl::UnavailableError("a scripted failure of the encoder");
    return absl::OkStatus();
  };
  const auto at = static_cast<size_t>(op.encoder);
  absl::Status status;
  if (op.modality == kDense) {
    const WatchedEncoder<HashEncoder, float> encoder(encoders.dense[at], before);
    status = store.EncodePending(encoder, context);
  } else if (op.modality == kSparse) {
    const WatchedEncoder<HashSparseEncoder, text::SparseVector> encoder(encoders.sparse[at],
                                                                        before);
    status = store.EncodePending(encoder, context);
  } else {
    const WatchedEncoder<FewTokensEncoder, text::TokenVectors> encoder(encoders.tokens[at],
                                                                       before);
    status = store.EncodePending(encoder, encoders.fixed[at], context);
  }
  if (notes) ran.begins.push_back(ran.first + 1);
  const size_t encoded = calls.size() - (absl::IsUnavailable(status) ? 1 : 0);
  if (op.commit_each_call) {
    for (size_t i = 0; i < encoded; ++i) ran.begins.push_back(calls[i] + 1);
  } else if (encoded > 0) {
    ran.begins.push_back(calls.back() + 1);
  }
  if (exchanges && status.ok()) ran.begins.push_back(GenerationOf(store));  // the last commit
  return status;
}

inline absl::Status RunOther(Store& store, const Operation& op) {
  switch (op.kind) {
    case Operation::Kind::kAdd: return store.AddBatch(op.batch, {});
    case Operation::Kind::kRemove: return store.Remove(op.paths[0], op.tenant);
    case Operation::Kind::kGrant: return store.Grant(op.tenant, op.paths).status();
    case Operation::Kind::kRevoke: return store.Revoke(op.tenant, op.paths).status();
    case Operation::Kind::kFailure: return store.RecordFailure(op.paths[0], "scripted");
    default: return store.Compact({});
  }
}

inline Ran RunOperation(Store& store, const Model& before, const Operation& op, size_t steps) {
  Ran ran;
  ran.first = GenerationOf(store);
  absl::Status status;
  if (op.kind == Operation::Kind::kEncode) {
    status = RunEncode(store, op, Script::Notes(before, op), Script::Exchanges(before, op),
                       Script::Calls(before, op), ran);
  } else {
    status = RunOther(store, op);
    // A failure is noted beside the generations.
    if (steps > 0) ran.begins = {ran.first + (op.kind != Operation::Kind::kFailure)};
  }
  ran.last = GenerationOf(store);
  if (status.code() != Script::Expected(before, op)) {
    ran.wrong = absl::StrCat("operation of kind ", static_cast<int>(op.kind), ": ",
                             status.ToString());
  } else if (ran.begins.size() != steps) {
    ran.wrong = absl::StrCat("operation of kind ", static_cast<int>(op.kind), ": ",
                             ran.begins.size(), " commits; expected ", steps);
  }
  return ran;
}

}  // namespace weir::index
