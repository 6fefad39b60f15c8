// A small random decoder as GGUF bytes, for tests of the decoder and of what runs on it.
#pragma once

#include <cmath>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "model/gguf_builder.h"

namespace weir::model {

struct SmallDecoder {
  // Or "qwen2": biases, rotary halves; or "gemma3": halves, inner norms, and what `window` says.
  std::string architecture = "llama";
  int layers = 2, hidden = 64, heads = 4, kv_heads = 2, head_dim = 16, ffn = 96, vocabulary = 50;
  bool tied = true;
  float base = 10000, epsilon = 1e-5f;
  std::vector<float> rope_freqs = {};
  int window = 0, window_pattern = 0;  // written when not 0
  float window_base = 0;
  double rope_divisor = 1;  // what a naive reference divides positions by; not written
  std::map<std::string, std::vector<float>> tensors = {};  // filled by Fill, all F32
  std::map<std::string, std::vector<uint64_t>> shapes = {};

  void Add(const std::string& name, std::vector<uint64_t> shape, float scale, float centre,
           uint32_t seed) {
    std::mt19937 random(seed);
    size_t n = 1;
    for (uint64_t d : shape) n *= d;
    std::vector<float> values(n);
    // The generator's bits are fixed by the standard, distributions are not.
    for (float& v : values)
      v = centre + scale * (static_cast<float>(random() >> 8) * 0x1p-23f - 1.0f);
    tensors[name] = std::move(values);
    shapes[name] = std::move(shape);
  }

  SmallDecoder& Fill() {
    const uint64_t h = hidden, q = uint64_t(heads) * head_dim, kv = uint64_t(kv_heads) * head_dim,
                   f = ffn;
    uint32_t seed = 1;
    const auto matrix = [&](const std::string& name, uint64_t columns, uint64_t rows) {
      Add(name, {columns, rows}, 1.7f / std::sqrt(static_cast<float>(columns)), 0, ++seed);
    };
    Add("token_embd.weight", {h, uint64_t(vocabulary)}, 1, 0, ++seed);
    Add("output_norm.weight", {h}, 0.3f, 1, ++seed);
    if (!tied) matrix("output.weight", h, vocabulary);
    for (int i = 0; i < layers; ++i) {
      const std::string p = "blk." + std::to_string(i) + ".";
      Add(p + "attn_norm.weight", {h}, 0.3f, 1, ++seed);
      Add(p + "ffn_norm.weight", {h}, 0.3f, 1, ++seed);
      matrix(p + "attn_q.weight", h, q);
      matrix(p + "attn_k.weight", h, kv);
      matrix(p + "attn_v.weight", h, kv);
      matrix(p + "attn_output.weight", q, h);
      matrix(p + "ffn_gate.weight", h, f);
      matrix(p + "ffn_up.weight", h, f);
      matrix(p + "ffn_down.weight", f, h);
      if (architecture == "qwen2") {
        Add(p + "attn_q.bias", {q}, 0.5f, 0, ++seed);
        Add(p + "attn_k.bias", {kv}, 0.5f, 0, ++seed);
        Add(p + "attn_v.bias", {kv}, 0.5f, 0, ++seed);
      }
      if (architecture == "gemma3") {
        Add(p + "attn_q_norm.weight", {uint64_t(head_dim)}, 0.3f, 1, ++seed);
        Add(p + "attn_k_norm.weight", {uint64_t(head_dim)}, 0.3f, 1, ++seed);
        Add(p + "post_attention_norm.weight", {h}, 0.3f, 1, ++seed);
        Add(p + "post_ffw_norm.weight", {h}, 0.3f, 1, ++seed);
      }
    }
    if (!rope_freqs.empty()) {
      tensors["rope_freqs.weight"] = rope_freqs;
      shapes["rope_freqs.weight"] = {rope_freqs.size()};
    }
    return *this;
  }

  // The file; `more` may add metadata.
  GgufBuilder Builder() const {
    GgufBuilder b;
    const std::string p = architecture + ".";
    b.Text("general.architecture", architecture)
        .U32(p + "block_count", layers)
        .U32(p + "context_length", 512)
        .U32(p + "embedding_length", hidden)
        .U32(p + "feed_forward_length", ffn)
        .U32(p + "attention.head_count", heads)
        .U32(p + "attention.head_count_kv", kv_heads)
        .U32(p + "rope.dimension_count", head_dim)
        .F32(p + "rope.freq_base", base)
        .F32(p + "attention.layer_norm_rms_epsilon", epsilon);
    if (architecture == "gemma3") {
      b.U32(p + "attention.key_length", head_dim).U32(p + "attention.value_length", head_dim);
    }
    if (window != 0) b.U32(p + "attention.sliding_window", window);
    if (window_pattern != 0) b.U32(p + "attention.sliding_window_pattern", window_pattern);
    if (window_base != 0) b.F32(p + "rope.freq_base_swa", window_base);
    for (const auto& [name, values] : tensors) {
      b.Tensor(
          name, shapes.at(name), 0,
          std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)));
    }
    return b;
  }
};

}  // namespace weir::model
