#include "generate/passages/passages_bench.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/statistics.h"
#include "base/status.h"
#include "generate/bench_peer.h"
#include "generate/passages/passage_cache.h"
#include "generate/sample/random.h"
#include "generate/sample/sampler.h"
#include "generate/session.h"
#include "model/gguf.h"

namespace weir::generate {
namespace fs = std::filesystem;
namespace {

constexpr int kPassages = 8;
constexpr int64_t kPassageTokens = 250, kHeadTokens = 40, kTailTokens = 45;
constexpr int64_t kTotal = kHeadTokens + kPassages * kPassageTokens + kTailTokens;

// A folder of its own that goes with the object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    const char* base = std::getenv("TMPDIR");
    path_ = absl::StrCat(base == nullptr ? "/tmp" : base, "/weir-bench-XXXXXX");
    if (mkdtemp(path_.data()) == nullptr) path_.clear();
  }
  ~TemporaryFolder() {
    std::error_code error;
    if (!path_.empty()) fs::remove_all(path_, error);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class Bench {
 public:
  Bench(const LlmBenchOptions& options, const PassageOptions& passages, const Context& context,
        const Registry& techniques)
      : options_(options),
        context_(context),
        techniques_(techniques),
        passage_options_(passages) {}

  absl::StatusOr<PassagesBench> Go() {
    if (folder_.path().empty()) return absl::UnavailableError("bench: no temporary folder");
    WEIR_RETURN_IF_ERROR(Open());
    const PassageFingerprint fingerprint =
        PassageCache::Fingerprint("bench", prompt_.head, *session_);
    cache_.emplace(PassageStore(folder_.path(), "bench", fingerprint), prompt_.head,
                   session_.get());
    for (const auto& passage : prompt_.passages) {
      WEIR_RETURN_IF_ERROR(cache_->Fill(passage, context_).status());
    }
    std::vector<double> stored, prefill, peer, load, again;
    for (int64_t r = -1; r < options_.rounds; ++r) {  // the first is not counted
      WEIR_RETURN_IF_ERROR(context_.CheckCancelled());
      Shuffle(r + 1);
      PassageReport report;
      WEIR_ASSIGN_OR_RETURN(const double ours, Stored(report));
      WEIR_ASSIGN_OR_RETURN(const double own, Prefill());
      double theirs = 0;
      if (peer_ != nullptr) {
        WEIR_ASSIGN_OR_RETURN(theirs, Peer());
      }
      if (r < 0) continue;
      stored.push_back(ours);
      prefill.push_back(own);
      peer.push_back(theirs);
      load.push_back(report.load_s);
      again.push_back(report.compute_s + report.choose_s);
    }
    WEIR_RETURN_IF_ERROR(EvictFiles());
    PassageReport report;
    WEIR_ASSIGN_OR_RETURN(const double from_disk, Stored(report));
    return Result(stored, prefill, peer, load, again, from_disk);
  }

 private:
  absl::Status Open() {
    WEIR_ASSIGN_OR_RETURN(auto file, model::GgufFile::Open(options_.model_path));
    WEIR_ASSIGN_OR_RETURN(decoder_, model::Decoder::Load(file, context_));
    WEIR_ASSIGN_OR_RETURN(const KvChoice kv, ParseKvChoice(options_.kv));
    WEIR_ASSIGN_OR_RETURN(session_, Session::Make(decoder_, kv, kTotal + 64, techniques_));
    WEIR_RETURN_IF_ERROR(PassageCache::Check(*session_));
    prompt_.head = Tokens(kHeadTokens, 1);
    prompt_.tail = Tokens(kTailTokens, 2);
    for (int i = 0; i < kPassages; ++i) {
      prompt_.passages.push_back({absl::StrCat("passage-", i), Tokens(kPassageTokens, 10 + i)});
    }
    if (options_.peer_python.empty()) return absl::OkStatus();
    const int threads = context_.threads == nullptr ? 1 : context_.threads->count();
    WEIR_ASSIGN_OR_RETURN(
        peer_,
        BenchPeer::Start({options_.peer_python, options_.peer_script, options_.model_path,
                          "--threads", absl::StrCat(threads), "--context", absl::StrCat(4096)}));
    return absl::OkStatus();
  }

  // Any tokens do: speed does not depend on what they say.
  std::vector<int32_t> Tokens(int64_t n, uint64_t seed) const {
    std::vector<int32_t> tokens(n);
    for (int64_t i = 0; i < n; ++i) {
      tokens[i] =
          static_cast<int32_t>(UniformAt(seed, i) * std::min(decoder_->shape().vocabulary, 30000));
    }
    return tokens;
  }

  // Never the order in which they were stored, which a prefix cache would profit from.
  void Shuffle(int64_t round) {
    std::rotate(prompt_.passages.begin(), prompt_.passages.begin() + 1 + round % 5,
                prompt_.passages.end());
    std::swap(prompt_.passages[1 + round % 3], prompt_.passages[5]);
  }

  absl::StatusOr<double> Stored(PassageReport& report) {
    const std::vector<int32_t> tokens = prompt_.Tokens();
    session_->times() = {};
    const int64_t start = SteadyNowNs();
    WEIR_ASSIGN_OR_RETURN(report, cache_->Read(prompt_, passage_options_, context_));
    WEIR_RETURN_IF_ERROR(session_->Feed(tokens, context_));
    (void)ArgMax(session_->logits());
    const double seconds = static_cast<double>(SteadyNowNs() - start) * 1e-9;
    times_ = session_->times();
    again_ = report.again;
    session_->EndBorrow();
    bytes_ = report.bytes;
    if (report.missing > 0) return absl::InternalError("bench: a passage was not stored");
    return seconds;
  }

  absl::StatusOr<double> Prefill() {
    session_->Forget();
    const std::vector<int32_t> tokens = prompt_.Tokens();
    const int64_t start = SteadyNowNs();
    WEIR_RETURN_IF_ERROR(session_->Feed(tokens, context_));
    (void)ArgMax(session_->logits());
    return static_cast<double>(SteadyNowNs() - start) * 1e-9;
  }

  absl::StatusOr<double> Peer() {
    WEIR_ASSIGN_OR_RETURN(
        const std::string answer,
        peer_->Ask(absl::StrFormat(R"({"stored": 0, "tokens": %d, "batch": true})", kTotal)));
    double speed = 0;
    if (!absl::SimpleAtod(answer, &speed) || !(speed > 0)) {
      return absl::UnavailableError(
          absl::StrCat("peer: answered '", answer, "'; expected tokens/s"));
    }
    return static_cast<double>(kTotal) / speed;
  }

  // Lets the system forget the files, so that the next read comes from the disk.
  absl::Status EvictFiles() const {
    for (const auto& entry : fs::directory_iterator(cache_->store().folder())) {
      const int fd = open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
      if (fd < 0) return absl::UnavailableError(entry.path().string());
      (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
      close(fd);
    }
    return absl::OkStatus();
  }

  PassagesBench Result(const std::vector<double>& stored, const std::vector<double>& prefill,
                       const std::vector<double>& peer, const std::vector<double>& load,
                       const std::vector<double>& again, double from_disk) const {
    PassagesBench out;
    LlmBenchRow& row = out.row;
    row.name = kPassagesRow;
    row.unit = "ms";
    row.rounds = options_.rounds;
    row.weir = 1e3 * Median(stored);
    row.spread = Spread(stored);
    const double own = 1e3 * Median(prefill);
    if (peer_ != nullptr) {
      row.baseline = 1e3 * Median(peer);
      row.baseline_name = "llama.cpp";
      row.ratio = row.baseline / row.weir;
    }
    out.details = absl::StrFormat(
        "%d tokens, own prefill %.0f ms (%.1f times), reading %.1f ms, the question and %d "
        "tokens again (%s %.3f) %.1f ms (%s), from disk %.0f ms, %.2f MB a passage",
        kTotal, own, own / row.weir, 1e3 * Median(load), again_,
        passage_options_.recompute, passage_options_.share, 1e3 * Median(again), TimeSplit(times_),
        1e3 * from_disk,
        1e-6 * static_cast<double>(bytes_) / kPassages);
    return out;
  }

  const LlmBenchOptions& options_;
  const Context& context_;
  const Registry& techniques_;
  TemporaryFolder folder_;
  std::shared_ptr<const model::Decoder> decoder_;
  std::unique_ptr<Session> session_;
  std::unique_ptr<BenchPeer> peer_;
  std::optional<PassageCache> cache_;
  PassageOptions passage_options_;
  PassagePrompt prompt_;
  int64_t bytes_ = 0, again_ = 0;
  model::DecoderTimes times_;  // of the last round from stored passages
};

}  // namespace

absl::StatusOr<PassagesBench> RunPassagesBench(const LlmBenchOptions& options,
                                               const PassageOptions& passages,
                                               const Context& context,
                                               const Registry& techniques) {
  return Bench(options, passages, context, techniques).Go();
}

}  // namespace weir::generate
