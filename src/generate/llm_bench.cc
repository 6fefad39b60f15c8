#include "generate/llm_bench.h"

#include <algorithm>
#include <memory>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/statistics.h"
#include "base/status.h"
#include "generate/bench_peer.h"
#include "generate/sample/random.h"
#include "generate/sample/sampler.h"
#include "generate/session.h"
#include "model/gguf.h"
#include "tensor/machine_limits.h"

namespace weir::generate {
namespace {

constexpr int64_t kDecodePrompt = 16;  // tokens stored before a plain decode round

struct Case {
  std::string name;
  int64_t stored = 0;   // tokens before the clock starts
  int64_t prefill = 0;  // timed as one batch; 0: the timed tokens are decoded one by one
};

class Bench {
 public:
  Bench(const LlmBenchOptions& options, const Context& context, const Registry& techniques)
      : options_(options), context_(context), techniques_(techniques) {}

  absl::StatusOr<std::vector<LlmBenchRow>> Go() {
    if (!options_.baseline_kv.empty() && !options_.peer_python.empty()) {
      return absl::InvalidArgumentError("bench: baseline-kv and peer; expected one of them");
    }
    if (options_.rounds < 1 || options_.decode_tokens < 1 || options_.prefill_tokens < 1 ||
        options_.depth_tokens < 1) {
      return absl::InvalidArgumentError("bench: rounds and token counts must be at least 1");
    }
    const Case cases[] = {
        {"decode", kDecodePrompt, 0},
        {absl::StrCat("prefill-", options_.prefill_tokens), 0, options_.prefill_tokens},
        {DepthName(options_.depth_tokens), options_.depth_tokens, 0}};
    const auto wanted = [&](const Case& c) {
      const auto& only = options_.only;
      return only.empty() || std::find(only.begin(), only.end(), c.name) != only.end();
    };
    std::vector<LlmBenchRow> rows;
    if (std::none_of(std::begin(cases), std::end(cases), wanted)) return rows;
    WEIR_ASSIGN_OR_RETURN(auto file, model::GgufFile::Open(options_.model_path));
    WEIR_ASSIGN_OR_RETURN(decoder_, model::Decoder::Load(file, context_));
    const int64_t window = std::max(options_.depth_tokens, options_.prefill_tokens) +
                           kDecodePrompt + options_.decode_tokens;
    WEIR_ASSIGN_OR_RETURN(session_, MakeSession(options_.kv, window));
    if (!options_.baseline_kv.empty()) {
      WEIR_ASSIGN_OR_RETURN(baseline_, MakeSession(options_.baseline_kv, window));
    }
    if (!options_.peer_python.empty()) WEIR_RETURN_IF_ERROR(StartPeer(window));
    for (const Case& c : cases) {
      if (!wanted(c)) continue;
      WEIR_ASSIGN_OR_RETURN(LlmBenchRow row, Measure(c));
      row.limit =
          c.prefill > 0 ? int8_peak_ / ProductsPerToken() : bandwidth_ / BytesPerToken(c.stored);
      rows.push_back(std::move(row));
    }
    return rows;
  }

 private:
  static std::string DepthName(int64_t tokens) {
    return tokens % 1024 == 0 ? absl::StrCat("decode-", tokens / 1024, "k")
                              : absl::StrCat("decode-", tokens);
  }

  absl::StatusOr<std::unique_ptr<Session>> MakeSession(std::string_view words, int64_t window) {
    WEIR_ASSIGN_OR_RETURN(const KvChoice kv, ParseKvChoice(words, techniques_));
    return Session::Make(decoder_, kv, window, techniques_);
  }

  absl::Status StartPeer(int64_t window) {
    const int threads = context_.threads == nullptr ? 1 : context_.threads->count();
    WEIR_ASSIGN_OR_RETURN(
        peer_,
        BenchPeer::Start({options_.peer_python, options_.peer_script, options_.model_path,
                          "--threads", absl::StrCat(threads), "--context", absl::StrCat(window)}));
    return absl::OkStatus();
  }

  double BytesPerToken(int64_t stored) const {
    int64_t tokens = 0;  // over all layers
    for (const model::DecoderShape::Layer& layer : decoder_->shape().per_layer) {
      tokens += layer.window > 0 ? std::min(layer.window, stored) : stored;
    }
    const int64_t room = session_->window() * decoder_->shape().layers;
    return static_cast<double>(decoder_->weight_bytes() +
                               tokens * session_->cache_bytes() / room);
  }

  // The best of the whole run, measured beside each round: neighbours on a shared machine take half
  // of it at times.
  void SampleLimits() {
    constexpr int64_t kBeyondCaches = int64_t{512} << 20;
    const auto bytes = static_cast<size_t>(std::min(decoder_->weight_bytes(), kBeyondCaches));
    bandwidth_ = std::max(bandwidth_, tensor::ReadBandwidth(bytes, context_.threads));
    int8_peak_ = std::max(int8_peak_, tensor::Int8Peak(context_.threads));
  }

  // Multiply-adds of a prefilled token with the weights; the head runs for the last token alone.
  double ProductsPerToken() const {
    const model::DecoderShape& s = decoder_->shape();
    const double queries = static_cast<double>(s.heads) * s.head_dim;
    const double keys = static_cast<double>(s.kv_heads) * s.head_dim;
    return s.layers * s.hidden * (2 * queries + 2 * keys + 3.0 * s.ffn);
  }

  // Any tokens do: speed does not depend on what they say.
  std::vector<int32_t> Tokens(int64_t n) const {
    std::vector<int32_t> tokens(n);
    for (int64_t i = 0; i < n; ++i) {
      tokens[i] =
          static_cast<int32_t>(UniformAt(1, i) * std::min(decoder_->shape().vocabulary, 30000));
    }
    return tokens;
  }

  absl::StatusOr<double> Round(const Case& c, Session& session, LlmBenchRow& row) {
    session.Forget();
    const int64_t timed = c.prefill > 0 ? c.prefill : options_.decode_tokens;
    const std::vector<int32_t> tokens = Tokens(c.stored + timed);
    if (c.stored > 0)
      WEIR_RETURN_IF_ERROR(session.Feed(std::span(tokens).first(c.stored), context_));
    session.times() = {};
    const int64_t start = SteadyNowNs();
    if (c.prefill > 0) {
      WEIR_RETURN_IF_ERROR(session.Feed(tokens, context_));
    } else {
      for (int64_t i = 0; i < timed; ++i) {
        WEIR_RETURN_IF_ERROR(session.Append(tokens[c.stored + i], context_));
        (void)ArgMax(session.logits());
      }
    }
    const double seconds = static_cast<double>(SteadyNowNs() - start) * 1e-9;
    AddTimes(session.times(), row.times);
    row.tokens += timed;
    row.cache_bytes = session.used_cache_bytes();
    return static_cast<double>(timed) / seconds;
  }

  absl::StatusOr<double> PeerRound(const Case& c) {
    const std::string line = absl::StrFormat(
        R"({"stored": %d, "tokens": %d, "batch": %s})", c.stored,
        c.prefill > 0 ? c.prefill : options_.decode_tokens, c.prefill > 0 ? "true" : "false");
    WEIR_ASSIGN_OR_RETURN(const std::string answer, peer_->Ask(line));
    double speed = 0;
    if (!absl::SimpleAtod(answer, &speed) || !(speed > 0)) {
      return absl::UnavailableError(
          absl::StrCat("peer: answered '", answer, "'; expected tokens/s"));
    }
    return speed;
  }

  absl::StatusOr<LlmBenchRow> Measure(const Case& c) {
    LlmBenchRow row;
    row.name = c.name;
    row.rounds = options_.rounds;
    // One round of each is not counted: pages are touched and clocks settle.
    LlmBenchRow other;  // of the baseline's cache
    WEIR_RETURN_IF_ERROR(Round(c, *session_, row).status());
    if (baseline_ != nullptr) WEIR_RETURN_IF_ERROR(Round(c, *baseline_, other).status());
    if (peer_ != nullptr) WEIR_RETURN_IF_ERROR(PeerRound(c).status());
    row.times = {};
    row.tokens = 0;
    std::vector<double> ours, theirs;
    for (int64_t r = 0; r < options_.rounds; ++r) {
      WEIR_RETURN_IF_ERROR(context_.CheckCancelled());
      SampleLimits();
      WEIR_ASSIGN_OR_RETURN(const double speed, Round(c, *session_, row));
      ours.push_back(speed);
      if (baseline_ != nullptr) {
        WEIR_ASSIGN_OR_RETURN(const double beside, Round(c, *baseline_, other));
        theirs.push_back(beside);
      }
      if (peer_ == nullptr) continue;
      WEIR_ASSIGN_OR_RETURN(const double peer_speed, PeerRound(c));
      theirs.push_back(peer_speed);
    }
    row.weir = Median(ours);
    row.spread = Spread(ours);
    if (!theirs.empty()) {
      row.baseline = Median(theirs);
      row.baseline_name =
          peer_ != nullptr ? "llama.cpp" : absl::StrCat("kv ", options_.baseline_kv);
      row.baseline_cache_bytes = other.cache_bytes;
      row.ratio = row.weir / row.baseline;
    }
    return row;
  }

  const LlmBenchOptions& options_;
  const Context& context_;
  const Registry& techniques_;
  std::shared_ptr<const model::Decoder> decoder_;
  std::unique_ptr<Session> session_, baseline_;
  std::unique_ptr<BenchPeer> peer_;
  double bandwidth_ = 0, int8_peak_ = 0;  // bytes and multiply-adds a second
};

}  // namespace

absl::StatusOr<std::vector<LlmBenchRow>> RunLlmBench(const LlmBenchOptions& options,
                                                     const Context& context,
                                                     const Registry& techniques) {
  return Bench(options, context, techniques).Go();
}

void AddTimes(const model::DecoderTimes& t, model::DecoderTimes& sum) {
  sum.qkv += t.qkv, sum.attention += t.attention, sum.output += t.output;
  sum.ffn += t.ffn, sum.head += t.head, sum.other += t.other;
}

std::string TimeSplit(const model::DecoderTimes& t) {
  const double total = std::max<double>(1, static_cast<double>(t.total()));
  const auto share = [total](int64_t ns) { return 100.0 * static_cast<double>(ns) / total; };
  return absl::StrFormat(
      "qkv %.0f%%, attention %.0f%%, output %.0f%%, ffn %.0f%%, head %.0f%%, other %.0f%%",
      share(t.qkv), share(t.attention), share(t.output), share(t.ffn), share(t.head),
      share(t.other));
}

}  // namespace weir::generate
