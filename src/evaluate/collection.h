// A BEIR corpus as a store of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "index/store.h"
#include "retrieve/pipeline.h"

namespace weir::evaluate {

// A store whose documents are the corpus' records (path = id) with one passage each. Made in
// `keep`, or in a temporary folder that goes with this object.
class Collection {
 public:
  // Adds what is missing or has changed, removes what is no longer in the corpus, then gives
  // dense, sparse and token vectors for the encoders that are not null. `language`: as
  // Store::SetLanguage; "" for that of a store that is there already, each passage's own in a new
  // one.
  static absl::StatusOr<std::unique_ptr<Collection>> Open(
      const std::string& corpus_path, const std::string& keep, retrieve::Encoders encoders,
      const index::FixedEncodingOptions& encoding, std::string_view language,
      const Context& context);
  ~Collection();
  const index::Store& store() const { return *store_; }
  void SetBm25(const index::Bm25Options& options) { store_->SetBm25(options); }
  int64_t documents() const { return documents_; }
  int64_t bytes() const { return bytes_; }  // of the store

 private:
  Collection() = default;
  absl::Status Add(const std::string& corpus_path, const Context& context);
  std::string temporary_;  // "" when kept
  std::unique_ptr<index::Store> store_;
  int64_t documents_ = 0, bytes_ = 0;
};

}  // namespace weir::evaluate
