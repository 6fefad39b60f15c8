// Technique: morfologik
// Source: Daciuk, Weiss, Smaller representation of finite state automata, TCS 2012 (the automaton);
//   Milkowski, Developing an open-source, rule-based proofreading tool, 2010 (the dictionary)
// Idea: A minimal automaton holds every form of a language with a recipe that makes its lemma:
//   how many bytes go at both ends and which come to the end.
// Formulas: entry = form ; code; code = 'A' + bytes off the front, 'A' + bytes off the end, the
//   bytes that are added; lemma = form[front .. size - end] + added
// Cost: O(arcs of the nodes on the form's path); no memory beside the file's bytes and 1 KiB.
// Differs: Only version C6 (CFSA2) without numbered nodes, with the encoder "PREFIX" and the
//   separator ';', which is what the Polish dictionary has; tags are not read. A word that is not
//   there is looked up once more with Polish letters in place of their plain ones.
// Checked by: MorfologikTest.AgreesWithTheListOfASmallDictionary   Measured by:
//   PolishSpeedTest.LookUp (with the dictionary installed)
//
// The file is hostile input: it is walked once when it is opened (kDataLoss unless every arc and
// target lies in the file), and a look-up stops at fixed numbers of arcs, lemmas and bytes.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace weir::text {

// Thread-safe.
class MorfologikDictionary {
 public:
  static absl::StatusOr<std::shared_ptr<const MorfologikDictionary>> Parse(std::string bytes);
  // As Parse of a file; a file that was opened before and has the same size is shared.
  static absl::StatusOr<std::shared_ptr<const MorfologikDictionary>> Open(const std::string& path);

  // Appends the lemmas of exactly this form, in the order of the file. At most kMaxLemmas.
  void Lookup(std::string_view form, std::vector<std::string>& lemmas) const;
  // The same for all forms that differ in nothing but Polish diacritics: "zolty" finds "żółty".
  void LookupWithoutDiacritics(std::string_view form, std::vector<std::string>& lemmas) const;
  // Lower-case hex SHA-256 of the file.
  const std::string& sha256() const { return sha256_; }

  static constexpr size_t kMaxLemmas = 64;
  static constexpr size_t kMaxFormBytes = 128;

 private:
  struct Arc {
    uint8_t label = 0, flags = 0;
    uint32_t target = 0;  // 0: none behind it
    uint32_t next = 0;    // where the following arc begins
  };
  struct Walk;

  explicit MorfologikDictionary(std::string bytes) : bytes_(std::move(bytes)) {}
  absl::Status Check();
  bool ReadArc(uint32_t at, Arc& arc) const;
  // The node behind the arc with this label; 0 when there is none.
  uint32_t Follow(uint32_t node, uint8_t label) const;
  uint32_t TargetOf(uint32_t at, const Arc& arc) const;
  void Collect(uint32_t node, std::string_view form, std::vector<std::string>& lemmas) const;
  void Restore(Walk& walk, uint32_t node, size_t at) const;

  std::string bytes_, sha256_;
  std::array<uint8_t, 32> labels_{};  // of the frequent letters, by their 5-bit number
  uint32_t arcs_ = 0;                 // where they begin in bytes_
  uint32_t root_ = 0;
  std::array<uint32_t, 256> first_{};  // nodes behind the root, by label
};

}  // namespace weir::text
