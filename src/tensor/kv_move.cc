#include "tensor/kv_move.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "tensor/attention.h"
#include "tensor/kernels.h"
#include "tensor/simd/turn_keys.h"

namespace weir::tensor {
namespace {

constexpr int kLanes = 16;

class HeadMove {
 public:
  HeadMove(const KvMove& move, const KeyTurn& turn, int head)
      : m_(move),
        turn_(turn),
        head_(head),
        layout_(move.head_dim),
        offset_(static_cast<size_t>(head) * layout_.bytes) {}

  void Keys(TurnKeysKernel kernel, float* scratch) const {
    for (int64_t done = 0; done < m_.count;) {
      const int from_slot = static_cast<int>((m_.from_first + done) % kKvBlockTokens);
      const int to_slot = static_cast<int>((m_.to_first + done) % kKvBlockTokens);
      const int most = turn_.cos_sin == nullptr ? kKvBlockTokens : kLanes;
      const int count = static_cast<int>(std::min<int64_t>(
          {most, kKvBlockTokens - from_slot, kKvBlockTokens - to_slot, m_.count - done}));
      const std::byte* from = From(m_.from_first + done);
      std::byte* to = To(m_.to_first + done);
      if (turn_.cos_sin == nullptr) {
        CopyKeys(from, from_slot, to, to_slot, static_cast<size_t>(count));
      } else {
        kernel({from, to, from_slot, to_slot, count, m_.head_dim, turn_.halves, turn_.cos_sin,
                turn_.shift == nullptr ? nullptr : turn_.shift + head_ * m_.head_dim, scratch});
      }
      CopyScales(from + layout_.value_scales, from_slot, to + layout_.value_scales, to_slot,
                 static_cast<size_t>(count));
      done += count;
    }
  }

  // Four tokens share a dword: what moves by no multiple of four is shifted out of two rows.
  void Values() const {
    const int64_t end = m_.to_first + m_.count;
    for (int64_t row = m_.to_first / 4; 4 * row < end; ++row) {
      const int64_t source = 4 * row - m_.to_first + m_.from_first;  // may lie before from_first
      const int first = static_cast<int>(std::max<int64_t>(0, m_.to_first - 4 * row));
      const int last = static_cast<int>(std::min<int64_t>(4, end - 4 * row));
      const int shift = static_cast<int>(((source % 4) + 4) % 4);
      const int64_t low = source - shift;
      const std::byte* low_row = RowAt(low);
      const std::byte* high_row = RowAt(low + 4);
      std::byte* to = To(4 * row) + layout_.values + 4 * row % 32 / 4 * RowBytes();
      if (first == 0 && last == 4 && shift == 0) {
        std::memcpy(to, low_row, RowBytes());
      } else {
        Shift(low_row == nullptr ? high_row : low_row, high_row == nullptr ? low_row : high_row,
              shift, first, last, to);
      }
    }
  }

 private:
  size_t RowBytes() const { return static_cast<size_t>(m_.head_dim) * 4; }
  const std::byte* From(int64_t token) const { return m_.from[token / 32] + offset_; }
  std::byte* To(int64_t token) const { return m_.to[token / 32] + offset_; }

  // The values of tokens [token, token + 4), or null when none of them is moved.
  const std::byte* RowAt(int64_t token) const {
    if (token + 4 <= m_.from_first || token >= m_.from_first + m_.count) return nullptr;
    return From(token) + layout_.values + token % 32 / 4 * RowBytes();
  }

  // Bytes [first, last) of each dword of `to` become those of (high:low) from byte `shift` on.
  void Shift(const std::byte* low, const std::byte* high, int shift, int first, int last,
             std::byte* to) const {
    const uint32_t below = first == 0 ? 0 : ~uint32_t{0} >> (32 - 8 * first);
    const uint32_t upto = last == 4 ? ~uint32_t{0} : ~(~uint32_t{0} << (8 * last));
    const uint32_t mask = upto & ~below;
    const int down = 8 * shift, up = 31 - down;  // two steps: a shift by 32 is not defined
    for (int d = 0; d < m_.head_dim; ++d) {
      uint32_t a, b, old;
      std::memcpy(&a, low + 4 * d, 4);
      std::memcpy(&b, high + 4 * d, 4);
      std::memcpy(&old, to + 4 * d, 4);
      const uint32_t moved = a >> down | b << up << 1;
      old = (old & ~mask) | ((shift == 0 ? a : moved) & mask);
      std::memcpy(to + 4 * d, &old, 4);
    }
  }

  void CopyKeys(const std::byte* from, int from_slot, std::byte* to, int to_slot,
                size_t count) const {
    for (int d = 0; d < m_.head_dim; d += 4) {
      std::memcpy(to + d * 32 + to_slot * 4, from + d * 32 + from_slot * 4, 4 * count);
    }
    for (int part = 0; part < m_.head_dim / kInt8Part; ++part) {
      const size_t at = layout_.key_scales + part * 64;
      CopyScales(from + at, from_slot, to + at, to_slot, count);
    }
  }

  static void CopyScales(const std::byte* from, int from_slot, std::byte* to, int to_slot,
                         size_t count) {
    std::memcpy(to + to_slot * 2, from + from_slot * 2, 2 * count);
  }

  const KvMove& m_;
  const KeyTurn& turn_;
  const int head_;
  const Int8Head layout_;
  const size_t offset_;
};

}  // namespace

void MoveKv(const KvMove& move, const KeyTurn& turn) {
  if (move.count <= 0) return;
  const TurnKeysKernel kernel = TurnKeysOf(Kernels());
  static thread_local std::vector<float> scratch;
  scratch.resize(static_cast<size_t>(move.head_dim) * kLanes);
  for (int h = 0; h < move.kv_heads; ++h) {
    const HeadMove head(move, turn, h);
    head.Keys(kernel, scratch.data());
    head.Values();
  }
}

}  // namespace weir::tensor
