#include "model/model_json.h"

#include <utility>

#include "base/status.h"
#include "fmt/core.h"
#include "model/quoted.h"
#include "nlohmann/json.hpp"

namespace weir::model {
namespace {

using Json = nlohmann::ordered_json;

absl::Status Wrong(std::string_view field) {
  return absl::DataLossError(fmt::format("models: field '{}': missing or of a wrong type", field));
}

// One plain path component.
bool IsFileName(std::string_view name) {
  return !name.empty() && name.size() <= 255 && name[0] != '.' &&
         name.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
}

// Reads typed members of one object and remembers the first failure.
class Fields {
 public:
  explicit Fields(const Json& object) : object_(object) {}
  absl::Status status;

  std::string Text(const char* name, bool needed = true) {
    const Json* value = Find(name, needed);
    if (value == nullptr) return {};
    if (!value->is_string()) return Fail(name), std::string();
    return value->get<std::string>();
  }
  int64_t Number(const char* name, bool needed = true) {
    const Json* value = Find(name, needed);
    if (value == nullptr) return 0;
    if (!value->is_number_unsigned() || value->get<uint64_t>() >> 53) return Fail(name), 0;
    return value->get<int64_t>();
  }
  bool Flag(const char* name) {
    const Json* value = Find(name, false);
    if (value == nullptr) return false;
    if (!value->is_boolean()) return Fail(name), false;
    return value->get<bool>();
  }
  // The elements of an array of objects.
  std::vector<const Json*> Objects(const char* name, bool needed = true) {
    std::vector<const Json*> out;
    const Json* value = Find(name, needed);
    if (value == nullptr) return out;
    if (!value->is_array()) return Fail(name), out;
    for (const Json& element : *value) {
      if (!element.is_object()) return Fail(name), std::vector<const Json*>();
      out.push_back(&element);
    }
    return out;
  }
  void Fail(const char* name) {
    if (status.ok()) status = Wrong(name);
  }

 private:
  const Json* Find(const char* name, bool needed) {
    auto it = object_.find(name);
    if (it != object_.end()) return &*it;
    if (needed) Fail(name);
    return nullptr;
  }
  const Json& object_;
};

absl::StatusOr<ModelPackage> ParsePackage(const Json& json) {
  Fields f(json);
  ModelPackage out{.client = f.Text("client"),
                   .name = f.Text("name"),
                   .version = f.Text("version"),
                   .member = f.Text("member"),
                   .bytes = f.Number("bytes")};
  if (out.client != "pip" && out.client != "maven") f.Fail("client");
  // A name that starts with '-' would be read as an option by the client.
  if (out.name.starts_with('-')) f.Fail("name");
  WEIR_RETURN_IF_ERROR(f.status);
  return out;
}

absl::StatusOr<ModelFile> ParseFile(const Json& json, std::string& role) {
  Fields f(json);
  ModelFile out;
  out.file = f.Text("file");
  role = f.Text("role", false);
  out.sha256 = f.Text("sha256");
  out.bytes = f.Number("bytes");
  if (!IsFileName(out.file)) f.Fail("file");
  if (out.sha256.size() != 64) f.Fail("sha256");
  for (const Json* part : f.Objects("parts", false)) {
    WEIR_ASSIGN_OR_RETURN(ModelPackage package, ParsePackage(*part));
    out.parts.push_back(std::move(package));
  }
  WEIR_RETURN_IF_ERROR(f.status);
  return out;
}

absl::Status ParseEncoder(const Json& json, EncoderSpec& spec) {
  Fields f(json);
  const std::string pooling = f.Text("pooling");
  bool known = false;
  for (Pooling each : {Pooling::kMean, Pooling::kFirstToken, Pooling::kTerms}) {
    if (pooling != PoolingName(each)) continue;
    spec.pooling = each;
    known = true;
  }
  if (!known) f.Fail("pooling");
  spec.max_tokens = f.Number("max_tokens");
  const int64_t heads = f.Number("heads");
  if (heads < 1 || heads > 4096) f.Fail("heads");
  spec.heads = static_cast<int>(heads);
  spec.query_prefix = f.Text("query_prefix", false);
  spec.passage_prefix = f.Text("passage_prefix", false);
  spec.weights = f.Text("weights", false);
  spec.tokenizer = f.Text("tokenizer", false);
  return f.status;
}

absl::StatusOr<ModelRecord> ParseModel(const Json& json) {
  Fields f(json);
  ModelRecord out;
  out.name = f.Text("name");
  if (!IsModelName(out.name)) f.Fail("name");
  const std::string kind = f.Text("kind");
  if (kind != "decoder" && kind != "encoder" && kind != "dictionary") f.Fail("kind");
  out.kind = kind == "encoder"      ? ModelKind::kEncoder
             : kind == "dictionary" ? ModelKind::kDictionary
                                    : ModelKind::kDecoder;
  out.licence = f.Text("licence");
  out.terms = f.Text("terms", false);
  out.description = f.Text("description", false);
  out.context = f.Number("context");
  out.is_default = f.Flag("default");
  out.path = f.Text("path", false);
  for (const Json* file : f.Objects("files")) {
    std::string role;
    WEIR_ASSIGN_OR_RETURN(ModelFile parsed, ParseFile(*file, role));
    // The weights' place in `files` is how an encoder's files are told apart later.
    if (role == "tokenizer") out.encoder.tokenizer = parsed.file;
    if (role == "weights") {
      out.encoder.weights = parsed.file;
      out.encoder.sha256 = parsed.sha256;
    }
    out.files.push_back(std::move(parsed));
  }
  if (out.files.empty()) f.Fail("files");
  WEIR_RETURN_IF_ERROR(f.status);
  if (out.kind == ModelKind::kEncoder) {
    auto encoder = json.find("encoder");
    if (encoder == json.end() || !encoder->is_object()) return Wrong("encoder");
    EncoderSpec own = out.encoder;
    WEIR_RETURN_IF_ERROR(ParseEncoder(*encoder, own));
    if (own.weights.empty()) own.weights = out.encoder.weights;
    if (own.tokenizer.empty()) own.tokenizer = out.encoder.tokenizer;
    own.name = out.name;
    if (own.weights.empty() || own.tokenizer.empty()) return Wrong("role");
    out.encoder = std::move(own);
  }
  return out;
}

Json EncoderJson(const EncoderSpec& e) {
  return {{"pooling", PoolingName(e.pooling)},
          {"max_tokens", e.max_tokens},
          {"heads", e.heads},
          {"query_prefix", e.query_prefix},
          {"passage_prefix", e.passage_prefix},
          {"weights", e.weights},
          {"tokenizer", e.tokenizer}};
}

}  // namespace

bool IsModelName(std::string_view name) {
  if (name.empty() || name.size() > 64 || name[0] == '.' || name[0] == '-') return false;
  for (char c : name) {
    const bool fine =
        (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
    if (!fine) return false;
  }
  return true;
}

absl::StatusOr<std::vector<ModelRecord>> ParseModels(std::string_view json) {
  const Json root = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!root.is_object()) return absl::DataLossError("models: not a JSON object");
  Fields f(root);
  if (f.Number("version") != 1) f.Fail("version");
  std::vector<ModelRecord> out;
  for (const Json* model : f.Objects("models")) {
    WEIR_ASSIGN_OR_RETURN(ModelRecord record, ParseModel(*model));
    for (const ModelRecord& other : out) {
      if (other.name == record.name) {
        return absl::DataLossError(fmt::format("models: {}: given twice", Quoted(record.name)));
      }
    }
    out.push_back(std::move(record));
  }
  WEIR_RETURN_IF_ERROR(f.status);
  return out;
}

std::string WriteModels(const std::vector<ModelRecord>& models) {
  Json list = Json::array();
  for (const ModelRecord& m : models) {
    Json entry = {{"name", m.name},
                  {"kind", KindName(m.kind)},
                  {"description", m.description},
                  {"licence", m.licence},
                  {"context", m.context}};
    if (m.kind != ModelKind::kEncoder) entry["path"] = m.path;
    if (m.kind == ModelKind::kEncoder) entry["encoder"] = EncoderJson(m.encoder);
    Json files = Json::array();
    for (const ModelFile& file : m.files) {
      files.push_back({{"file", file.file}, {"bytes", file.bytes}, {"sha256", file.sha256}});
    }
    entry["files"] = std::move(files);
    list.push_back(std::move(entry));
  }
  const Json root = {{"version", 1}, {"models", std::move(list)}};
  return root.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace weir::model
