// Technique: kivi
// Source: Liu et al., KIVI: A Tuning-Free Asymmetric 2bit Quantization for KV Cache, ICML 2024,
//   arXiv 2402.02750
// Idea: Old blocks of the cache are kept in 2 to 4 bits, keys grouped by channel and values by
//   token; the newest tokens stay as they were written.
// Formulas: for a group of 32: scale = (max - min) / (2^bits - 1), middle = (max + min) / 2,
//   code = round((x - middle) / scale + centre), x ~ middle + scale (code - centre) with
//   centre = (2^bits - 1) / 2. kivi4: 4 bits, scale and middle in f16. kivi2: keys of 3 bits,
//   values of 2; a scale is a f16 cut to 3 bits of mantissa (one byte), a middle of keys a f16, of
//   values round(16 middle / scale) in one byte. Where that passes 127, scale = 16 |middle| /
//   127 and middle moves half a scale towards 0, so that a code falls on it
// Cost: an element of a compact block takes 5 bits in kivi4, in kivi2 3.75 of keys and 2.5 of
//   values; attention reads that instead of 8.5 or 16, and folds the scales of a block into the
//   query once for each query row
// Differs: keys of kivi2 have 3 bits where the paper has 2, paid for by the shorter scales and
//   middles: 2 bits of keys alone raised the perplexity of smollm2-135m by 11.2%, of values alone
//   by 1.4%. keys=token, the baseline of the paper, keeps 2 bits;
//   the first 32 tokens, to which attention flows from everywhere, stay open as well;
//   whole blocks of 32 tokens become compact, keys and values alike, when 128 or more tokens
//   lie between them and the query (the paper: values one by one, keys every 128 tokens); prefill
//   reads what decoding would, so any split gives the same bytes (the paper: prefill reads full
//   precision); the newest tokens are int8 unless open=f16; middle instead of minimum
// Checked by: KiviTest.AnySplitIsBitEqual, KiviTest.ForksMakeABlockCompactOnce,
//   CompactSharingTest.StreamsOverOnePromptWriteWhatTheyWriteAlone,
//   CodedKvTest.RoundTripIsWithinHalfAStep,
//   CodedKvTest.NarrowGroupsFarFromZeroKeepTheirMiddle,
//   AttendCodedTest.EqualsDenseAttentionOverWhatCodesStandFor
// Measured by: weir bench llm --kv kivi2 --baseline-kv f16 --depth 8192 --rows decode-8k (speed and
//   bytes); weir eval perplexity --kv kivi2 --window 2048, weir eval passkey --kv kivi2 (quality)
#pragma once

#include "base/options.h"
#include "generate/kv/plain_format.h"
#include "generate/kv/policy.h"

namespace weir::generate {

struct KiviOptions {
  int64_t residual = 128;
  int64_t sink = 32;
  int64_t group = 32;
  std::string keys = "channel";
  std::string open = "q8";
  template <class V>
  void Visit(V& v) {
    v(residual, {.name = "residual",
                 .help = "Tokens before a query's block that stay open; a multiple of 32.",
                 .unit = "tokens",
                 .min = 32,
                 .max = 1 << 20});
    v(sink, {.name = "sink",
             .help = "First tokens, which all queries heed, that stay open; a multiple of 32.",
             .unit = "tokens",
             .min = 0,
             .max = 1 << 20});
    v(group, {.name = "group",
              .help = "Elements that share a scale; a block of the cache has 32 tokens.",
              .min = 32,
              .max = 32});
    v(keys, {.name = "keys",
             .help = "What shares a scale of the keys; token, in kivi2 with 2 bits, is a baseline.",
             .choices = {"channel", "token"}});
    v(open,
      {.name = "open", .help = "How the newest tokens are stored.", .choices = {"q8", "f16"}});
  }
};

class KiviFormat : public KvFormat {
 public:
  // `residual`: whole blocks before a query's own that it reads open.
  // `sink`: those of the beginning.
  KiviFormat(const tensor::CodedForm& form, tensor::KvStorage open, int64_t residual_blocks,
             int64_t sink_blocks)
      : form_(form),
        storage_(open),
        open_(open),
        residual_blocks_(residual_blocks),
        sink_blocks_(sink_blocks) {}

  // Heads of a multiple of 32 channels, at most tensor::kMaxCodedDim.
  absl::Status Check(const KvShape& shape) const override;
  size_t BlockBytes(const KvShape& shape) const override { return open_.BlockBytes(shape); }
  void Write(std::byte* block, int slot, const float* k, const float* v,
             const KvShape& shape) const override {
    open_.Write(block, slot, k, v, shape);
  }
  bool Reads(ReadPlan::Kind kind) const override { return open_.Reads(kind); }
  // A compact block is made of the open one alone.
  bool shares_prefixes() const override { return true; }
  void Attend(const AttendJob& job, const KvShape& shape, Threads* threads) const override;
  size_t CompactBytes(const KvShape& shape) const override;
  int64_t open_blocks() const override { return residual_blocks_; }
  int64_t sink_blocks() const override { return sink_blocks_; }
  void Compact(const std::byte* block, std::byte* compact, const KvShape& shape) const override;
  void Expand(const std::byte* compact, std::byte* block, const KvShape& shape) const override;

 private:
  tensor::CodedForm form_;
  tensor::KvStorage storage_;
  PlainFormat open_;
  int64_t residual_blocks_, sink_blocks_;
};

}  // namespace weir::generate
