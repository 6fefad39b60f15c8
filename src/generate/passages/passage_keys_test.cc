// What a second rounding costs stored keys that are turned to other places, on the real models:
//   direct     rounded where they stand, as a prefill stores them
//   turned     rounded where they were computed, turned, rounded again (what the hot form does)
//   unturned   rounded without any turn, turned to their place when read, rounded again
// Errors are root mean squares relative to the keys'. Prints a table (docs/performance.md).
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/threads.h"
#include "generate/session.h"
#include "gtest/gtest.h"
#include "model/catalogue.h"
#include "model/decoder.h"
#include "model/gguf.h"
#include "model/tokenizer.h"
#include "tensor/attention.h"
#include "tensor/kv_move.h"

namespace weir::generate {
namespace {

constexpr int64_t kTokens = 256, kMoved = 1300;  // computed from position 0 on; how far they move

// Takes note of the keys that a decoder stores.
class Recorder : public model::KvSequence {
 public:
  Recorder(PagedSequence* inner, int layers) : inner_(inner), keys(layers) {}
  int64_t length() const override { return inner_->length(); }
  absl::Status Reserve(int64_t n) override { return inner_->Reserve(n); }
  void Append(int layer, int64_t n, const float* k, const float* v, Threads* threads) override {
    const size_t size = n * inner_->shape().kv_heads * inner_->shape().head_dim;
    keys[layer].insert(keys[layer].end(), k, k + size);
    inner_->Append(layer, n, k, v, threads);
  }
  void Attend(int layer, int64_t n, const float* q, float* out, Threads* threads) override {
    inner_->Attend(layer, n, q, out, threads);
  }
  void Commit(int64_t n) override { inner_->Commit(n); }

 private:
  PagedSequence* inner_;

 public:
  std::vector<std::vector<float>> keys;  // [layers][tokens * kv_heads * head_dim]
};

// Keys turned in f32.
std::vector<float> Turned(const std::vector<float>& k, const model::Decoder::KeyMove& move, int dim,
                          size_t width) {
  std::vector<float> out(k.size());
  for (size_t head = 0; head < k.size(); head += dim) {
    for (int i = 0; i < dim / 2; ++i) {
      const size_t a = head + (move.halves ? i : 2 * i);
      const size_t b = head + (move.halves ? i + dim / 2 : 2 * i + 1);
      const double c = move.cos_sin[2 * i], s = move.cos_sin[2 * i + 1];
      out[a] = static_cast<float>(k[a] * c - k[b] * s);
      out[b] = static_cast<float>(k[b] * c + k[a] * s);
    }
  }
  for (size_t i = 0; i < out.size() && !move.shift.empty(); ++i) out[i] += move.shift[i % width];
  return out;
}

class Blocks {
 public:
  Blocks(int heads, int dim) : heads_(heads), dim_(dim) {
    const size_t size = tensor::KvBlockBytes(heads, dim, tensor::KvStorage::kInt8);
    memory_.resize(kTokens / 32 * size);
    for (int64_t b = 0; b < kTokens / 32; ++b) {
      to.push_back(&memory_[b * size]);
      from.push_back(&memory_[b * size]);
    }
  }
  void Write(const std::vector<float>& k) {
    const std::vector<float> v(heads_ * dim_, 0.0f);
    for (int64_t t = 0; t < kTokens; ++t) {
      tensor::WriteKv(to[t / 32], t % 32, &k[t * heads_ * dim_], v.data(), heads_, dim_,
                      tensor::KvStorage::kInt8);
    }
  }
  // The sum of squares of what is stored less `want`.
  double Error(const std::vector<float>& want) const {
    std::vector<float> k(heads_ * dim_), v(k.size());
    double sum = 0;
    for (int64_t t = 0; t < kTokens; ++t) {
      tensor::ReadKv(from[t / 32], t % 32, k.data(), v.data(), heads_, dim_,
                     tensor::KvStorage::kInt8);
      for (size_t i = 0; i < k.size(); ++i) {
        const double off = k[i] - want[t * k.size() + i];
        sum += off * off;
      }
    }
    return sum;
  }
  std::vector<std::byte*> to;
  std::vector<const std::byte*> from;

 private:
  int heads_, dim_;
  std::vector<std::byte> memory_;
};

// What rounding costs the keys of one model, relative to their size.
struct Errors {
  double direct = 0;    // rounded once, where they stand
  double turned = 0;    // rounded, turned by kMoved, rounded again
  double unturned = 0;  // stored as at position 0, then turned to their places
};

Errors ErrorsOf(const model::Decoder& decoder, const KvShape& shape, const Recorder& recorder) {
  const int dim = shape.head_dim;
  const size_t width = static_cast<size_t>(shape.kv_heads) * dim;
  double size = 0;
  Errors sums;
  for (int l = 0; l < shape.layers; ++l) {
    const std::vector<float>& k = recorder.keys[l];
    const auto move = decoder.MoveKeys(l, kMoved);
    const std::vector<float> want = Turned(k, move, dim, width);
    // Keys less what does not turn: a constant that all keys share changes no weight of attention,
    // but belongs to their size; the errors are relative to what is left.
    std::vector<double> mean(width, 0.0);
    for (size_t i = 0; i < want.size(); ++i) mean[i % width] += want[i] / kTokens;
    for (size_t i = 0; i < want.size(); ++i)
      size += (want[i] - mean[i % width]) * (want[i] - mean[i % width]);
    Blocks stored(shape.kv_heads, dim), moved(shape.kv_heads, dim);
    const tensor::KeyTurn turn = {move.cos_sin.data(), move.halves,
                                  move.shift.empty() ? nullptr : move.shift.data()};
    stored.Write(want);
    sums.direct += stored.Error(want);
    stored.Write(k);
    tensor::MoveKv({stored.from, moved.to, 0, 0, kTokens, shape.kv_heads, dim}, turn);
    sums.turned += moved.Error(want);
    // Each token back to position 0, rounded, and from there to its place.
    std::vector<float> plain(k.size());
    for (int64_t t = 0; t < kTokens; ++t) {
      const std::vector<float> row(k.begin() + t * width, k.begin() + (t + 1) * width);
      const auto back = Turned(row, decoder.MoveKeys(l, -t), dim, width);
      std::copy(back.begin(), back.end(), plain.begin() + t * width);
    }
    stored.Write(plain);
    for (int64_t t = 0; t < kTokens; ++t) {
      const auto there = decoder.MoveKeys(l, kMoved + t);
      tensor::MoveKv({stored.from, moved.to, t, t, 1, shape.kv_heads, dim},
                     {there.cos_sin.data(), there.halves,
                      there.shift.empty() ? nullptr : there.shift.data()});
    }
    sums.unturned += moved.Error(want);
  }
  const auto relative = [size](double error) { return std::sqrt(error / size); };
  return {relative(sums.direct), relative(sums.turned), relative(sums.unturned)};
}

TEST(PassageKeysModelTest, ASecondRoundingCostsLittle) {
  Threads two(2);
  Context context;
  context.threads = &two;
  int tried = 0;
  for (const char* name :
       {"smollm2-135m", "qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b", "gemma3-270m"}) {
    const auto record = model::Locate(name);
    if (!record.ok() || !record->installed) continue;
    ++tried;
    auto file = model::GgufFile::Open(record->path);
    ASSERT_TRUE(file.ok()) << file.status();
    auto tokenizer = model::Tokenizer::FromGguf(**file);
    auto decoder = model::Decoder::Load(*file, context);
    ASSERT_TRUE(tokenizer.ok() && decoder.ok());
    const auto text = ReadFile("tests/data/dev-docs/olmec-colossal-heads.txt");
    if (!text.ok()) GTEST_SKIP() << "run in the project's folder";
    std::vector<int32_t> tokens = (*tokenizer)->Encode(*text, {});
    ASSERT_GE(tokens.size(), size_t{kTokens});
    tokens.resize(kTokens);
    KvChoice choice;
    choice.format = "q8";
    auto session = Session::Make(*decoder, choice, kTokens);
    ASSERT_TRUE(session.ok()) << session.status();
    const KvShape& shape = (*session)->sequence().shape();
    Recorder recorder(&(*session)->sequence(), shape.layers);
    ASSERT_TRUE((*decoder)
                    ->Forward(tokens, recorder, model::LogitRows::kNone, {},
                              (*session)->workspace(), context)
                    .ok());
    const Errors errors = ErrorsOf(**decoder, shape, recorder);
    std::printf("| %s | %.5f | %.5f | %.5f |\n", name, errors.direct, errors.turned,
                errors.unturned);
    EXPECT_LT(errors.turned, 1.6 * errors.direct) << name;  // two errors: 1.41
    EXPECT_LT(errors.direct, 0.05) << name;
  }
  if (tried == 0) GTEST_SKIP() << "no model is installed";
}

}  // namespace
}  // namespace weir::generate
