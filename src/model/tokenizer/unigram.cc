#include "model/tokenizer/unigram.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace weir::model {
namespace {

constexpr uint32_t kUnreached = std::numeric_limits<uint32_t>::max();

struct Best {
  double score = 0;
  uint32_t from = kUnreached;  // where the last piece of the best path begins
  int32_t id = -1;
};

}  // namespace

Unigram::Unigram(const Vocabulary& vocabulary,
                 std::vector<std::pair<std::string_view, int32_t>> matching,
                 std::vector<double> scores, const Options& options)
    : vocabulary_(vocabulary),
      trie_(std::move(matching)),
      scores_(std::move(scores)),
      byte_ids_(BytePieces(vocabulary)),
      options_(options) {}

void Unigram::EmitUnknown(std::string_view text, std::vector<int32_t>& out) const {
  if (options_.byte_fallback) {
    if (const int32_t id = vocabulary_.Find(text); id >= 0) {
      out.push_back(id);
      return;
    }
    const bool all = std::all_of(text.begin(), text.end(), [&](char c) {
      return byte_ids_[static_cast<uint8_t>(c)] >= 0;
    });
    if (all) {
      for (const char c : text) out.push_back(byte_ids_[static_cast<uint8_t>(c)]);
      return;
    }
  }
  out.push_back(options_.unknown);
}

void Unigram::Encode(std::string_view text, std::vector<int32_t>& out) const {
  if (text.empty()) return;
  std::vector<Best> best(text.size() + 1);
  const auto offer = [&](size_t at, uint32_t from, double score, int32_t id) {
    if (best[at].from == kUnreached || score > best[at].score) best[at] = {score, from, id};
  };
  for (size_t at = 0; at < text.size();) {
    const uint8_t lead = static_cast<uint8_t>(text[at]);
    const size_t bytes =
        std::min<size_t>(lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4, text.size() - at);
    const double so_far = best[at].score;
    bool single = false;  // a piece covers just this code point
    trie_.Prefixes(text.substr(at), [&](size_t length, int32_t id) {
      offer(at + length, static_cast<uint32_t>(at), so_far + scores_[id], id);
      single = single || length == bytes;
    });
    if (!single) {
      offer(at + bytes, static_cast<uint32_t>(at), so_far + options_.unknown_score, -1);
    }
    at += bytes;
  }
  std::vector<std::pair<uint32_t, uint32_t>> pieces;  // [from, to), last first
  for (uint32_t to = static_cast<uint32_t>(text.size()); to > 0; to = best[to].from) {
    pieces.emplace_back(best[to].from, to);
  }
  for (size_t i = pieces.size(); i-- > 0;) {
    const int32_t id = best[pieces[i].second].id;
    if (id >= 0 && id != options_.unknown) {
      out.push_back(id);
      continue;
    }
    size_t last = i;  // fuse the unknowns that follow
    while (last > 0) {
      const int32_t next = best[pieces[last - 1].second].id;
      if (next >= 0 && next != options_.unknown) break;
      --last;
    }
    EmitUnknown(text.substr(pieces[i].first, pieces[last].second - pieces[i].first), out);
    i = last;
  }
}

}  // namespace weir::model
