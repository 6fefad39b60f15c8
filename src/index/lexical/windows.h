// Windows of positions that hold all terms of a proximity clause.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace weir::index {

// Calls on_window(places) for windows of at most `width` positions that hold an occurrence of each
// term, in any order: `places` has one of each. A window begins at the first occurrence from which
// all others follow within the width, ends at the last of them, and the next one begins behind it;
// so there are no more windows than occurrences of any term. lists: ascending positions, at least
// one list. Clarke, Cormack and Burkowski, An algebra for structured text search, 1995, has the
// windows without the demand that they do not overlap.
template <class OnWindow>
void ForEachWindow(std::span<const std::span<const uint32_t>> lists, int64_t width,
                   OnWindow on_window) {
  std::vector<size_t> at(lists.size());
  while (true) {
    size_t first = 0;
    uint32_t last = 0;
    for (size_t t = 0; t < lists.size(); ++t) {
      if (at[t] == lists[t].size()) return;
      if (lists[t][at[t]] < lists[first][at[first]]) first = t;
      if (lists[t][at[t]] > last) last = lists[t][at[t]];
    }
    if (int64_t{last} - int64_t{lists[first][at[first]]} >= width) {
      ++at[first];
      continue;
    }
    on_window(std::span<const size_t>(at));
    for (size_t t = 0; t < lists.size(); ++t) {
      while (at[t] < lists[t].size() && lists[t][at[t]] <= last) ++at[t];
    }
  }
}

}  // namespace weir::index
