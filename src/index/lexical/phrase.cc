#include "index/lexical/phrase.h"

#include <algorithm>
#include <memory>
#include <numeric>

#include "base/status.h"
#include "index/lexical/cursor.h"

namespace weir::index {
namespace {

struct Follower {
  std::unique_ptr<PostingsCursor> cursor;
  int32_t offset = 0;
  uint32_t block = 0;
  uint32_t at = 0;  // in the loaded block

  // Moves to `doc`; false when it is not in the list.
  bool Seek(uint32_t doc) {
    const uint32_t found = cursor->FindBlock(block, doc);
    if (found == cursor->block_count()) return false;
    if (found != cursor->block()) {
      if (!cursor->Load(found)) return false;
      at = 0;
    }
    block = found;
    const uint32_t* docs = cursor->docs();
    at = static_cast<uint32_t>(std::lower_bound(docs + at, docs + cursor->count(), doc) - docs);
    return at < cursor->count() && docs[at] == doc;
  }
};

// How many starts fit all terms. `starts` is scratch.
uint32_t CountStarts(std::vector<Follower>& followers, uint32_t lead_at,
                     std::vector<int64_t>& starts) {
  starts.clear();
  for (uint32_t p : followers[0].cursor->Positions(lead_at)) {
    starts.push_back(int64_t{p} - followers[0].offset);
  }
  for (size_t i = 1; i < followers.size() && !starts.empty(); ++i) {
    std::span<const uint32_t> positions = followers[i].cursor->Positions(followers[i].at);
    size_t kept = 0, at = 0;
    for (int64_t start : starts) {
      const int64_t wanted = start + followers[i].offset;
      while (at < positions.size() && positions[at] < wanted) ++at;
      if (at < positions.size() && positions[at] == wanted) starts[kept++] = start;
    }
    starts.resize(kept);
  }
  return static_cast<uint32_t>(starts.size());
}

}  // namespace

absl::Status MatchPhrase(const LexicalSegment& segment, std::span<const TermInfo> terms,
                         std::span<const int32_t> offsets, PhraseMatches& matches) {
  std::vector<size_t> order(terms.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return terms[a].document_count < terms[b].document_count;
  });
  std::vector<Follower> followers;
  for (size_t i : order) {
    followers.push_back({std::make_unique<PostingsCursor>(segment, terms[i]), offsets[i]});
    // Lists without a skip table know their last document once they are loaded.
    followers.back().cursor->Load(0);
    WEIR_RETURN_IF_ERROR(followers.back().cursor->status());
  }
  PostingsCursor& lead = *followers[0].cursor;
  std::vector<int64_t> starts;
  for (uint32_t block = 0; block < lead.block_count(); ++block) {
    if (!lead.Load(block)) break;
    for (uint32_t i = 0; i < lead.count(); ++i) {
      const uint32_t doc = lead.docs()[i];
      bool in_all = true;
      for (size_t f = 1; f < followers.size() && in_all; ++f) in_all = followers[f].Seek(doc);
      if (!in_all) continue;
      const uint32_t frequency = CountStarts(followers, i, starts);
      if (frequency == 0) continue;
      matches.docs.push_back(doc);
      matches.frequencies.push_back(frequency);
    }
  }
  for (const Follower& f : followers) WEIR_RETURN_IF_ERROR(f.cursor->status());
  return absl::OkStatus();
}

}  // namespace weir::index
