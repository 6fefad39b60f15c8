#include "generate/speculate/speculate_bench.h"

#include <algorithm>
#include <memory>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/files.h"
#include "base/statistics.h"
#include "base/status.h"
#include "generate/bench_peer.h"
#include "generate/completion.h"
#include "generate/prompt.h"
#include "generate/session.h"
#include "generate/speculate/cited_prompts.h"
#include "model/gguf.h"
#include "tensor/machine_limits.h"

namespace weir::generate {
namespace {

constexpr char kCited[] = "decode-cited", kGain[] = "decode-cited-gain", kNovel[] = "decode-novel";
constexpr int kCostRounds = 7;
constexpr uint64_t kMostPromptBytes = uint64_t{64} << 20;

// One text, written in each of several ways.
struct Text {
  std::vector<int32_t> prompt, answer;
  std::string words;  // the answer, with its last token
  std::vector<std::vector<int32_t>> quotable;
  int64_t prompt_rows = 0, prompt_ns = 0;  // that were read, and how long it took
  SampleOptions sampling;
};

// Of one round over all texts: decoded tokens after the first of each, and their time.
struct Sum {
  double tokens = 0, seconds = 0;
  double speed() const { return seconds > 0 ? tokens / seconds : 0; }
};

bool Wants(const std::vector<std::string>& only, std::string_view row) {
  return only.empty() || std::find(only.begin(), only.end(), row) != only.end();
}

class Bench {
 public:
  Bench(const SpeculateBenchOptions& options, SpeculateChoice choice, const Context& context,
        const Registry& techniques)
      : options_(options), choice_(choice), context_(context), techniques_(techniques) {}

  absl::Status Load() {
    WEIR_ASSIGN_OR_RETURN(const std::string lines,
                          ReadFile(options_.prompts_path, kMostPromptBytes));
    WEIR_ASSIGN_OR_RETURN(const auto all, ParseCitedPrompts(options_.prompts_path, lines));
    if (all.empty()) return absl::DataLossError(options_.prompts_path + ": no prompts");
    WEIR_ASSIGN_OR_RETURN(file_, model::GgufFile::Open(options_.model_path));
    WEIR_ASSIGN_OR_RETURN(tokenizer_, model::Tokenizer::FromGguf(*file_));
    WEIR_ASSIGN_OR_RETURN(auto decoder, model::Decoder::Load(file_, context_));
    weight_bytes_ = decoder->weight_bytes();
    const PromptWriter writer(*file_, tokenizer_.get());
    const size_t count = std::min(all.size(), static_cast<size_t>(options_.prompts));
    size_t longest = 0;
    for (size_t i = 0; i < count; ++i) {
      const CitedPrompt& prompt = all[i * all.size() / count];
      Text& text = texts_.emplace_back();
      WEIR_ASSIGN_OR_RETURN(text.prompt, writer.Tokens(prompt.messages));
      for (const std::string& t : prompt.quotable) {
        text.quotable.push_back(tokenizer_->Encode(t, {}));
      }
      longest = std::max(longest, text.prompt.size());
    }
    const int64_t window = static_cast<int64_t>(longest) + options_.answer_tokens;
    WEIR_ASSIGN_OR_RETURN(const KvChoice kv, ParseKvChoice(options_.kv));
    WEIR_ASSIGN_OR_RETURN(session_, Session::Make(decoder, kv, window, techniques_));
    bandwidth_ = tensor::ReadBandwidth(
        static_cast<size_t>(std::min<int64_t>(weight_bytes_, int64_t{512} << 20)),
        context_.threads);
    if (options_.peer_python.empty() || !Wants(options_.only, kCited)) return absl::OkStatus();
    const int threads = context_.threads == nullptr ? 1 : context_.threads->count();
    WEIR_ASSIGN_OR_RETURN(
        peer_, BenchPeer::Start({options_.peer_python, options_.peer_script, options_.model_path,
                                 "--threads", absl::StrCat(threads), "--context",
                                 absl::StrCat(window)}));
    return absl::OkStatus();
  }

  // Fills `out` with the rows over the cited answers.
  absl::Status Cited(SpeculateBench& out) {
    std::vector<Sum> on(options_.rounds), off = on, peer = on;
    Start();
    for (size_t i = 0; i < texts_.size(); ++i) {
      WEIR_RETURN_IF_ERROR(Measure(texts_[i], absl::StrCat("answer ", i + 1), peer_.get(), on, off,
                                   peer, out));
    }
    if (Wants(options_.only, kCited)) {
      out.rows.push_back(Row(kCited, on, peer, peer_ == nullptr ? "" : "llama.cpp"));
    }
    if (Wants(options_.only, kGain)) out.rows.push_back(Row(kGain, on, off, "speculation off"));
    return absl::OkStatus();
  }

  absl::Status Novel(SpeculateBench& out) {
    std::vector<Sum> on(options_.rounds), off = on, peer = on;
    Start();
    for (uint64_t seed = 0; seed < 2; ++seed) {
      Text text = texts_[seed % texts_.size()];
      text.answer.clear();
      text.words.clear();
      text.sampling = {.temperature = 3, .top_k = 0, .top_p = 1, .min_p = 0, .seed = seed};
      WEIR_RETURN_IF_ERROR(
          Measure(text, absl::StrCat("novel text ", seed + 1), nullptr, on, off, peer, out));
    }
    out.rows.push_back(Row(kNovel, on, off, "speculation off"));
    return absl::OkStatus();
  }

 private:
  struct Passes {
    int64_t tokens = 0, drafted = 0, accepted = 0, passes = 0;
  };

  // Each round is an engine of its own: what it learns in one answer it knows in the next.
  void Start() {
    passes_ = {};
    engines_.clear();
    for (int64_t r = 0; r < options_.rounds; ++r) engines_.emplace_back(choice_);
  }

  // What a pass over several rows costs in passes over one, after the stored prompt.
  absl::StatusOr<std::string> PassCosts(const Text& text) {
    std::string note = "a pass over";
    double one = 0;
    for (int rows : {1, 2, 3, 4, 6, 8, 12, 16}) {
      if (rows > options_.answer_tokens) break;
      std::vector<double> times;
      for (int r = 0; r < kCostRounds; ++r) {
        const int64_t start = SteadyNowNs();
        const auto tokens =
            std::span(text.prompt).first(std::min<size_t>(rows, text.prompt.size()));
        WEIR_RETURN_IF_ERROR(session_->AppendAll(tokens, context_).status());
        times.push_back(static_cast<double>(SteadyNowNs() - start) * 1e-6);
        session_->Truncate(static_cast<int64_t>(text.prompt.size()));
      }
      const double time = Median(times);
      if (rows == 1) {
        one = time;
        absl::StrAppendFormat(&note, " one row takes %.1f ms; over", time);
      } else {
        absl::StrAppendFormat(&note, "%s %d: %.2f", rows == 2 ? "" : ",", rows, time / one);
      }
    }
    return note + " times that";
  }

  absl::Status Measure(Text& text, std::string_view name, BenchPeer* peer, std::vector<Sum>& on,
                       std::vector<Sum>& off, std::vector<Sum>& theirs, SpeculateBench& out) {
    session_->Forget();
    const int64_t start = SteadyNowNs();
    WEIR_RETURN_IF_ERROR(session_->Feed(text.prompt, context_));
    text.prompt_rows = static_cast<int64_t>(text.prompt.size());
    text.prompt_ns = SteadyNowNs() - start;
    // Not counted: it finds the answer, and clocks settle.
    Sum first, on_sum, off_sum, peer_sum;
    Speculation without({.on = false});
    WEIR_RETURN_IF_ERROR(Write(text, without, first));
    if (out.notes.empty()) {
      session_->Truncate(text.prompt_rows);
      WEIR_ASSIGN_OR_RETURN(std::string costs, PassCosts(text));
      out.notes.push_back(std::move(costs));
    }
    if (peer != nullptr) WEIR_RETURN_IF_ERROR(AskPeer(*peer, text, first));
    const Passes before = passes_;
    for (int64_t r = 0; r < options_.rounds; ++r) {
      WEIR_RETURN_IF_ERROR(context_.CheckCancelled());
      // In turns, and each first in turn.
      for (int turn = 0; turn < 2; ++turn) {
        const bool with = (turn + r) % 2 == 0;
        Sum sum;
        WEIR_RETURN_IF_ERROR(Write(text, with ? engines_[r] : without, sum));
        Add(sum, with ? on[r] : off[r]);
        Add(sum, with ? on_sum : off_sum);
      }
      if (peer == nullptr) continue;
      Sum sum;
      WEIR_RETURN_IF_ERROR(AskPeer(*peer, text, sum));
      Add(sum, theirs[r]);
      Add(sum, peer_sum);
    }
    const int64_t rounds = options_.rounds;
    out.notes.push_back(absl::StrFormat(
        "%s: prompt %d, %d tokens, %.1f tokens/s, %.1f without drafts, peer %.1f; a round drafted "
        "%d, accepted %d in %d passes",
        name, text.prompt.size(), text.answer.size(), on_sum.speed(), off_sum.speed(),
        peer_sum.speed(), (passes_.drafted - before.drafted) / rounds,
        (passes_.accepted - before.accepted) / rounds, (passes_.passes - before.passes) / rounds));
    return absl::OkStatus();
  }

  static void Add(const Sum& sum, Sum& to) {
    to.tokens += sum.tokens;
    to.seconds += sum.seconds;
  }

  // Writes the text after its stored prompt; the first time it is kept, then it is compared.
  absl::Status Write(Text& text, Speculation& speculation, Sum& sum) {
    speculation.Begin(text.prompt, text.quotable);
    speculation.PromptTook(text.prompt_rows, text.prompt_ns);
    text::CompletionRequest request;
    request.max_tokens = options_.answer_tokens;
    WEIR_ASSIGN_OR_RETURN(const auto writer,
                          CompletionWriter::Make(text.prompt, std::move(request), text.sampling,
                                                 nullptr, *tokenizer_, context_.now_ns));
    WEIR_ASSIGN_OR_RETURN(
        const text::Completion done,
        RunCompletion(text.prompt, *writer, *session_, speculation, context_));
    // All but the last token are in the cache, or all when an end token followed.
    const std::span<const int32_t> stored = session_->tokens();
    std::vector<int32_t> answer(stored.begin() + text.prompt.size(), stored.end());
    if (text.answer.empty()) {
      text.answer = answer;
      text.words = done.text;
    } else if (text.answer != answer || text.words != done.text) {
      return absl::InternalError("speculation: other tokens than without");
    }
    if (done.tokens > 1) {
      sum.tokens += static_cast<double>(done.tokens - 1);
      sum.seconds += done.total_s - done.first_token_s;
    }
    if (!speculation.on()) return absl::OkStatus();
    passes_.tokens += done.tokens;
    passes_.drafted += done.drafted;
    passes_.accepted += done.accepted;
    passes_.passes += done.draft_passes;
    return absl::OkStatus();
  }

  absl::Status AskPeer(BenchPeer& peer, const Text& text, Sum& sum) {
    if (text.answer.empty()) return absl::OkStatus();
    const std::string line =
        absl::StrFormat(R"({"prompt": [%s], "answer": [%s]})", absl::StrJoin(text.prompt, ","),
                        absl::StrJoin(text.answer, ","));
    WEIR_ASSIGN_OR_RETURN(const std::string answer, peer.Ask(line));
    double speed = 0;
    if (!absl::SimpleAtod(answer, &speed) || !(speed > 0)) {
      return absl::UnavailableError(
          absl::StrCat("peer: answered '", answer, "'; expected tokens/s"));
    }
    sum.tokens += static_cast<double>(text.answer.size());
    sum.seconds += static_cast<double>(text.answer.size()) / speed;
    return absl::OkStatus();
  }

  LlmBenchRow Row(std::string name, const std::vector<Sum>& ours, const std::vector<Sum>& theirs,
                  std::string baseline_name) const {
    std::vector<double> a, b;
    for (const Sum& sum : ours) a.push_back(sum.speed());
    for (const Sum& sum : theirs) b.push_back(sum.speed());
    LlmBenchRow row;
    row.name = std::move(name);
    row.weir = Median(a);
    row.spread = Spread(a);
    row.rounds = options_.rounds;
    row.baseline_name = std::move(baseline_name);
    if (!row.baseline_name.empty()) row.baseline = Median(b);
    if (row.baseline > 0) row.ratio = row.weir / row.baseline;
    // Each pass reads the weights once.
    const double passes = static_cast<double>(passes_.tokens - passes_.accepted);
    if (passes > 0) {
      row.limit = bandwidth_ / static_cast<double>(weight_bytes_) *
                  static_cast<double>(passes_.tokens) / passes;
    }
    return row;
  }

  const SpeculateBenchOptions& options_;
  SpeculateChoice choice_;
  const Context& context_;
  const Registry& techniques_;
  std::shared_ptr<const model::GgufFile> file_;
  std::unique_ptr<model::Tokenizer> tokenizer_;
  std::unique_ptr<Session> session_;
  std::unique_ptr<BenchPeer> peer_;
  std::vector<Text> texts_;
  std::vector<Speculation> engines_;  // [rounds]
  Passes passes_;  // of the rounds with speculation
  int64_t weight_bytes_ = 0;
  double bandwidth_ = 0;  // bytes a second
};

}  // namespace

bool WantsSpeculateBench(const std::vector<std::string>& only) {
  return Wants(only, kCited) || Wants(only, kGain) || Wants(only, kNovel);
}

absl::StatusOr<SpeculateBench> RunSpeculateBench(const SpeculateBenchOptions& options,
                                                 const Context& context,
                                                 const Registry& techniques) {
  if (options.prompts < 1 || options.rounds < 1 || options.answer_tokens < 2 ||
      options.answer_tokens > 100000) {
    return absl::InvalidArgumentError(
        "bench: prompts and rounds must be at least 1, answers 2 to 100000 tokens");
  }
  WEIR_ASSIGN_OR_RETURN(const SpeculateChoice choice, ParseSpeculate(options.speculate));
  Bench bench(options, choice, context, techniques);
  WEIR_RETURN_IF_ERROR(bench.Load());
  SpeculateBench out;
  if (Wants(options.only, kCited) || Wants(options.only, kGain)) {
    WEIR_RETURN_IF_ERROR(bench.Cited(out));
  }
  if (Wants(options.only, kNovel)) WEIR_RETURN_IF_ERROR(bench.Novel(out));
  return out;
}

}  // namespace weir::generate
