#include "generate/passages/passage_cache.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/status.h"
#include "generate/kv/plain_format.h"
#include "generate/passages/stored_rows.h"
#include "tensor/kv_move.h"

namespace weir::generate {
namespace {

// Raised whenever stored keys and values would differ from what prefill gives now.
constexpr uint32_t kNumerics = 1;
// A part whose file is damaged is computed and read again; more than this often, and the disk is at
// fault.
constexpr int kMostAttempts = 3;
// Tokens at most of what a passage is computed behind, the latest: as many as several passages
// have.
constexpr size_t kMostBefore = 4096;
// The layers whose attention chooses tokens, as fractions of the depth.
constexpr double kProbeFrom = 0.4, kProbeTo = 0.5;

double SecondsSince(int64_t start_ns) {
  return static_cast<double>(SteadyNowNs() - start_ns) * 1e-9;
}

}  // namespace

// One run of tokens with its file and where it goes.
struct PassageCache::Part {
  std::string key;
  std::shared_ptr<const PassageFile> file;
  int64_t position = 0;
  // Computed in another place, or behind what the prompt may not have there: it knows nothing of
  // the passages before it.
  bool apart = false;

  int64_t tokens() const { return static_cast<int64_t>(file->tokens().size()); }
  bool cold() const { return file->header().form == PassageForm::kCoded; }
  // What stands where it was computed, bit for bit, needs no second look.
  bool exact() const { return !cold() && !apart; }
  // A layer with a window keeps its last tokens alone.
  bool whole(const KvShape& shape) const {
    for (int l = 0; cold() && l < shape.layers; ++l) {
      if (shape.window(l) > 0 && shape.window(l) < tokens()) return false;
    }
    if (cold()) return true;
    for (int l = 0; l < file->header().layers; ++l) {
      if (file->layer(l).first > 0) return false;
    }
    return true;
  }
};

std::vector<int32_t> PassagePrompt::Tokens() const {
  std::vector<int32_t> all = head;
  for (const Passage& p : passages) all.insert(all.end(), p.tokens.begin(), p.tokens.end());
  all.insert(all.end(), tail.begin(), tail.end());
  return all;
}

PassageFingerprint PassageCache::Fingerprint(std::string_view model_digest,
                                             std::span<const int32_t> head,
                                             const Session& session) {
  const std::string_view head_bytes(reinterpret_cast<const char*>(head.data()), head.size_bytes());
  const std::string digest = absl::HexStringToBytes(
      Sha256(absl::StrCat("weir passage ", kNumerics, "\n", model_digest, "\n", head_bytes)));
  PassageFingerprint out{};
  std::memcpy(out.data(), digest.data(), std::min(out.size(), digest.size()));
  return out;
}

absl::Status PassageCache::Check(Session& session) {
  const auto* plain = dynamic_cast<const PlainFormat*>(&session.sequence().format());
  if (plain != nullptr && plain->storage() == tensor::KvStorage::kInt8) return absl::OkStatus();
  return absl::UnimplementedError(
      "passage cache: passages are stored as q8 blocks; the KV cache is of another format (--kv "
      "q8)");
}

std::vector<int32_t> PassageCache::TokensBefore(const PassagePrompt::Passage& passage) const {
  std::vector<int32_t> all;
  if (tokenizer_ == nullptr || passage.key == kHeadKey) return all;
  // One by one, as the passages themselves: so a passage's tokens continue its predecessor's, and
  // the session need not compute those again.
  for (const std::string& text : passage.before) {
    const std::vector<int32_t> tokens = tokenizer_->Encode(text, {});
    all.insert(all.end(), tokens.begin(), tokens.end());
  }
  const auto room = std::max<int64_t>(
      0, session_->window() - static_cast<int64_t>(head_.size() + passage.tokens.size()));
  const size_t most = std::min(kMostBefore, static_cast<size_t>(room));
  if (all.size() > most) all.erase(all.begin(), all.end() - static_cast<std::ptrdiff_t>(most));
  return all;
}

absl::StatusOr<std::shared_ptr<const PassageFile>> PassageCache::Find(
    const PassagePrompt::Passage& passage) {
  WEIR_ASSIGN_OR_RETURN(auto file, store_.Find(passage.key));
  const std::span<const int32_t> tokens = passage.tokens;
  const KvShape& shape = session_->sequence().shape();
  const PassageHeader& h = file->header();
  const bool is_head = passage.key == kHeadKey;
  const bool behind = !is_head && !passage.before.empty();  // more than the head
  const auto least = static_cast<int64_t>(is_head ? 0 : head_.size());
  const bool fits = h.layers == shape.layers && h.kv_heads == shape.kv_heads &&
                    h.head_dim == shape.head_dim && h.position >= least &&
                    (behind || h.position == least) &&
                    std::equal(tokens.begin(), tokens.end(), file->tokens().begin(),
                               file->tokens().end());
  if (!fits) {
    return absl::FailedPreconditionError(absl::StrCat(file->name(), ": of other tokens"));
  }
  if (h.form == PassageForm::kCoded) {
    const ColdTables* tables = Tables();
    if (tables == nullptr || tables->checksum() != h.tables) {
      return absl::FailedPreconditionError(absl::StrCat(file->name(), ": without its tables"));
    }
    for (size_t c = 0; c < file->chunks().size(); ++c) WEIR_RETURN_IF_ERROR(file->Verify(c));
    return file;
  }
  for (int l = 0; l < shape.layers; ++l) {
    const int64_t window = shape.window(l), n = static_cast<int64_t>(tokens.size());
    if (file->layer(l).first > (window > 0 ? std::max<int64_t>(0, n - window) : 0)) {
      return absl::FailedPreconditionError(absl::StrCat(file->name(), ": of another window"));
    }
  }
  return file;
}

absl::StatusOr<bool> PassageCache::Fill(const PassagePrompt::Passage& passage,
                                        const Context& context) {
  if (!store_.Has(kHeadKey)) WEIR_RETURN_IF_ERROR(Compute(Head(), context).status());
  const auto found = Find(passage);
  // Find has looked at all of a cold one.
  bool whole = found.ok();
  if (whole && (*found)->header().form == PassageForm::kBlocks) {
    for (int l = 0; l < (*found)->header().layers; ++l) whole = whole && (*found)->Verify(l).ok();
  }
  if (whole) return false;
  WEIR_RETURN_IF_ERROR(Compute(passage, context).status());
  unkept_.clear();
  // What cannot be kept is an error here, where keeping is all there is to do.
  WEIR_RETURN_IF_ERROR(kept_);
  return true;
}

const ColdTables* PassageCache::Tables() {
  if (!tables_.has_value()) {
    auto loaded = ColdTables::Load(store_.folder(), session_->sequence().shape());
    if (loaded.ok()) tables_ = *std::move(loaded);
  }
  return tables_.has_value() ? &*tables_ : nullptr;
}

bool PassageCache::HasTables() { return Tables() != nullptr; }

absl::Status PassageCache::Cool(std::span<const std::string> keys, int level,
                                const Context& context) {
  PagedSequence& sequence = session_->sequence();
  std::vector<std::shared_ptr<const PassageFile>> hot;
  std::vector<std::string> names;
  for (const std::string& key : keys) {
    WEIR_ASSIGN_OR_RETURN(auto file, store_.Find(key));
    if (file->header().form != PassageForm::kBlocks) continue;
    hot.push_back(std::move(file));
    names.push_back(key);
  }
  if (hot.empty()) return absl::OkStatus();
  if (Tables() == nullptr) {
    WEIR_ASSIGN_OR_RETURN(tables_, ColdTables::Fit(hot, sequence.shape(), sequence.format(),
                                                   session_->decoder(), context.threads));
    WEIR_RETURN_IF_ERROR(tables_->Save(store_.folder()));
  }
  for (size_t i = 0; i < hot.size(); ++i) {
    WEIR_RETURN_IF_ERROR(context.CheckCancelled());
    WEIR_ASSIGN_OR_RETURN(const std::string bytes,
                          EncodeCold(*hot[i], *tables_, level, sequence.shape(), sequence.format(),
                                     session_->decoder(), context.threads));
    WEIR_RETURN_IF_ERROR(store_.Put(names[i], PassageForm::kCoded, bytes));
  }
  return absl::OkStatus();
}

// Runs head, what stands before and the tokens, and cuts the tokens' keys and values out of the
// session's cache.
absl::StatusOr<std::shared_ptr<const PassageFile>> PassageCache::Compute(
    const PassagePrompt::Passage& passage, const Context& context) {
  const std::string& key = passage.key;
  const std::span<const int32_t> tokens = passage.tokens;
  std::vector<int32_t> all;
  if (key != kHeadKey) {
    all = head_;
    const std::vector<int32_t> before = TokensBefore(passage);
    all.insert(all.end(), before.begin(), before.end());
  }
  const auto position = static_cast<int64_t>(all.size());
  all.insert(all.end(), tokens.begin(), tokens.end());
  session_->EndBorrow();
  WEIR_RETURN_IF_ERROR(session_->Feed(all, context));
  PagedSequence& sequence = session_->sequence();
  const KvShape& shape = sequence.shape();
  const auto n = static_cast<int64_t>(tokens.size());
  const size_t block_bytes =
      tensor::KvBlockBytes(shape.kv_heads, shape.head_dim, tensor::KvStorage::kInt8);
  std::vector<std::vector<std::byte>> bytes(shape.layers);
  std::vector<PassageLayer> layers(shape.layers);
  for (int l = 0; l < shape.layers; ++l) {
    const int64_t window = shape.window(l);
    layers[l].first = window > 0 ? std::max<int64_t>(0, n - window) : 0;
    const int64_t count = n - layers[l].first;
    const auto blocks = static_cast<size_t>((count + kBlockTokens - 1) / kBlockTokens);
    bytes[l].resize(blocks * block_bytes);
    std::vector<std::byte*> to;
    for (size_t b = 0; b < blocks; ++b) to.push_back(&bytes[l][b * block_bytes]);
    const std::vector<std::byte*> from = sequence.Blocks(l);
    const std::vector<const std::byte*> readable(from.begin(), from.end());
    tensor::MoveKv({readable, to, position + layers[l].first, 0, count, shape.kv_heads,
                    shape.head_dim},
                   {});
    layers[l].bytes = bytes[l];
  }
  const PassageHeader header{PassageForm::kBlocks, store_.fingerprint(), shape.layers,
                             shape.kv_heads,       shape.head_dim,       position,
                             /*tables=*/0};
  std::string image = EncodePassage(header, tokens, layers);
  kept_ = store_.Put(key, PassageForm::kBlocks, image);
  if (kept_.ok()) return store_.Find(key);
  unkept_.push_back(std::move(image));
  return PassageFile::FromBytes(std::as_bytes(std::span(unkept_.back())), key);
}

absl::Status PassageCache::Locate(const PassagePrompt& prompt, std::vector<Part>& parts,
                                  PassageReport& report, const Context& context) {
  parts.clear();
  int64_t position = 0;
  const auto add = [&](const PassagePrompt::Passage& passage) -> absl::Status {
    auto file = Find(passage);
    if (!file.ok()) {
      const int64_t start = SteadyNowNs();
      file = Compute(passage, context);
      if (!file.ok()) return file.status();
      report.missing += passage.key == kHeadKey ? 0 : 1;
      report.missing_s += SecondsSince(start);
    }
    report.bytes += (*file)->bytes();
    const int64_t stored_at = (*file)->header().position;
    const bool apart = stored_at != position || stored_at > static_cast<int64_t>(head_.size());
    parts.push_back({passage.key, *std::move(file), position, apart});
    position += static_cast<int64_t>(passage.tokens.size());
    return absl::OkStatus();
  };
  WEIR_RETURN_IF_ERROR(add(Head()));
  for (const PassagePrompt::Passage& p : prompt.passages) WEIR_RETURN_IF_ERROR(add(p));
  return absl::OkStatus();
}

absl::Status PassageCache::LoadLayer(const Part& part, int layer, double temperature,
                                     std::span<std::byte* const> to) const {
  const float gain = part.apart ? static_cast<float>(1 / temperature) : 1.0f;
  PagedSequence& sequence = session_->sequence();
  const KvShape& shape = sequence.shape();
  if (part.cold()) {
    return PlaceCold(*part.file, *tables_, layer, part.position, gain, shape, sequence.format(),
                     session_->decoder(), to);
  }
  WEIR_RETURN_IF_ERROR(part.file->Verify(layer));
  const PassageLayer& stored = part.file->layer(layer);
  const size_t block =
      tensor::KvBlockBytes(shape.kv_heads, shape.head_dim, tensor::KvStorage::kInt8);
  std::vector<const std::byte*> from;
  for (size_t at = 0; at < stored.bytes.size(); at += block)
    from.push_back(stored.bytes.data() + at);
  model::Decoder::KeyMove move;
  tensor::KeyTurn turn;
  if (part.apart) {
    move = session_->decoder().MoveKeys(layer, part.position - part.file->header().position);
    for (float& factor : move.cos_sin) factor *= gain;
    turn = {move.cos_sin.data(), move.halves, move.shift.empty() ? nullptr : move.shift.data()};
  }
  tensor::MoveKv({from, to, 0, part.position + stored.first, part.tokens() - stored.first,
                  shape.kv_heads, shape.head_dim},
                 turn);
  return absl::OkStatus();
}

absl::StatusOr<bool> PassageCache::Load(std::span<const Part> parts, double temperature,
                                        const Context& context) {
  PagedSequence& sequence = session_->sequence();
  const KvShape& shape = sequence.shape();
  std::vector<std::vector<std::byte*>> to;
  for (int l = 0; l < shape.layers; ++l) to.push_back(sequence.Blocks(l));
  // Neighbouring parts write to one block, though never to one token: a worker takes whole layers.
  std::vector<std::atomic<bool>> damaged(parts.size());
  ParallelFor(context.threads, shape.layers, 1, [&](size_t begin, size_t end, int) {
    for (size_t l = begin; l < end; ++l) {
      const int layer = static_cast<int>(l);
      for (size_t p = 0; p < parts.size(); ++p) {
        const Part& part = parts[p];
        if (!LoadLayer(part, layer, temperature, to[l]).ok()) damaged[p] = true;
      }
    }
  });
  bool whole = true;
  for (size_t p = 0; p < parts.size(); ++p) {
    if (damaged[p]) store_.Drop(parts[p].key), whole = false;
  }
  return whole;
}

namespace {

// The `share` of `among` that the question attends to the most, ascending.
std::vector<int64_t> MostAttended(std::span<const float> weights, std::vector<int64_t> among,
                                  double share) {
  std::stable_sort(among.begin(), among.end(),
                   [&](int64_t a, int64_t b) { return weights[a] > weights[b]; });
  const auto most = static_cast<size_t>(std::ceil(share * static_cast<double>(among.size())));
  among.resize(std::min(among.size(), most));
  std::sort(among.begin(), among.end());
  return among;
}

}  // namespace

std::vector<int64_t> PassageCache::Candidates(std::span<const Part> parts,
                                              const PassageOptions& options) const {
  const bool some = options.recompute == "first", every = options.recompute == "all";
  std::vector<int64_t> positions;
  if (options.recompute == "none") return positions;
  for (const Part& part : parts) {
    if (part.exact()) continue;
    // What a layer's window left out can only be computed from the passage's first token on.
    if (!some && !every && !part.whole(session_->sequence().shape())) continue;
    const auto first =
        static_cast<int64_t>(std::ceil(options.share * static_cast<double>(part.tokens())));
    for (int64_t i = 0; i < (some ? std::min(first, part.tokens()) : part.tokens()); ++i)
      positions.push_back(part.position + i);
  }
  return positions;
}

absl::Status PassageCache::Compute(std::span<const int64_t> positions,
                                   std::span<const int32_t> tail, const Context& context) {
  PagedSequence& sequence = session_->sequence();
  std::vector<int32_t> tokens;
  for (int64_t p : positions) tokens.push_back(session_->tokens()[p]);
  tokens.insert(tokens.end(), tail.begin(), tail.end());
  std::vector<int64_t> rows(positions.begin(), positions.end());
  for (size_t i = 0; i < tail.size(); ++i)
    rows.push_back(sequence.length() + static_cast<int64_t>(i));
  WEIR_RETURN_IF_ERROR(sequence.Reserve(static_cast<int64_t>(tail.size())));
  // One pass for both: the question sees the keys that the same layer has just been given.
  RowsAgain again(&sequence, rows);
  WEIR_RETURN_IF_ERROR(session_->decoder().Forward(tokens, again, model::LogitRows::kLast,
                                                   session_->logits(), session_->workspace(),
                                                   context));
  sequence.Commit(static_cast<int64_t>(tail.size()));
  session_->Adopt(tail);
  session_->KeepLogits();
  return absl::OkStatus();
}

absl::Status PassageCache::ComputeAgain(const PassagePrompt& prompt, std::span<const Part> parts,
                                        const PassageOptions& options, PassageReport& report,
                                        const Context& context) {
  PagedSequence& sequence = session_->sequence();
  const model::Decoder& decoder = session_->decoder();
  std::vector<int64_t> positions = Candidates(parts, options);
  const int64_t start = SteadyNowNs();
  if (options.recompute == "attention" && !positions.empty()) {
    const int layers = sequence.shape().layers;
    AttentionProbe probe(&sequence, static_cast<int>(kProbeFrom * layers),
                         static_cast<int>(kProbeTo * layers));
    WEIR_RETURN_IF_ERROR(decoder.Forward(prompt.tail, probe, model::LogitRows::kNone, {},
                                         session_->workspace(), context));
    positions = MostAttended(probe.weights(), std::move(positions), options.share);
    report.choose_s = SecondsSince(start);
  }
  report.again = static_cast<int64_t>(positions.size());
  const int64_t chosen = SteadyNowNs();
  if (options.recompute == "deviation" && !positions.empty()) {
    std::vector<int32_t> tokens;
    for (int64_t p : positions) tokens.push_back(session_->tokens()[p]);
    DeviatingRows rows(&sequence, positions, options.share);
    WEIR_RETURN_IF_ERROR(decoder.Forward(tokens, rows, model::LogitRows::kNone, {},
                                         session_->workspace(), context));
    report.again = rows.kept();
    positions.clear();
  }
  WEIR_RETURN_IF_ERROR(Compute(positions, prompt.tail, context));
  report.computed = report.again + static_cast<int64_t>(prompt.tail.size());
  report.compute_s = SecondsSince(chosen);
  return absl::OkStatus();
}

absl::StatusOr<PassageReport> PassageCache::Read(const PassagePrompt& prompt,
                                                 const PassageOptions& options,
                                                 const Context& context) {
  std::vector<int32_t> stored = prompt.head;
  for (const PassagePrompt::Passage& p : prompt.passages)
    stored.insert(stored.end(), p.tokens.begin(), p.tokens.end());
  const auto length = static_cast<int64_t>(stored.size());
  if (prompt.tail.empty() ||
      length + static_cast<int64_t>(prompt.tail.size()) > session_->window()) {
    return absl::InvalidArgumentError(
        absl::StrCat("prompt: ", length, " tokens of passages and ", prompt.tail.size(),
                     " after them; the window holds ", session_->window()));
  }
  PassageReport report;
  report.passages = static_cast<int64_t>(prompt.passages.size());
  report.tokens = length - static_cast<int64_t>(prompt.head.size());
  PagedSequence& sequence = session_->sequence();
  std::vector<Part> parts;
  for (int attempt = 0;; ++attempt) {
    if (attempt == kMostAttempts) {
      return absl::DataLossError(absl::StrCat(store_.folder(), ": what was written is damaged"));
    }
    WEIR_RETURN_IF_ERROR(Locate(prompt, parts, report, context));
    const int64_t start = SteadyNowNs();
    session_->Forget();
    WEIR_RETURN_IF_ERROR(sequence.Reserve(length));
    WEIR_ASSIGN_OR_RETURN(const bool whole, Load(parts, options.temperature, context));
    report.load_s = SecondsSince(start);
    if (whole) break;
  }
  sequence.Commit(length);
  int64_t exact = 0;
  for (const Part& part : parts) {
    if (part.exact()) exact = part.position + part.tokens();
  }
  session_->Borrow(std::move(stored), exact);
  const absl::Status again = ComputeAgain(prompt, parts, options, report, context);
  if (!again.ok()) {
    session_->EndBorrow();
    return again;
  }
  unkept_.clear();
  return report;
}

}  // namespace weir::generate
