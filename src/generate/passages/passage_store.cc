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

constexpr std::string_view kHotSuffix = ".kv", kColdSuffix = ".cold";
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

// The key that a file's name holds; "" for other files.
std::string KeyOf(std::string_view name) {
  for (std::string_view suffix : {kHotSuffix, kColdSuffix}) {
    if (name.ends_with(suffix)) return std::string(name.substr(0, name.size() - suffix.size()));
  }
  return "";
}

// Removes files of one folder that `live` does not name.
absl::Status PruneFolder(const fs::path& folder, const std::set<std::string>& live,
                         PassageStore::Size& removed) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (live.contains(KeyOf(name)) || live.contains(name)) continue;
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
  live.insert(kTablesFile);
  return live;
}

}  // namespace

std::string PassageKey(const text::PromptPassage& passage) {
  if (passage.before.empty()) return Sha256(passage.text).substr(0, kKeyDigits);
  std::string all;
  for (const std::string& text : passage.before) absl::StrAppend(&all, text.size(), ":", text);
  return Sha256(absl::StrCat(all, passage.text)).substr(0, kKeyDigits);
}

PassageStore::PassageStore(const std::string& folder, std::string_view model,
                           const PassageFingerprint& fingerprint)
    : parent_(folder), model_(FolderName(model)), fingerprint_(fingerprint) {
  const std::string_view digest(reinterpret_cast<const char*>(fingerprint.data()), 8);
  folder_ = absl::StrCat(parent_, "/", model_, "-", absl::BytesToHexString(digest));
}

std::string PassageStore::PathOf(const std::string& key, PassageForm form) const {
  return absl::StrCat(folder_, "/", key, form == PassageForm::kBlocks ? kHotSuffix : kColdSuffix);
}

absl::StatusOr<std::shared_ptr<const PassageFile>> PassageStore::Find(
    const std::string& key) const {
  auto file = PassageFile::Open(PathOf(key, PassageForm::kBlocks));
  if (absl::IsNotFound(file.status())) file = PassageFile::Open(PathOf(key, PassageForm::kCoded));
  if (file.ok() && (*file)->header().fingerprint != fingerprint_) {
    return absl::FailedPreconditionError(
        absl::StrCat((*file)->name(), ": of another model, prompt head or version"));
  }
  return file;
}

bool PassageStore::Has(const std::string& key) const {
  std::error_code error;
  return fs::is_regular_file(PathOf(key, PassageForm::kBlocks), error) ||
         fs::is_regular_file(PathOf(key, PassageForm::kCoded), error);
}

absl::Status PassageStore::Put(const std::string& key, PassageForm form, std::string_view bytes) {
  WEIR_RETURN_IF_ERROR(MakeFolders(folder_));
  WEIR_RETURN_IF_ERROR(WriteFileAtomic(PathOf(key, form), bytes));
  std::error_code error;
  fs::remove(PathOf(key, form == PassageForm::kBlocks ? PassageForm::kCoded : PassageForm::kBlocks),
             error);
  return absl::OkStatus();
}

void PassageStore::Drop(const std::string& key) {
  std::error_code error;
  fs::remove(PathOf(key, PassageForm::kBlocks), error);
  fs::remove(PathOf(key, PassageForm::kCoded), error);
}

absl::StatusOr<PassageStore::Size> PassageStore::Measure() const {
  Size size;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_, error)) {
    if (KeyOf(entry.path().filename().string()).empty()) continue;
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
