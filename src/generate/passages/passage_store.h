// The folder of stored passages of one model and prompt head, inside a store's folder:
//
//   passage-cache/NAME-FFFFFFFFFFFFFFFF/KKKK....kv     FF.. the fingerprint, KK.. the passage's key
//   passage-cache/NAME-FFFFFFFFFFFFFFFF/KKKK....cold   in the cold form
//
// Files are written to the end, synced and renamed: a kill leaves whole files or none. Any number
// of readers and writers at once; who writes a key twice writes the same bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "generate/passages/passage_file.h"
#include "text/ports.h"

namespace weir::generate {

// The prompt head is kept like a passage, behind nothing.
inline constexpr char kHeadKey[] = "head";

// Beside the passages: the tables of those in the cold form.
inline constexpr char kTablesFile[] = "tables.codec";

// Names a passage by what the model reads of it and before it: 40 hex digits.
std::string PassageKey(const text::PromptPassage& passage);

class PassageStore {
 public:
  struct Size {
    int64_t passages = 0, bytes = 0;
  };
  // `folder` is the parent of all models' folders; nothing is made before the first Put.
  PassageStore(const std::string& folder, std::string_view model,
               const PassageFingerprint& fingerprint);

  // The hot form where there are both. kNotFound; kDataLoss and kUnimplemented as PassageFile. A
  // file of another fingerprint is kFailedPrecondition.
  absl::StatusOr<std::shared_ptr<const PassageFile>> Find(const std::string& key) const;
  bool Has(const std::string& key) const;
  // Replaces the passage in whatever form it was.
  absl::Status Put(const std::string& key, PassageForm form, std::string_view bytes);
  void Drop(const std::string& key);  // damaged: computed again when next needed
  absl::StatusOr<Size> Measure() const;
  // Removes every passage whose key is not in `live`, what a killed writer left, and the folders of
  // the same model under other fingerprints. Returns what was removed.
  absl::StatusOr<Size> Prune(const std::set<std::string>& live);
  const std::string& folder() const { return folder_; }
  const PassageFingerprint& fingerprint() const { return fingerprint_; }

 private:
  std::string PathOf(const std::string& key, PassageForm form) const;
  std::string parent_, model_, folder_;
  PassageFingerprint fingerprint_;
};

// Removes passages that `live` does not name from the folders of all models. What a document's
// removal calls, without loading a model. Returns what was removed.
absl::StatusOr<PassageStore::Size> PrunePassages(const std::string& folder,
                                                 const std::set<std::string>& live);

}  // namespace weir::generate
