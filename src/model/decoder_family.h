// What the name of an architecture stands for where a decoder's file does not say it. One row a
// family; shape, weights and graph read the row instead of asking for names.
#pragma once

#include <string>
#include <string_view>

namespace weir::model {

enum class GateActivation { kSilu, kGeluTanh };

struct DecoderFamily {
  std::string_view name;       // general.architecture
  bool rotary_halves = false;  // rotary pairs (i, i + dim/2); otherwise (i, i + 1)
  bool needs_biases = false;   // q, k and v have biases; otherwise a file may have them
  // Norms of every query and key head before the rotation, and of what attention and feed-forward
  // give before it is added.
  bool inner_norms = false;
  bool scaled_embedding = false;  // times sqrt(hidden)
  GateActivation activation = GateActivation::kSilu;
  // > 0: where the file gives a window, all but every n-th layer have it, and turn by a base of
  // their own. 0: a file with a window is not of this family.
  int full_attention_every = 0;
  float windowed_rope_base = 10000;
};

// Null for another name.
const DecoderFamily* FindDecoderFamily(std::string_view architecture);
// "llama, qwen2 and gemma3", for messages.
std::string DecoderFamilyNames();

}  // namespace weir::model
