// Prompts over stored passages in any order.
// Source: Yao et al., CacheBlend, EuroSys 2025; Hu et al., EPIC, 2024 (both from memory); Liu et
//   al., CacheGen, SIGCOMM 2024; Yang et al., APE, ICLR 2025 (from memory: the temperature)
// Idea: Keys and values of each passage are computed behind the prompt's fixed head and what stands
//   before the passage in its document, and stored. A prompt over passages in any order is put
//   together from them: keys are turned to where they now stand, attention to parts that never saw
//   each other is sharpened by a temperature, and a share of the tokens may be computed again over
//   the whole, since attention between passages is what the parts lack.
// Formulas: key at p + delta = R(delta) key at p (+ R(delta) c - c where keys are stored less c);
//   of a moved passage: R(delta) key / temperature
// Cost: one pass over the stored bytes, and `share` of the prefill
// Differs: passages know their document (the papers compute each alone): 0.98 instead of 0.87 of a
//   prefill's likelihoods on smollm2-135m (100 questions, temperature 0.85); tokens to compute
//   again are chosen a chunk of 256 at a time (deviation); the question's attention is read on two
//   middle layers (attention)
// Checked by: PassageCacheTest.AllTokensAgainEqualsPrefill,
//   PassageCacheTest.OnePassageEqualsPrefill,
//   PassageEngineTest.BehindItsPredecessorAPassageIsAsInItsDocument,
//   PassageCacheTest.TemperatureDividesKeysOfMovedPassages
// Measured by: weir eval passage-cache, weir bench llm --rows first-token-8-passages
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "generate/passages/cold_passages.h"
#include "generate/passages/passage_store.h"
#include "generate/session.h"
#include "model/tokenizer.h"

namespace weir::generate {

struct PassageOptions {
  std::string recompute = "none";
  double share = 0.06;
  double temperature = 0.85;
  template <class V>
  void Visit(V& v) {
    v(recompute, {.name = "recompute",
                  .help = "Tokens of stored passages that are computed again: none, the first of "
                          "each passage, those whose keys and values deviate the most, those the "
                          "question attends to the most, or all; prefill reads nothing stored.",
                  .choices = {"none", "first", "deviation", "attention", "all", "prefill"}});
    v(share, {.name = "recompute-share",
              .help = "How many of a passage's tokens are computed again.",
              .min = 0,
              .max = 1});
    v(temperature, {.name = "passage-temperature",
                    .help = "Divides the attention scores of passages that stand elsewhere than "
                            "where they were computed; 1 changes nothing.",
                    .min = 0.25,
                    .max = 4});
  }
};

// A prompt in parts: `head` and `tail` surround the passages.
struct PassagePrompt {
  struct Passage {
    std::string key;  // PassageKey of what it says and of `before`
    std::vector<int32_t> tokens;
    std::vector<std::string> before = {};  // text::PromptPassage::before
  };
  std::vector<int32_t> head, tail;
  std::vector<Passage> passages;

  std::vector<int32_t> Tokens() const;  // all of them
};

// What one Read did, and the seconds it took.
struct PassageReport {
  int64_t passages = 0, missing = 0;  // missing: computed now
  int64_t tokens = 0, again = 0;      // of passages; those computed again
  int64_t computed = 0;               // of the prompt: those, and all after the passages
  int64_t bytes = 0;                  // of the files that were read
  double missing_s = 0, load_s = 0, choose_s = 0, compute_s = 0;
};

// Not thread-safe: works on the session's cache.
class PassageCache {
 public:
  // A digest of what a stored passage depends on besides its text.
  static PassageFingerprint Fingerprint(std::string_view model_digest,
                                        std::span<const int32_t> head, const Session& session);
  // kUnimplemented when the session's cache is of a format that passages are not stored in.
  static absl::Status Check(Session& session);

  // `session` and `tokenizer` must outlive the cache. REQUIRES: Check. Without a tokenizer, what
  // stands before a passage counts for nothing.
  PassageCache(PassageStore store, std::vector<int32_t> head, Session* session,
               const model::Tokenizer* tokenizer = nullptr)
      : store_(std::move(store)),
        head_(std::move(head)),
        session_(session),
        tokenizer_(tokenizer) {}

  // Computes and stores a passage unless it is there and whole. True if it was computed. kCancelled
  // stores nothing.
  absl::StatusOr<bool> Fill(const PassagePrompt::Passage& passage, const Context& context);

  // Turns stored passages into the cold form: `level` 1 (smallest) to 3 (nearest), as KvCodec. The
  // tables are fitted on these passages where the folder has none yet. What is cold already stays.
  absl::Status Cool(std::span<const std::string> keys, int level, const Context& context);
  // Whether Cool would fit tables first; it needs some passages for that.
  bool HasTables();

  // Makes the session hold the whole prompt, with the logits of its last token. Passages that are
  // not stored or damaged are computed and kept; that they cannot be kept (a full disk) is no
  // error. End with Session::EndBorrow. REQUIRES: prompt.head is the cache's.
  absl::StatusOr<PassageReport> Read(const PassagePrompt& prompt, const PassageOptions& options,
                                     const Context& context);

  const PassageStore& store() const { return store_; }
  PassageStore& store() { return store_; }
  std::span<const int32_t> head() const { return head_; }

 private:
  struct Part;
  absl::StatusOr<std::shared_ptr<const PassageFile>> Find(const PassagePrompt::Passage& passage);
  absl::StatusOr<std::shared_ptr<const PassageFile>> Compute(const PassagePrompt::Passage& passage,
                                                             const Context& context);
  // Tokens of what is computed before a passage, the prompt's head not among them.
  std::vector<int32_t> TokensBefore(const PassagePrompt::Passage& passage) const;
  // The prompt's head as a part of its own.
  PassagePrompt::Passage Head() const { return {kHeadKey, head_}; }
  absl::Status Locate(const PassagePrompt& prompt, std::vector<Part>& parts, PassageReport& report,
                      const Context& context);
  // kDataLoss when the file turns out damaged.
  absl::Status LoadLayer(const Part& part, int layer, double temperature,
                         std::span<std::byte* const> to) const;
  // False when a file turned out damaged; it is dropped then.
  absl::StatusOr<bool> Load(std::span<const Part> parts, double temperature,
                            const Context& context);
  // Places of the tokens that may be computed again; under "first" of those that will be.
  std::vector<int64_t> Candidates(std::span<const Part> parts,
                                  const PassageOptions& options) const;
  // Computes these tokens again, and the tail after all that is stored.
  absl::Status Compute(std::span<const int64_t> positions, std::span<const int32_t> tail,
                       const Context& context);
  absl::Status ComputeAgain(const PassagePrompt& prompt, std::span<const Part> parts,
                            const PassageOptions& options, PassageReport& report,
                            const Context& context);

  // Null where the folder has none, or damaged ones.
  const ColdTables* Tables();

  PassageStore store_;
  std::vector<int32_t> head_;
  Session* session_;
  const model::Tokenizer* tokenizer_;
  std::optional<ColdTables> tables_;
  absl::Status kept_;                // of the last passage that was to be written
  std::vector<std::string> unkept_;  // files of passages that could not be
};

}  // namespace weir::generate
