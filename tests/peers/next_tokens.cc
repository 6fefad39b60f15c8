// For compare_llama.py: for each window of tokens, the likeliest next token and the log-probability
// of the true one after every position. usage: next_tokens MODEL.gguf IDS THREADS [KV [ROWS]]
// IDS holds one window of ids a line; for each, three lines are printed: ids, log-probabilities,
// and an FNV-1a hash of all logits' bits, which must not depend on THREADS or on ROWS, the tokens
// that are computed together (64).
#include <bit>
#include <cstdint>
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

class Predictor {
 public:
  Predictor(std::shared_ptr<const model::Decoder> decoder, std::string kv, size_t rows,
            const Context& context)
      : decoder_(std::move(decoder)),
        workspace_(decoder_->MakeWorkspace(rows)),
        kv_(std::move(kv)),
        rows_(rows),
        context_(context) {}

  absl::Status Window(const std::vector<int32_t>& tokens) {
    const size_t vocabulary = decoder_->shape().vocabulary;
    const generate::KvShape shape = generate::KvShapeOf(decoder_->shape());
    auto choice = generate::ParseKvChoice(kv_);
    if (!choice.ok()) return choice.status();
    auto policy = generate::KvPolicy::Make(*choice, shape);
    if (!policy.ok()) return policy.status();
    auto placement = (*policy)->MakePlacement(shape, static_cast<int64_t>(tokens.size()));
    if (!placement.ok()) return placement.status();
    generate::PagedSequence sequence(*policy, shape, placement->get());
    std::string scores;
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t at = 0; at < tokens.size(); at += rows_) {
      const size_t n = std::min(rows_, tokens.size() - at);
      std::vector<float> logits(n * vocabulary);
      absl::Status status =
          decoder_->Forward(std::span(tokens).subspan(at, n), sequence, model::LogitRows::kAll,
                            std::span(logits), *workspace_, context_);
      if (!status.ok()) return status;
      for (size_t i = 0; i < n; ++i) {
        const std::span<float> row(&logits[i * vocabulary], vocabulary);
        for (const float x : row) hash = (hash ^ std::bit_cast<uint32_t>(x)) * 0x100000001b3u;
        std::printf("%d ", generate::ArgMax(row));
        if (at + i + 1 == tokens.size()) continue;
        const double target = row[tokens[at + i + 1]];
        char text[32];
        std::snprintf(text, sizeof(text), "%.6f ", target - generate::LogSumExp(row));
        scores += text;
      }
    }
    std::printf("\n%s\n%016llx\n", scores.c_str(), static_cast<unsigned long long>(hash));
    return absl::OkStatus();
  }

 private:
  std::shared_ptr<const model::Decoder> decoder_;
  std::unique_ptr<model::Decoder::Workspace> workspace_;
  const std::string kv_;
  const size_t rows_;
  const Context& context_;
};

absl::Status Run(const std::string& model, const std::string& ids, int thread_count,
                 const std::string& kv, size_t rows) {
  Threads threads(thread_count);
  Context context;
  context.threads = &threads;
  auto file = model::GgufFile::Open(model);
  if (!file.ok()) return file.status();
  auto decoder = model::Decoder::Load(*file, context);
  if (!decoder.ok()) return decoder.status();
  Predictor predictor(*decoder, kv, rows, context);
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
  const int rows = argc > 5 ? std::atoi(argv[5]) : 64;
  if (argc < 4 || argc > 6 || rows <= 0) {
    std::fprintf(stderr, "usage: next_tokens MODEL.gguf IDS THREADS [KV [ROWS]]\n");
    return 64;
  }
  const absl::Status status =
      Run(argv[1], argv[2], std::atoi(argv[3]), argc > 4 ? argv[4] : "auto", rows);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
