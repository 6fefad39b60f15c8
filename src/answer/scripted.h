// Scripted ports for the room's tests: a bag-of-words encoder, a pipeline over given passages, and
// a model that says what it is told. No weights, no files.
#pragma once

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "answer/ask.h"
#include "answer/question.h"
#include "text/ports.h"

namespace weir::answer {

// Texts that share stems are near: each stem adds one to a hashed bucket.
class BagEncoder : public text::Encoder {
 public:
  int dimensions() const override { return 256; }
  std::string name() const override { return "bag"; }
  std::string fingerprint() const override { return "bag-1"; }
  absl::Status Encode(std::span<const std::string_view> texts, text::EncodeAs, std::span<float> out,
                      const Context&) const override {
    for (size_t i = 0; i < texts.size(); ++i) {
      float* row = out.data() + i * 256;
      std::fill(row, row + 256, 0.0f);
      row[0] = 0.01f;  // no zero vectors
      for (const std::string& stem : ContentStems(texts[i]))
        row[std::hash<std::string>()(stem) % 256] += 1;
      float norm = 0;
      for (int j = 0; j < 256; ++j) norm += row[j] * row[j];
      for (int j = 0; j < 256; ++j) row[j] /= std::sqrt(norm);
    }
    return absl::OkStatus();
  }
};

// Returns the given passages for every query, in order; each is a document of its own.
class FixedPipeline : public retrieve::Pipeline {
 public:
  explicit FixedPipeline(std::vector<std::string> passages) : passages_(std::move(passages)) {}
  absl::StatusOr<std::vector<text::Hit>> Search(std::string_view, const Context&) const override {
    std::vector<text::Hit> hits;
    for (size_t i = 0; i < passages_.size(); ++i) {
      text::Hit hit;
      hit.rank = static_cast<int>(i) + 1;
      hit.score = 1.0 / (i + 1);
      hit.scores["dense"] = 0.6 / (i + 1);
      hit.document = {static_cast<int64_t>(i), "doc" + std::to_string(i) + ".txt", "hash", "Title"};
      hit.passage.id = hit.passage.document = static_cast<int64_t>(i);
      hit.passage.span = {0, static_cast<int64_t>(passages_[i].size())};
      hit.passage.page = 1;
      hit.passage.text = passages_[i];
      hits.push_back(std::move(hit));
    }
    return hits;
  }

 private:
  std::vector<std::string> passages_;
};

class SayingCompleter : public text::Completer {
 public:
  explicit SayingCompleter(std::string says) : says_(std::move(says)) {}
  std::string name() const override { return "script"; }
  int64_t context_tokens() const override { return 2048; }
  absl::StatusOr<int64_t> CountTokens(std::string_view text) const override {
    return text.size() / 4 + 1;
  }
  absl::StatusOr<text::Completion> Complete(const text::CompletionRequest& request,
                                            const Context&) override {
    last_prompt = request.messages.back().content;
    requests.push_back(request);
    const bool other = requests.size() - 1 < others.size();
    return text::Completion{.text = other ? others[requests.size() - 1] : says_,
                            .finish = "stop",
                            .prompt_tokens = 10,
                            .tokens = 5};
  }
  absl::StatusOr<std::vector<double>> LogLikelihood(const std::vector<text::ChatMessage>&,
                                                    std::span<const std::string> continuations,
                                                    const Context&) override {
    return std::vector<double>(continuations.size(), -1.0);
  }
  std::string last_prompt;
  std::vector<text::CompletionRequest> requests;
  std::vector<std::string> others;  // what it says to the first requests instead

 private:
  std::string says_;
};

}  // namespace weir::answer
