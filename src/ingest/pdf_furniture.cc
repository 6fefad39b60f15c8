// Running headers, footers and page numbers.
#include <algorithm>
#include <cmath>
#include <map>

#include "ingest/pdf_layout.h"

namespace weir::ingest {
namespace {

constexpr float kMargin = 0.13f;    // of the page height: where furniture stands
constexpr float kSameHeight = 6.0f; // points
constexpr int kMaxLength = 200;     // bytes; longer lines are text

// Digits become '#', case and spaces go, so "Page 3 of 20" equals "PAGE 12 of 20".
std::string Key(std::string_view text) {
  std::string key;
  for (char c : text) {
    if (c == ' ') continue;
    if (c >= '0' && c <= '9') {
      if (key.empty() || key.back() != '#') key.push_back('#');
    } else {
      key.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
    }
  }
  return key;
}

bool PageNumber(const std::string& key) {
  if (key.size() > 12) return false;
  if (key.find('#') != std::string::npos) {
    return std::all_of(key.begin(), key.end(), [](char c) { return !(c >= 'a' && c <= 'z'); }) ||
           key == "page#" || key == "page#of#" || key == "#of#" || key == "p.#";
  }
  return !key.empty() && key.size() <= 5 &&
         key.find_first_not_of("ivxl") == std::string::npos;  // roman
}

bool InMargin(const PdfLine& line, const PdfPage& page) {
  return line.baseline < page.height * kMargin || line.baseline > page.height * (1 - kMargin);
}

bool Candidate(const PdfLine& line, const PdfPage& page) {
  return InMargin(line, page) && line.text.size() <= kMaxLength;
}

// Whether at most one line stands between the line and the page's edge. `heights`: sorted
// baselines.
bool Outermost(const PdfLine& line, const PdfPage& page, const std::vector<float>& heights) {
  if (line.baseline < page.height / 2) {
    return std::lower_bound(heights.begin(), heights.end(), line.baseline - line.size) -
               heights.begin() <= 1;
  }
  return heights.end() -
             std::upper_bound(heights.begin(), heights.end(), line.baseline + line.size) <= 1;
}

struct Seen {
  float baseline = 0;
  int pages = 0;
  int last_page = 0;
};

}  // namespace

int DropFurniture(std::vector<PdfPage>& pages) {
  std::map<std::string, std::vector<Seen>> seen;
  const auto find = [&](const std::string& key, float baseline) -> Seen* {
    for (Seen& s : seen[key]) {
      if (std::fabs(s.baseline - baseline) < kSameHeight) return &s;
    }
    return nullptr;
  };
  for (const PdfPage& page : pages) {
    for (const PdfLine& line : page.lines) {
      if (!Candidate(line, page)) continue;
      const std::string key = Key(line.text);
      Seen* s = find(key, line.baseline);
      if (s == nullptr) {
        std::vector<Seen>& places = seen[key];
        if (places.size() >= 16) continue;
        places.push_back({line.baseline, 0, 0});
        s = &places.back();
      }
      if (s->last_page != page.number) ++s->pages;
      s->last_page = page.number;
    }
  }
  const int needed = pages.size() <= 8 ? 2 : 3;
  const auto repeated = [&](const PdfLine& line) {
    const Seen* s = find(Key(line.text), line.baseline);
    return s != nullptr && s->pages >= needed;
  };
  // Forms and slides may say one line a page, alike but for a number: that is their text.
  const auto emptied = std::count_if(pages.begin(), pages.end(), [&](const PdfPage& page) {
    return !page.lines.empty() &&
           std::all_of(page.lines.begin(), page.lines.end(), [&](const PdfLine& line) {
             return Candidate(line, page) && (PageNumber(Key(line.text)) || repeated(line));
           });
  });
  const bool headers = static_cast<size_t>(emptied) * 2 <= pages.size();
  int dropped = 0;
  for (PdfPage& page : pages) {
    std::vector<bool> drop(page.lines.size());
    std::vector<float> heights;
    for (const PdfLine& line : page.lines) heights.push_back(line.baseline);
    std::sort(heights.begin(), heights.end());
    for (size_t i = 0; i < page.lines.size(); ++i) {
      const PdfLine& line = page.lines[i];
      if (!Candidate(line, page)) continue;
      const bool number = PageNumber(Key(line.text));
      drop[i] =
          ((headers || number) && repeated(line)) || (number && Outermost(line, page, heights));
    }
    size_t kept = 0;
    for (size_t i = 0; i < page.lines.size(); ++i) {
      if (drop[i]) {
        ++dropped;
        continue;
      }
      if (kept != i) page.lines[kept] = std::move(page.lines[i]);
      ++kept;
    }
    page.lines.resize(kept);
  }
  return dropped;
}

}  // namespace weir::ingest
