#include "model/decoder_family.h"

#include "absl/strings/str_cat.h"

namespace weir::model {
namespace {

constexpr DecoderFamily kFamilies[] = {
    {.name = "llama"},
    {.name = "qwen2", .rotary_halves = true, .needs_biases = true},
    {.name = "gemma3",
     .rotary_halves = true,
     .inner_norms = true,
     .scaled_embedding = true,
     .activation = GateActivation::kGeluTanh,
     .full_attention_every = 6},
};

}  // namespace

const DecoderFamily* FindDecoderFamily(std::string_view architecture) {
  for (const DecoderFamily& family : kFamilies) {
    if (family.name == architecture) return &family;
  }
  return nullptr;
}

std::string DecoderFamilyNames() {
  std::string names;
  for (const DecoderFamily& family : kFamilies) {
    absl::StrAppend(&names,
                    names.empty()                        ? ""
                    : &family == std::end(kFamilies) - 1 ? " and "
                                                         : ", ",
                    family.name);
  }
  return names;
}

}  // namespace weir::model
