#include "text/morfologik.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/status.h"

namespace weir::text {
namespace {

constexpr uint8_t kVersion = 0xC6;  // CFSA2
constexpr uint8_t kTargetNext = 0x80, kLast = 0x40, kLabelBits = 0x1F;
constexpr size_t kHeaderBytes = 8;        // "\fsa", version, flags (2 bytes), number of labels
constexpr uint16_t kKnownFlags = 0x0007;  // flexible, stop bit, next bit
constexpr uint64_t kMaxFileBytes = uint64_t{64} << 20;  // the Polish one has 2.8 MB
constexpr uint8_t kSeparator = ';';
constexpr int kMaxSteps = 1 << 14;   // arcs that one look-up may see behind the form
constexpr size_t kMaxCodeBytes = 64;  // of one lemma's recipe

// The plain letter's Polish ones, all of two bytes; up to two.
struct Diacritics {
  char plain;
  std::array<std::string_view, 2> letters;
};
constexpr std::array<Diacritics, 8> kDiacritics = {{{'a', {"\u0105", ""}},
                                                    {'c', {"\u0107", ""}},
                                                    {'e', {"\u0119", ""}},
                                                    {'l', {"\u0142", ""}},
                                                    {'n', {"\u0144", ""}},
                                                    {'o', {"\u00f3", ""}},
                                                    {'s', {"\u015b", ""}},
                                                    {'z', {"\u017a", "\u017c"}}}};

// The lemma that a recipe makes of a form; false when it does not fit.
bool Apply(std::string_view form, std::string_view code, std::string& lemma) {
  if (code.size() < 2) return false;
  const uint8_t front = static_cast<uint8_t>(code[0] - 'A');
  const uint8_t back = static_cast<uint8_t>(code[1] - 'A');
  constexpr uint8_t kAll = 255;
  lemma.clear();
  if (front != kAll && back != kAll) {
    if (size_t{front} + back > form.size()) return false;
    lemma.assign(form.substr(front, form.size() - front - back));
  }
  lemma.append(code.substr(2));
  return !lemma.empty();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const MorfologikDictionary>> MorfologikDictionary::Parse(
    std::string bytes) {
  std::shared_ptr<MorfologikDictionary> out(new MorfologikDictionary(std::move(bytes)));
  WEIR_RETURN_IF_ERROR(out->Check());
  out->sha256_ = Sha256(out->bytes_);
  return out;
}

absl::StatusOr<std::shared_ptr<const MorfologikDictionary>> MorfologikDictionary::Open(
    const std::string& path) {
  struct Known {
    std::mutex mutex;
    std::map<std::string, std::shared_ptr<const MorfologikDictionary>> dictionaries;
  };
  static Known& known = *std::make_unique<Known>().release();  // lives as long as any thread
  std::lock_guard lock(known.mutex);
  WEIR_ASSIGN_OR_RETURN(const auto file, MappedFile::Open(path));
  if (file->bytes().size() > kMaxFileBytes) {
    return absl::ResourceExhaustedError(absl::StrCat(
        path, ": ", file->bytes().size(), " bytes; a dictionary has at most ", kMaxFileBytes));
  }
  auto& shared = known.dictionaries[path];
  if (shared == nullptr || shared->bytes_.size() != file->bytes().size()) {
    auto parsed = Parse(std::string(reinterpret_cast<const char*>(file->bytes().data()),
                                    file->bytes().size()));
    if (!parsed.ok()) return Annotate(parsed.status(), path);
    shared = *std::move(parsed);
  }
  return shared;
}

bool MorfologikDictionary::ReadArc(uint32_t at, Arc& arc) const {
  const uint8_t* const p = reinterpret_cast<const uint8_t*>(bytes_.data());
  const uint32_t size = static_cast<uint32_t>(bytes_.size());
  if (at >= size) return false;
  arc.flags = p[at++];
  const uint8_t number = arc.flags & kLabelBits;
  if (number > 0) {
    arc.label = labels_[number];
  } else {
    if (at >= size) return false;
    arc.label = p[at++];
  }
  arc.target = 0;
  if ((arc.flags & kTargetNext) == 0) {
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      if (at >= size || shift > 28) return false;
      value |= uint64_t{p[at] & 0x7Fu} << shift;
      if ((p[at++] & 0x80) == 0) break;
    }
    if (value >= size - arcs_) return false;
    if (value > 0) arc.target = arcs_ + static_cast<uint32_t>(value);
  }
  arc.next = at;
  return true;
}

uint32_t MorfologikDictionary::TargetOf(uint32_t at, const Arc& arc) const {
  if ((arc.flags & kTargetNext) == 0) return arc.target;
  Arc last = arc;  // the node behind is what follows this node's last arc
  while ((last.flags & kLast) == 0) {
    if (!ReadArc(last.next, last)) return 0;
  }
  return last.next < bytes_.size() ? last.next : 0;
}

absl::Status MorfologikDictionary::Check() {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(bytes_[i]); };
  if (bytes_.size() < kHeaderBytes || bytes_.substr(0, 4) != "\\fsa") {
    return absl::DataLossError("no dictionary: expected a file of finite-state automata");
  }
  const uint16_t flags = static_cast<uint16_t>(byte(5) << 8 | byte(6));
  if (byte(4) != kVersion || (flags & ~kKnownFlags) != 0) {
    return absl::UnimplementedError(absl::StrCat("dictionary of version ", int{byte(4)}, ", flags ",
                                                 flags, "; this build reads version 198 (CFSA2)"));
  }
  const size_t labels = byte(7);
  if (labels > labels_.size() || kHeaderBytes + labels >= bytes_.size()) {
    return absl::DataLossError(absl::StrCat("dictionary: ", labels, " labels; at most 32"));
  }
  for (size_t i = 0; i < labels; ++i) labels_[i] = byte(kHeaderBytes + i);
  arcs_ = static_cast<uint32_t>(kHeaderBytes + labels);
  Arc arc;
  bool ended = false;
  for (uint32_t at = arcs_; at < bytes_.size(); at = arc.next) {
    if (!ReadArc(at, arc)) {
      return absl::DataLossError(absl::StrCat("dictionary: no arc at byte ", at));
    }
    ended = (arc.flags & kLast) != 0;
    if ((arc.flags & kTargetNext) != 0 && ended && arc.next >= bytes_.size()) ended = false;
  }
  if (!ended) return absl::DataLossError("dictionary: the last node has no end");
  if (!ReadArc(arcs_, arc)) return absl::DataLossError("dictionary: no root");
  root_ = TargetOf(arcs_, arc);  // the first arc only points at it
  if (root_ == 0) return absl::DataLossError("dictionary: no root");
  for (uint32_t at = root_;; at = arc.next) {
    if (!ReadArc(at, arc)) return absl::DataLossError("dictionary: a root without an end");
    first_[arc.label] = TargetOf(at, arc);
    if ((arc.flags & kLast) != 0) break;
  }
  return absl::OkStatus();
}

uint32_t MorfologikDictionary::Follow(uint32_t node, uint8_t label) const {
  if (node == root_) return first_[label];
  Arc arc;
  for (uint32_t at = node; ReadArc(at, arc); at = arc.next) {
    if (arc.label == label) return TargetOf(at, arc);
    if ((arc.flags & kLast) != 0) break;
  }
  return 0;
}

void MorfologikDictionary::Collect(uint32_t node, std::string_view form,
                                   std::vector<std::string>& lemmas) const {
  struct Open {
    uint32_t arc;
    size_t depth;
  };
  std::vector<Open> open = {{node, 0}};
  std::string code, lemma;
  for (int steps = 0; !open.empty() && steps < kMaxSteps; ++steps) {
    const Open here = open.back();
    open.pop_back();
    Arc arc;
    if (!ReadArc(here.arc, arc)) return;
    if ((arc.flags & kLast) == 0) open.push_back({arc.next, here.depth});
    if (arc.label == kSeparator) {
      if (lemmas.size() >= kMaxLemmas) return;
      if (Apply(form, std::string_view(code).substr(0, here.depth), lemma)) {
        lemmas.push_back(lemma);
      }
      continue;
    }
    const uint32_t target = TargetOf(here.arc, arc);
    if (target == 0 || here.depth >= kMaxCodeBytes) continue;
    code.resize(here.depth);
    code.push_back(static_cast<char>(arc.label));
    open.push_back({target, here.depth + 1});
  }
}

void MorfologikDictionary::Lookup(std::string_view form, std::vector<std::string>& lemmas) const {
  if (form.size() > kMaxFormBytes) return;
  uint32_t node = root_;
  for (char c : form) {
    if (static_cast<uint8_t>(c) == kSeparator) return;
    node = Follow(node, static_cast<uint8_t>(c));
    if (node == 0) return;
  }
  node = Follow(node, kSeparator);
  if (node != 0) Collect(node, form, lemmas);
}

struct MorfologikDictionary::Walk {
  std::string_view form;
  std::string path;  // the form with the letters taken so far
  std::vector<std::string>& lemmas;
  int steps = 0;
};

void MorfologikDictionary::Restore(Walk& walk, uint32_t node, size_t at) const {
  if (node == 0 || ++walk.steps > kMaxSteps) return;
  if (at == walk.form.size()) {
    const uint32_t behind = Follow(node, kSeparator);
    if (behind != 0) Collect(behind, walk.path, walk.lemmas);
    return;
  }
  const char c = walk.form[at];
  const size_t size = walk.path.size();
  walk.path.push_back(c);
  Restore(walk, Follow(node, static_cast<uint8_t>(c)), at + 1);
  walk.path.resize(size);
  for (const Diacritics& d : kDiacritics) {
    if (d.plain != c) continue;
    for (std::string_view letter : d.letters) {
      if (letter.empty()) continue;
      uint32_t next = Follow(node, static_cast<uint8_t>(letter[0]));
      if (next != 0) next = Follow(next, static_cast<uint8_t>(letter[1]));
      walk.path.append(letter);
      Restore(walk, next, at + 1);
      walk.path.resize(size);
    }
  }
}

void MorfologikDictionary::LookupWithoutDiacritics(std::string_view form,
                                                   std::vector<std::string>& lemmas) const {
  if (form.size() > kMaxFormBytes || form.find(';') != form.npos) return;
  Walk walk{.form = form, .path = {}, .lemmas = lemmas};
  Restore(walk, root_, 0);
}

}  // namespace weir::text
