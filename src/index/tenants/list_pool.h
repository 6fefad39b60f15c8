// Many small lists of numbers in one array. Not thread-safe while it changes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace weir::index {

class ListPool {
 public:
  // Where a list is; 8 bytes. Belongs to the pool that it was added to.
  struct List {
    uint32_t begin = 0;
    uint32_t count : 25 = 0, room_class : 7 = 0;
  };

  std::span<const uint32_t> Of(const List& list) const {
    return {numbers_.data() + list.begin, list.count};
  }
  std::span<uint32_t> Of(const List& list) { return {numbers_.data() + list.begin, list.count}; }
  void Append(List& list, uint32_t number) { Insert(list, list.count, number); }
  // REQUIRES: at <= count
  void Insert(List& list, size_t at, uint32_t number) {
    if (list.count == RoomOf(list.room_class)) Move(list, list.count + 1);
    uint32_t* const begin = numbers_.data() + list.begin;
    std::copy_backward(begin + at, begin + list.count, begin + list.count + 1);
    begin[at] = number;
    ++list.count;
  }
  // Keeps the order of the others. A list that is empty takes no room.
  void Erase(List& list, size_t at) {
    uint32_t* const begin = numbers_.data() + list.begin;
    std::copy(begin + at + 1, begin + list.count, begin + at);
    if (--list.count == 0) Move(list, 0);
  }
  void Free(List& list) {
    list.count = 0;
    Move(list, 0);
  }
  // Much of the array belongs to no list: time to Compact.
  bool sparse() const { return unused_ > numbers_.size() / 4 + 1024; }
  // Leaves out what belongs to no list. each(f) calls f(list) for every list.
  template <class Each>
  void Compact(const Each& each) {
    std::vector<uint32_t> used;
    used.reserve(numbers_.size() - unused_);
    each([&](List& list) {
      const uint32_t begin = static_cast<uint32_t>(used.size());
      const auto from = numbers_.begin() + list.begin;
      used.insert(used.end(), from, from + RoomOf(list.room_class));
      list.begin = begin;
    });
    numbers_ = std::move(used);
    free_.clear();
    unused_ = 0;
  }
  size_t bytes() const {
    size_t bytes = numbers_.capacity() * sizeof(uint32_t);
    for (const auto& same : free_) bytes += same.capacity() * sizeof(uint32_t);
    return bytes;
  }

 private:
  // Rooms of 0 to 8, 10, 12, 14, 16, 20, 24, ... numbers.
  static size_t RoomOf(uint32_t room_class) {
    if (room_class < 5) return room_class;
    return size_t{5 + (room_class - 5) % 4} << (room_class - 5) / 4;
  }
  // To a room for `room` numbers, with what is there; what it leaves serves another list.
  void Move(List& list, size_t room) {
    List now;
    now.count = list.count;
    while (RoomOf(now.room_class) < room) now.room_class = now.room_class + 1;
    if (free_.size() < kClasses) free_.resize(kClasses);
    if (now.room_class > 0) {
      std::vector<uint32_t>& same = free_[now.room_class];
      if (same.empty()) {
        now.begin = static_cast<uint32_t>(numbers_.size());
        const size_t size = numbers_.size() + RoomOf(now.room_class);
        // A doubled array would waste half of what the lists take.
        if (size > numbers_.capacity()) numbers_.reserve(size + size / 8);
        numbers_.resize(size);
      } else {
        now.begin = same.back();
        same.pop_back();
        unused_ -= RoomOf(now.room_class);
      }
      std::copy_n(numbers_.data() + list.begin, list.count, numbers_.data() + now.begin);
    }
    if (list.room_class > 0) {
      free_[list.room_class].push_back(list.begin);
      unused_ += RoomOf(list.room_class);
    }
    list = now;
  }

  static constexpr size_t kClasses = 96;  // for 2^25 numbers of a list
  std::vector<uint32_t> numbers_;
  std::vector<std::vector<uint32_t>> free_;  // beginnings of rooms, by class
  size_t unused_ = 0;                        // numbers in them
};

}  // namespace weir::index
