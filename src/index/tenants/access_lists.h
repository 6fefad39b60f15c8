// Which tenants may see each slot, ascending. Not thread-safe while it changes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "index/tenants/list_pool.h"

namespace weir::index {

class AccessLists {
 public:
  void AddSlot() { lists_.emplace_back(); }
  void Reserve(size_t slots) { lists_.reserve(slots); }
  std::span<const uint32_t> Of(uint32_t slot) const { return pool_.Of(lists_[slot]); }
  bool Has(uint32_t slot, uint32_t tenant) const {
    const std::span<const uint32_t> of = Of(slot);
    return std::binary_search(of.begin(), of.end(), tenant);
  }
  // Asks for what Has reads: first where the slot's tenants are, then them.
  void PrefetchPlace(uint32_t slot) const { __builtin_prefetch(&lists_[slot]); }
  void Prefetch(uint32_t slot) const { __builtin_prefetch(Of(slot).data()); }
  // False when it is there already.
  bool Add(uint32_t slot, uint32_t tenant) {
    const std::span<const uint32_t> of = Of(slot);
    const auto at = std::lower_bound(of.begin(), of.end(), tenant);
    if (at != of.end() && *at == tenant) return false;
    pool_.Insert(lists_[slot], static_cast<size_t>(at - of.begin()), tenant);
    if (pool_.sparse()) Compact();
    return true;
  }
  // False when it is not there.
  bool Remove(uint32_t slot, uint32_t tenant) {
    const std::span<const uint32_t> of = Of(slot);
    const auto at = std::lower_bound(of.begin(), of.end(), tenant);
    if (at == of.end() || *at != tenant) return false;
    pool_.Erase(lists_[slot], static_cast<size_t>(at - of.begin()));
    if (pool_.sparse()) Compact();
    return true;
  }
  size_t bytes() const { return lists_.capacity() * sizeof(ListPool::List) + pool_.bytes(); }

 private:
  void Compact() {
    pool_.Compact([this](const auto& f) {
      for (ListPool::List& list : lists_) f(list);
    });
  }

  std::vector<ListPool::List> lists_;
  ListPool pool_;
};

}  // namespace weir::index
