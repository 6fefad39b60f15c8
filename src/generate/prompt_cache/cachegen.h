// Technique: cachegen
// Source: Liu et al., CacheGen: KV Cache Compression and Streaming for Fast Large Language Model
//   Serving, SIGCOMM 2024, arXiv 2310.07240
// Idea: Keys and values of a long context as entropy-coded differences to a reference, so that
//   loading a context is cheaper than computing it; a controller picks a level for each chunk.
// Formulas: prediction = mean + rho * (reference - mean), number = round((x - prediction) / step),
//   step = level * depth * kind * spread of the layer, x' = prediction + number * step
// Cost: O(tokens * layers * width) to encode and decode; tables of about 8 bytes a channel
// Differs: the reference is the token before (the paper: the anchor of a group of 10, kept as
//   CacheGenSteps{.group = 10, .chain = false}), shrunk towards the channel's mean by a fitted rho
//   (the paper: 1, mean 0): 18% smaller at equal divergence of the next token on three texts with
//   SmolLM2; steps do not grow with depth, which lost more there; an anchor's steps are the
//   channel's, not its largest value's; rANS instead of arithmetic coding; distributions are shared
//   by alike channels
// Checked by: CacheGenTest.EveryFormGoesThereAndBack, CacheGenTest.ErrorIsHalfAStep,
//   CacheGenTest.LosslessStageIsExact, SavedPromptTest.LoadingStandsForComputing,
//   StreamSimulationTest.LateHalfAsOftenAsTheBestFixedLevel
// Measured by: weir eval prompt --form delta|anchors|repository, weir bench prompt
#pragma once

#include <array>
#include <memory>

#include "absl/status/statusor.h"
#include "base/registry.h"
#include "generate/prompt_cache/codec_frame.h"
#include "generate/prompt_cache/kv_codec.h"

namespace weir::generate {

// How the steps of the delta form are chosen. The spread of a layer is the root mean square of its
// keys or values around their channels' means.
struct CacheGenSteps {
  // In spreads; a level of 0 is left out.
  std::array<double, kCodecLevels> level = {0.75, 0.38, 0.08};
  std::array<double, 3> depth = {1, 1, 1};  // thirds of the layers; the paper: 0.5, 1, 1.5
  double key = 0.8, value = 1.25;                 // keys finer than values
  // 0: one step for a layer; 1: in proportion to each channel's own spread. Keys of Qwen 2.5 have a
  // few channels that dwarf the rest, for which one step is too coarse (docs/performance.md).
  double key_adaptation = 0.6, value_adaptation = 0.0;
  int group = 256;       // tokens to an anchor, 1 to 256; the paper: 10
  bool chain = true;     // the reference is the token before; the paper: the group's anchor
  // An anchor's step in a difference's, by level.
  std::array<double, kCodecLevels> anchor = {0.25, 0.25, 1.0};
  bool predict = true;   // fit rho; else 1 as in the paper, around a mean of 0
};

std::unique_ptr<KvCodecFit> MakeDeltaFit(const CacheGenSteps& steps);

// The form of the authors' repository: no differences; a token's largest magnitude maps to the last
// of a few bins.
struct RepositoryBins {
  // Bins for thirds of the layers (keys) and for the first 2 of 32 and the rest (values).
  std::array<std::array<int, 3>, kCodecLevels> key = {{{16, 16, 12}, {32, 16, 16}, {32, 32, 32}}};
  std::array<std::array<int, 2>, kCodecLevels> value = {{{16, 12}, {32, 16}, {32, 32}}};
  double scale = 1.0;      // of all bins, for comparisons at equal quality
  bool centred = false;    // channels' means taken off first
  bool per_head = false;   // largest magnitude of a head instead of all channels
};

std::unique_ptr<KvCodecFit> MakeRepositoryFit(const RepositoryBins& bins);

// Of LoadKvCodec: the part of the tables after their head. `levels`: bit l for level l.
absl::StatusOr<std::shared_ptr<const KvCodec>> LoadDeltaCodec(const KvCodecShape& shape,
                                                              uint32_t levels,
                                                              PackedReader& reader);
absl::StatusOr<std::shared_ptr<const KvCodec>> LoadRepositoryCodec(const KvCodecShape& shape,
                                                                   uint32_t levels,
                                                                   PackedReader& reader);

void RegisterCachegen(Registry& registry);

}  // namespace weir::generate
