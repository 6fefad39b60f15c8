// Which tenants may see each slot: a few ascending numbers a slot, in one pool. Not thread-safe
// while it changes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace weir::index {

class AccessLists {
 public:
  size_t size() const { return places_.size(); }
  void AddSlot() { places_.emplace_back(); }
  void Reserve(size_t slots) { places_.reserve(slots); }
  std::span<const uint32_t> Of(uint32_t slot) const {
    const Place& p = places_[slot];
    return {pool_.data() + p.begin, p.count};
  }
  bool Has(uint32_t slot, uint32_t tenant) const {
    const std::span<const uint32_t> of = Of(slot);
    return std::binary_search(of.begin(), of.end(), tenant);
  }
  // False when it is there already.
  bool Add(uint32_t slot, uint32_t tenant) {
    if (Has(slot, tenant)) return false;
    if (places_[slot].count == Room(places_[slot])) Move(slot, places_[slot].count + 1);
    Place& p = places_[slot];
    uint32_t* const begin = pool_.data() + p.begin;
    uint32_t* const at = std::lower_bound(begin, begin + p.count, tenant);
    std::copy_backward(at, begin + p.count, begin + p.count + 1);
    *at = tenant;
    ++p.count;
    return true;
  }
  // False when it is not there.
  bool Remove(uint32_t slot, uint32_t tenant) {
    Place& p = places_[slot];
    uint32_t* const begin = pool_.data() + p.begin;
    uint32_t* const at = std::lower_bound(begin, begin + p.count, tenant);
    if (at == begin + p.count || *at != tenant) return false;
    std::copy(at + 1, begin + p.count, at);
    if (--p.count == 0) Move(slot, 0);
    return true;
  }
  size_t bytes() const {
    size_t bytes = places_.capacity() * sizeof(Place) + pool_.capacity() * sizeof(uint32_t);
    for (const auto& of_class : free_) bytes += of_class.capacity() * sizeof(uint32_t);
    return bytes;
  }

 private:
  struct Place {
    uint32_t begin = 0, count : 26 = 0, room_class : 6 = 0;
  };
  // Rooms of 0, 1, 2, 3, 4, 6, 8, 12, 16, 24, ... tenants.
  static size_t RoomOf(uint32_t room_class) {
    if (room_class < 3) return room_class;
    return (room_class % 2 == 1 ? size_t{3} : size_t{4}) << (room_class - 3) / 2;
  }
  static size_t Room(const Place& p) { return RoomOf(p.room_class); }

  // To a room for `count`, with what is there; what it leaves serves another slot.
  void Move(uint32_t slot, size_t count) {
    const Place old = places_[slot];
    Place now;
    now.count = old.count;
    while (Room(now) < count) now.room_class = now.room_class + 1;
    if (free_.size() < kClasses) free_.resize(kClasses);
    if (now.room_class > 0) {
      std::vector<uint32_t>& same = free_[now.room_class];
      if (same.empty()) {
        now.begin = static_cast<uint32_t>(pool_.size());
        const size_t size = pool_.size() + Room(now);
        // A doubled pool would waste half of what the lists take.
        if (size > pool_.capacity()) pool_.reserve(size + size / 8);
        pool_.resize(size);
      } else {
        now.begin = same.back();
        same.pop_back();
      }
      std::copy_n(pool_.data() + old.begin, old.count, pool_.data() + now.begin);
    }
    if (old.room_class > 0) free_[old.room_class].push_back(old.begin);
    places_[slot] = now;
  }

  static constexpr size_t kClasses = 54;  // up to 2^26 tenants of a slot
  std::vector<Place> places_;
  std::vector<uint32_t> pool_;
  std::vector<std::vector<uint32_t>> free_;  // beginnings of rooms, by class
};

}  // namespace weir::index
