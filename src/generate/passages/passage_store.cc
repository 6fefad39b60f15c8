#include "generate/passages/passage_store.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/status.h"

namespace weir::generate {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kSuffix = ".kv";
constexpr size_t kKeyDigits = 40;

// Letters, digits, '.', '_' and '-': a model may be a path.
std::string FolderName(std::string_view model) {
  std::string name(model.substr(model.rfind('/') + 1));
  for (char& c : name) {
    const bool plain = absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_';
    if (!plain) c = '-';
  }
  return name;
}

// Removes files of one folder that `live` does not name.
absl::Status PruneFolder(const fs::path& folder, const std::set<std::string>& live,
                         PassageStore::Size& removed) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (absl::EndsWith(name, kSuffix) &&
        live.contains(name.substr(0, name.size() - kSuffix.size()))) {
      continue;
    }
    std::error_code failed;
    const auto bytes = static_cast<int64_t>(fs::file_size(entry.path(), failed));
    if (!fs::remove(entry.path(), failed) || failed) {
      return absl::UnavailableError(
          absl::StrCat(entry.path().string(), ": cannot be removed: ", failed.message()));
    }
    ++removed.passages;
    removed.bytes += std::max<int64_t>(0, bytes);
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return absl::UnavailableError(absl::StrCat(folder.string(), ": ", error.message()));
  }
  return absl::OkStatus();
}

std::set<std::string> AndHead(std::set<std::string> live) {
  live.insert(kHeadKey);
  return live;
}

}  // namespace

std::string PassageKey(std::string_view text) { return Sha256(text).substr(0, kKeyDigits); }

PassageStore::PassageStore(const std::string& folder, std::string_view model,
                           const PassageFingerprint& fingerprint)
    : parent_(folder), model_(FolderName(model)), fingerprint_(fingerprint) {
  const std::string_view digest(reinterpret_cast<const char*>(fingerprint.data()), 8);
  folder_ = absl::StrCat(parent_, "/", model_, "-", absl::BytesToHexString(digest));
}

std::string PassageStore::PathOf(const std::string& key) const {
  return absl::StrCat(folder_, "/", key, kSuffix);
}

absl::StatusOr<std::shared_ptr<const PassageFile>> PassageStore::Find(
    const std::string& key) const {
  WEIR_ASSIGN_OR_RETURN(auto file, PassageFile::Open(PathOf(key)));
  if (file->header().fingerprint != fingerprint_) {
    return absl::FailedPreconditionError(
        absl::StrCat(file->name(), ": of another model, prompt head or version"));
  }
  return file;
}

bool PassageStore::Has(const std::string& key) const {
  std::error_code error;
  return fs::is_regular_file(PathOf(key), error);
}

absl::Status PassageStore::Put(const std::string& key, std::string_view bytes) {
  WEIR_RETURN_IF_ERROR(MakeFolders(folder_));
  return WriteFileAtomic(PathOf(key), bytes);
}

void PassageStore::Drop(const std::string& key) {
  std::error_code error;
  fs::remove(PathOf(key), error);
}

absl::StatusOr<PassageStore::Size> PassageStore::Measure() const {
  Size size;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_, error)) {
    if (!absl::EndsWith(entry.path().filename().string(), kSuffix)) continue;
    std::error_code gone;  // a writer beside us may remove it
    const auto bytes = static_cast<int64_t>(entry.file_size(gone));
    if (gone) continue;
    ++size.passages;
    size.bytes += bytes;
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return absl::UnavailableError(absl::StrCat(folder_, ": ", error.message()));
  }
  return size;
}

absl::StatusOr<PassageStore::Size> PassageStore::Prune(const std::set<std::string>& live) {
  Size removed;
  WEIR_RETURN_IF_ERROR(PruneFolder(folder_, AndHead(live), removed));
  std::error_code error;
  const std::string own = fs::path(folder_).filename().string();
  std::vector<fs::path> stale;
  for (const fs::directory_entry& entry : fs::directory_iterator(parent_, error)) {
    const std::string name = entry.path().filename().string();
    // "MODEL-" and 16 digits
    if (name != own && absl::StartsWith(name, model_ + "-") && name.size() == own.size()) {
      stale.push_back(entry.path());
    }
  }
  for (const fs::path& folder : stale) {
    WEIR_RETURN_IF_ERROR(PruneFolder(folder, {}, removed));
    fs::remove(folder, error);
  }
  return removed;
}

absl::StatusOr<PassageStore::Size> PrunePassages(const std::string& folder,
                                                 const std::set<std::string>& live) {
  PassageStore::Size removed;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    if (!entry.is_directory(error)) continue;
    WEIR_RETURN_IF_ERROR(PruneFolder(entry.path(), AndHead(live), removed));
  }
  return removed;
}

}  // namespace weir::generate
