#include "model/gguf_digest.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/files.h"

namespace weir::model {
namespace {

constexpr size_t kSampleBytes = 64;

std::string ValueText(const GgufValue& value) {
  if (const auto* v = std::get_if<uint64_t>(&value)) return absl::StrCat(*v);
  if (const auto* v = std::get_if<int64_t>(&value)) return absl::StrCat(*v);
  if (const auto* v = std::get_if<double>(&value)) return absl::StrCat(*v);
  if (const auto* v = std::get_if<bool>(&value)) return *v ? "true" : "false";
  if (const auto* v = std::get_if<std::string_view>(&value)) return std::string(*v);
  return "array";  // vocabularies: what they give is compared token by token
}

}  // namespace

std::string GgufDigest(const GgufFile& file) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : file.metadata()) {
    if (!absl::StartsWith(key, "general.") || key == "general.architecture") {
      keys.push_back(absl::StrCat(key, "=", ValueText(value)));
    }
  }
  std::sort(keys.begin(), keys.end());
  std::string all = absl::StrJoin(keys, "\n");
  for (const GgufTensor& tensor : file.tensors()) {
    absl::StrAppend(&all, "\n", tensor.name, " ", static_cast<int>(tensor.type), " ",
                    absl::StrJoin(tensor.shape, ","), " ");
    const std::string_view bytes(reinterpret_cast<const char*>(tensor.data.data()),
                                 tensor.data.size());
    const size_t sample = std::min(kSampleBytes, bytes.size());
    absl::StrAppend(&all, bytes.substr(0, sample), bytes.substr(bytes.size() - sample));
  }
  return Sha256(all);
}

}  // namespace weir::model
