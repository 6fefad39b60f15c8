// Tells models apart without reading them whole.
#pragma once

#include <string>

#include "model/gguf.h"

namespace weir::model {

// SHA-256 (hex) of the metadata that changes what a decoder computes, of every tensor's name, type
// and shape, and of the first and the last 64 bytes of each. Two files of one digest are the same
// model unless somebody made them to deceive; the whole file's SHA-256 would read a gigabyte.
std::string GgufDigest(const GgufFile& file);

}  // namespace weir::model
