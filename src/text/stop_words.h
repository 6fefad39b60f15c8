// A set of words that are not indexed.
#pragma once

#include <string>
#include <string_view>

#include "absl/container/flat_hash_set.h"
#include "text/case_folder.h"

namespace weir::text {

class StopWords {
 public:
  // `words` are separated by white space.
  StopWords(std::string_view words, const CaseFolder& folder);
  bool Contains(std::string_view folded) const {
    return folded.size() <= longest_ && words_.contains(folded);
  }

 private:
  absl::flat_hash_set<std::string> words_;
  size_t longest_ = 0;  // bytes
};

}  // namespace weir::text
