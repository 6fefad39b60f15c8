// For compare_llama.py: for each window of tokens, the likeliest next token and the log-probability
// of the true one after every position. usage: next_tokens MODEL.gguf IDS THREADS IDS holds one
// window of ids a line; for each, two lines are printed: ids, then log-probabilities.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "base/threads.h"
#include "generate/sample/sampler.h"
#include "generate/session.h"
#include "model/gguf.h"

namespace {

using namespace weir;

constexpr size_t kRows = 64;  // logits held at once

class Predictor {
 public:
  Predictor(std::shared_ptr<const model::Decoder> decoder, const Context& context)
      : decoder_(std::move(decoder)),
        workspace_(decoder_->MakeWorkspace(kRows)),
        context_(context) {}

  absl::Status Window(const std::vector<int32_t>& tokens) {
    const size_t vocabulary = decoder_->shape().vocabulary;
    const generate::KvShape shape = generate::KvShapeOf(decoder_->shape());
    auto policy = *generate::KvPolicy::Make({});
    auto placement = policy->MakePlacement(shape, static_cast<int64_t>(tokens.size()));
    if (!placement.ok()) return placement.status();
    generate::PagedSequence sequence(policy, shape, placement->get());
    std::string scores;
    for (size_t at = 0; at < tokens.size(); at += kRows) {
      const size_t n = std::min(kRows, tokens.size() - at);
      std::vector<float> logits(n * vocabulary);
      absl::Status status =
          decoder_->Forward(std::span(tokens).subspan(at, n), sequence, model::LogitRows::kAll,
                            std::span(logits), *workspace_, context_);
      if (!status.ok()) return status;
      for (size_t i = 0; i < n; ++i) {
        const std::span<float> row(&logits[i * vocabulary], vocabulary);
        std::printf("%d ", generate::ArgMax(row));
        if (at + i + 1 == tokens.size()) continue;
        const double target = row[tokens[at + i + 1]];
        char text[32];
        std::snprintf(text, sizeof(text), "%.6f ", target - generate::LogSumExp(row));
        scores += text;
      }
    }
    std::printf("\n%s\n", scores.c_str());
    return absl::OkStatus();
  }

 private:
  std::shared_ptr<const model::Decoder> decoder_;
  std::unique_ptr<model::Decoder::Workspace> workspace_;
  const Context& context_;
};

absl::Status Run(const std::string& model, const std::string& ids, int thread_count) {
  Threads threads(thread_count);
  Context context;
  context.threads = &threads;
  auto file = model::GgufFile::Open(model);
  if (!file.ok()) return file.status();
  auto decoder = model::Decoder::Load(*file, context);
  if (!decoder.ok()) return decoder.status();
  Predictor predictor(*decoder, context);
  std::ifstream in(ids);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::vector<int32_t> tokens;
    for (int32_t id; words >> id;) tokens.push_back(id);
    if (absl::Status status = predictor.Window(tokens); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: next_tokens MODEL.gguf IDS THREADS\n");
    return 64;
  }
  const absl::Status status = Run(argv[1], argv[2], std::atoi(argv[3]));
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
