// For fuzzing and tests: a segment file made of given bytes with a header whose checksum fits, so
// that the readers behind the header are reached. The input's first bytes choose rows, parameters
// and section sizes.
#pragma once

#include <xxhash.h>

#include <cstddef>
#include <cstring>
#include <string>

#include "index/segment/segment_file.h"

namespace weir::index {

// Input: rows u16, params 4 x u16, then `sections` x u16 sizes, then the sections' bytes. "" when
// too short. format: the fifth parameter, of kinds that have one.
inline std::string FuzzImage(const uint8_t* data, size_t size, SegmentKind kind, int sections,
                             uint64_t format = 0) {
  const size_t head = 2 * (5 + static_cast<size_t>(sections));
  if (size < head) return "";
  auto word = [&](size_t i) {
    uint16_t value;
    std::memcpy(&value, data + 2 * i, 2);
    return value;
  };
  SegmentHeader header{};
  std::memcpy(header.magic, "WEIRSEG\n", 8);
  header.version = kSegmentVersion;
  header.kind = static_cast<uint32_t>(kind);
  header.rows = word(0);
  header.section_count = static_cast<uint32_t>(sections);
  header.params[4] = format;
  for (int i = 0; i < 4; ++i) header.params[i] = word(1 + static_cast<size_t>(i));
  std::string image(sizeof(header), '\0');
  size_t at = head;
  for (int s = 0; s < sections; ++s) {
    const size_t n = std::min<size_t>(word(5 + static_cast<size_t>(s)), size - at);
    header.sections[s] = {image.size(), n, XXH3_64bits(data + at, n)};
    image.append(reinterpret_cast<const char*>(data) + at, n);
    image.append((kSegmentAlignment - image.size() % kSegmentAlignment) % kSegmentAlignment, '\0');
    at += n;
  }
  header.file_size = image.size();
  header.checksum = XXH3_64bits(&header, offsetof(SegmentHeader, checksum));
  std::memcpy(image.data(), &header, sizeof(header));
  return image;
}

// Makes the checksums of a segment file that was changed fit again, where its sections lie inside
// it.
inline void RepairChecksums(std::string& image) {
  SegmentHeader header;
  if (image.size() < sizeof(header)) return;
  std::memcpy(&header, image.data(), sizeof(header));
  for (SegmentSection& s : header.sections) {
    if (s.offset <= image.size() && s.size <= image.size() - s.offset)
      s.checksum = XXH3_64bits(image.data() + s.offset, s.size);
  }
  header.checksum = XXH3_64bits(&header, offsetof(SegmentHeader, checksum));
  std::memcpy(image.data(), &header, sizeof(header));
}

}  // namespace weir::index
