#include "cli/session.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "model/catalogue.h"
#include "model/encoder.h"

namespace weir::cli {
namespace fs = std::filesystem;
namespace {

ProgressMode ModeOf(const std::string& name) {
  if (name == "off") return ProgressMode::kOff;
  return name == "json" ? ProgressMode::kJson : ProgressMode::kAuto;
}

}  // namespace

Session::Session(GlobalOptions options, const Registry& registry, const CancelToken* cancel)
    : options_(std::move(options)), registry_(registry) {
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  const int count = options_.threads > 0 ? static_cast<int>(options_.threads) : std::max(1, cores);
  threads_ = std::make_unique<Threads>(std::min(count, 256));
  progress_ = std::make_unique<Progress>(ModeOf(options_.progress));
  context_.seed = static_cast<uint64_t>(options_.seed);
  context_.threads = threads_.get();
  context_.progress = progress_.get();
  context_.metrics = &metrics_;
  context_.cancel = cancel;
}

void Session::Print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (text.empty() || text.back() != '\n') std::fputc('\n', stdout);
  std::fflush(stdout);
}

void Session::PrintExactly(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void Session::Note(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  if (text.empty() || text.back() != '\n') std::fputc('\n', stderr);
}

void Session::Stream(std::string_view piece) {
  if (options_.progress != "auto" || ::isatty(STDERR_FILENO) == 0) return;
  std::fwrite(piece.data(), 1, piece.size(), stderr);
  std::fflush(stderr);
}

std::string Session::StoreFolder() const {
  if (!options_.store.empty()) return options_.store;
  std::error_code error;
  for (fs::path folder = fs::current_path(error); !folder.empty(); folder = folder.parent_path()) {
    if (fs::is_directory(folder / ".weir", error)) return (folder / ".weir").string();
    if (folder == folder.parent_path()) break;
  }
  return "./.weir";
}

absl::StatusOr<std::unique_ptr<index::Store>> Session::OpenStore(index::Store::Mode mode) {
  const std::string folder = StoreFolder();
  std::error_code error;
  if (mode == index::Store::Mode::kRead && !fs::is_directory(folder, error)) {
    return absl::NotFoundError(
        absl::StrCat("store: ", folder, " does not exist; make one with `weir index PATH`"));
  }
  return index::Store::Open(folder, mode, context_);
}

absl::StatusOr<model::EncoderSpec> Session::FindEncoder(std::string_view name) {
  const bool floats = name.ends_with(":f32");
  if (floats) name.remove_suffix(4);
  if (name.ends_with(":int8")) name.remove_suffix(5);
  std::string chosen(name);
  if (chosen.empty()) {
    WEIR_ASSIGN_OR_RETURN(const auto record, model::DefaultModel(model::ModelKind::kEncoder));
    chosen = record.name;
  }
  WEIR_ASSIGN_OR_RETURN(const model::ModelRecord record, model::Locate(chosen));
  if (record.kind != model::ModelKind::kEncoder) {
    return absl::InvalidArgumentError(absl::StrCat("encoder: ", chosen, " is not an encoder"));
  }
  model::EncoderSpec spec = record.encoder;
  spec.arithmetic = floats ? model::Arithmetic::kFloat : model::Arithmetic::kInt8;
  return spec;
}

absl::StatusOr<std::unique_ptr<text::Encoder>> Session::LoadEncoder(std::string_view name) {
  WEIR_ASSIGN_OR_RETURN(const model::EncoderSpec spec, FindEncoder(name));
  return model::LoadEncoder(spec, context_);
}

absl::StatusOr<model::EncoderSpec> Session::FindSparseEncoder(std::string_view name) {
  std::string chosen(name);
  if (chosen.empty()) {
    WEIR_ASSIGN_OR_RETURN(const auto models, model::ListModels());
    for (const model::ModelRecord& m : models) {
      if (m.kind != model::ModelKind::kEncoder || m.encoder.pooling != model::Pooling::kTerms) {
        continue;
      }
      if (chosen.empty() || m.installed) chosen = m.name;
      if (m.installed) break;
    }
  }
  return FindEncoder(chosen);
}

absl::StatusOr<std::unique_ptr<text::SparseEncoder>> Session::LoadSparseEncoder(
    std::string_view name) {
  WEIR_ASSIGN_OR_RETURN(const model::EncoderSpec spec, FindSparseEncoder(name));
  return model::LoadSparseEncoder(spec, context_);
}

absl::StatusOr<std::unique_ptr<text::TermVocabulary>> Session::LoadTermVocabulary(
    std::string_view name) {
  WEIR_ASSIGN_OR_RETURN(const model::EncoderSpec spec, FindSparseEncoder(name));
  return model::LoadTermVocabulary(spec);
}

absl::StatusOr<std::unique_ptr<text::TokenEncoder>> Session::LoadTokenEncoder(
    std::string_view name) {
  WEIR_ASSIGN_OR_RETURN(const model::EncoderSpec spec, FindEncoder(name));
  return model::LoadTokenEncoder(spec, context_);
}

// The default; where it is not installed, the last listed that is: the catalogue's models grow, the
// user's own stand after them. A model under terms of its own must be named.
absl::StatusOr<std::string> Session::DefaultDecoder() {
  WEIR_ASSIGN_OR_RETURN(const auto preferred, model::DefaultModel(model::ModelKind::kDecoder));
  if (preferred.installed) return preferred.name;
  WEIR_ASSIGN_OR_RETURN(const auto models, model::ListModels());
  std::string chosen = preferred.name;
  for (const model::ModelRecord& m : models) {
    if (m.kind == model::ModelKind::kDecoder && m.installed && m.terms.empty()) chosen = m.name;
  }
  if (chosen != preferred.name) {
    Note(absl::StrCat("using ", chosen, "; answers are better with ", preferred.name,
                      " (weir model add ", preferred.name, ")"));
  }
  return chosen;
}

absl::StatusOr<std::unique_ptr<generate::Engine>> Session::LoadEngine(
    std::string_view name, const generate::GenerateOptions& options) {
  std::string chosen(name);
  if (chosen.empty()) {
    WEIR_ASSIGN_OR_RETURN(chosen, DefaultDecoder());
  }
  WEIR_ASSIGN_OR_RETURN(const model::ModelRecord record, model::Locate(chosen));
  if (record.kind != model::ModelKind::kDecoder) {
    return absl::InvalidArgumentError(absl::StrCat("model: ", chosen, " is not a decoder"));
  }
  return generate::Engine::Load(record.path, record.name, options, context_, registry_);
}

}  // namespace weir::cli
