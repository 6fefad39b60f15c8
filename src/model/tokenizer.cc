#include "model/tokenizer.h"

namespace weir::model {

std::string Tokenizer::Decode(std::span<const int32_t> ids) const {
  std::string text;
  for (const int32_t id : ids) text += Piece(id);
  return text;
}

}  // namespace weir::model
