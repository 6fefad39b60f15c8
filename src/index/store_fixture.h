// For tests only: a store in a temporary folder, small documents, and an encoder without a model.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "index/store.h"

namespace weir::index {

// Unit vectors drawn from a generator seeded with the text's hash: same text, same vector.
class HashEncoder : public text::Encoder {
 public:
  explicit HashEncoder(int dimensions) : dimensions_(dimensions) {}
  int dimensions() const override { return dimensions_; }
  std::string name() const override { return absl::StrCat("hash-", dimensions_); }
  std::string fingerprint() const override { return name(); }
  std::vector<float> One(std::string_view text) const {
    uint64_t hash = 1469598103934665603u;
    for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
    std::mt19937_64 random(hash);
    std::vector<float> v(dimensions_);
    double sum = 0;
    for (float& x : v) {
      x = static_cast<float>(static_cast<double>(random() >> 11) / 9007199254740992.0 - 0.5);
      sum += double{x} * double{x};
    }
    for (float& x : v) x = static_cast<float>(x / std::sqrt(sum));
    return v;
  }
  absl::Status Encode(std::span<const std::string_view> texts, text::EncodeAs, std::span<float> out,
                      const Context&) const override {
    for (size_t i = 0; i < texts.size(); ++i) {
      const std::vector<float> v = One(texts[i]);
      std::copy(v.begin(), v.end(), out.begin() + static_cast<long>(i) * dimensions_);
    }
    return absl::OkStatus();
  }

 private:
  int dimensions_;
};

// A vector a word, that of HashEncoder for it.
class HashTokenEncoder : public text::TokenEncoder {
 public:
  explicit HashTokenEncoder(int dimensions = 16) : words_(dimensions) {}
  int dimensions() const override { return words_.dimensions(); }
  std::string name() const override { return absl::StrCat("tokens-", words_.name()); }
  std::string fingerprint() const override { return name(); }
  text::TokenVectors One(std::string_view text) const {
    text::TokenVectors out;
    for (std::string_view word : absl::StrSplit(text, absl::ByAnyChar(" \n"), absl::SkipEmpty())) {
      const std::vector<float> v = words_.One(word);
      out.insert(out.end(), v.begin(), v.end());
    }
    return out;
  }
  absl::Status Encode(std::span<const std::string_view> texts, text::EncodeAs,
                      std::span<text::TokenVectors> out, const Context&) const override {
    for (size_t i = 0; i < texts.size(); ++i) out[i] = One(texts[i]);
    return absl::OkStatus();
  }

 private:
  HashEncoder words_;
};

// Terms 0 to 199 drawn from a generator seeded with the text's hash.
class HashSparseEncoder : public text::SparseEncoder {
 public:
  explicit HashSparseEncoder(int32_t vocabulary = 200) : vocabulary_(vocabulary) {}
  int32_t vocabulary() const override { return vocabulary_; }
  std::string name() const override { return absl::StrCat("sparse-hash-", vocabulary_); }
  std::string fingerprint() const override { return name(); }
  std::string Term(int32_t term) const override { return absl::StrCat("t", term); }
  // "t7" is term 7; other words are unknown.
  std::vector<int32_t> Words(std::string_view text) const override {
    std::vector<int32_t> terms;
    for (std::string_view word : absl::StrSplit(text, absl::ByAnyChar(" \n"), absl::SkipEmpty())) {
      int32_t term = -1;
      const bool named = word[0] == 't' && absl::SimpleAtoi(word.substr(1), &term);
      terms.push_back(named && term >= 0 && term < vocabulary_ ? term : -1);
    }
    return terms;
  }
  std::vector<int32_t> TermsOf(std::string_view word) const override { return Words(word); }
  text::SparseVector One(std::string_view text) const {
    std::mt19937_64 random(std::hash<std::string_view>()(text));
    text::SparseVector v;
    for (int32_t t = 0; t < vocabulary_; ++t) {
      if (random() % (4 + t / 4) == 0)
        v.push_back({t, 0.01f * static_cast<float>(1 + random() % 300)});
    }
    return v;
  }
  absl::Status Encode(std::span<const std::string_view> texts, text::EncodeAs,
                      std::span<text::SparseVector> out, const Context&) const override {
    for (size_t i = 0; i < texts.size(); ++i) out[i] = One(texts[i]);
    return absl::OkStatus();
  }

 private:
  int32_t vocabulary_;
};

// One document, a passage for each `passage_bytes` of its text.
inline Prepared Make(const std::string& path, const std::string& text,
                     size_t passage_bytes = 1 << 20) {
  Prepared p;
  p.document.path = path;
  p.document.text = text;
  p.document.format = "text";
  p.document.sha256 = absl::StrCat("hash of ", text);
  for (size_t at = 0; at < text.size(); at += passage_bytes) {
    text::Passage passage;
    passage.text = text.substr(at, passage_bytes);
    passage.span = {static_cast<int64_t>(at), static_cast<int64_t>(at + passage.text.size())};
    p.passages.push_back(passage);
  }
  return p;
}

// Words by Zipf's law, so that some are in most documents and most in few.
inline std::string RandomText(std::mt19937& random, size_t words) {
  std::vector<std::string> out;
  for (size_t i = 0; i < words; ++i) {
    const double u = std::uniform_real_distribution<double>(0.001, 1)(random);
    out.push_back(absl::StrCat("w", static_cast<int>(1 / u) % 300));
  }
  return absl::StrJoin(out, " ");
}

// Where a hit stands and what it scores: the same in two stores with other ids.
using Seen = std::tuple<std::string, int64_t, float>;

class StoreFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::temp_directory_path() /
              absl::StrCat("weir_store_", ::getpid(), "_", test->name());
    std::filesystem::remove_all(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  const std::string& folder() const { return folder_; }
  std::unique_ptr<Store> OpenWrite() { return Open(Store::Mode::kWrite); }
  std::unique_ptr<Store> OpenRead() { return Open(Store::Mode::kRead); }

 private:
  std::unique_ptr<Store> Open(Store::Mode mode) {
    auto store = Store::Open(folder_, mode, {});
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }
  std::string folder_;
};

}  // namespace weir::index
