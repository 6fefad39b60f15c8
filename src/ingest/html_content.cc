#include "ingest/html_content.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"

namespace weir::ingest {
namespace {

constexpr int kProseLength = 80;       // bytes of a paragraph that counts as prose
constexpr double kProseShare = 0.85;   // of the page's prose, that the content must hold
// bytes of a link's text, on average, that is more than a label
constexpr int kLongLink = 25;
constexpr double kLinkShare = 0.6;     // of an element's text, above which it is navigation

// Parts of class and id names that mark what is not content, as whole words between - and _.
constexpr std::array<std::string_view, 51> kBoilerplateWords = {
    "nav",        "navbar",     "navbox",    "navigation", "menu",       "sidebar",   "footer",
    "breadcrumb", "breadcrumbs", "share",    "sharing",    "social",     "related",   "comments",
    "comment",    "disqus",     "promo",     "advert",     "advertisement", "ads",    "sponsor",
    "sponsored",  "cookie",     "banner",    "newsletter", "subscribe",  "signup",    "login",
    "popup",      "modal",      "pagination", "pager",     "widget",     "masthead",  "tags",
    "toolbar",    "skip",       "catlinks",  "editsection", "metadata",  "printfooter", "noprint",
    "authorbox",  "recommended", "respond",  "trackback",  "rss",        "search",    "jump",
    "toc",        "hatnote"};

bool BoilerplateName(std::string_view name) {
  size_t start = 0;
  std::string word;
  for (size_t i = 0; i <= name.size(); ++i) {
    const bool letter = i < name.size() && absl::ascii_isalpha(static_cast<unsigned char>(name[i]));
    if (letter) continue;
    word.clear();
    for (size_t j = start; j < i; ++j) {
      word.push_back(absl::ascii_tolower(static_cast<unsigned char>(name[j])));
    }
    if (std::find(kBoilerplateWords.begin(), kBoilerplateWords.end(), word) !=
        kBoilerplateWords.end()) {
      return true;
    }
    start = i + 1;
  }
  return false;
}

bool BoilerplateElement(const GumboNode* node) {
  switch (TagOf(node)) {
    case GUMBO_TAG_NAV:
    case GUMBO_TAG_FOOTER:
    case GUMBO_TAG_ASIDE:
    case GUMBO_TAG_FORM:
    case GUMBO_TAG_MENU:
      return true;
    case GUMBO_TAG_BODY:
    case GUMBO_TAG_HTML:
    case GUMBO_TAG_ARTICLE:
    case GUMBO_TAG_MAIN:
      return false;
    default:
      break;
  }
  const std::string_view role = Attribute(node, "role");
  for (std::string_view bad : {"navigation", "banner", "contentinfo", "complementary", "search",
                               "menu", "dialog", "alertdialog", "menubar"}) {
    if (role == bad) return true;
  }
  return BoilerplateName(Attribute(node, "class")) || BoilerplateName(Attribute(node, "id"));
}

bool HiddenElement(const GumboNode* node) {
  if (!IsElement(node)) return false;
  if (gumbo_get_attribute(&node->v.element.attributes, "hidden") != nullptr) return true;
  const std::string_view style = Attribute(node, "style");
  if (style.empty()) return false;
  std::string s;
  for (char c : style.substr(0, 1000)) {
    if (c != ' ') s.push_back(absl::ascii_tolower(static_cast<unsigned char>(c)));
  }
  for (std::string_view bad : {"display:none", "visibility:hidden", "font-size:0;", "font-size:0px",
                               "opacity:0;", "text-indent:-9999"}) {
    if (s.find(bad) != std::string::npos) return true;
  }
  return s.ends_with("font-size:0") || s.ends_with("opacity:0");
}

int VisibleBytes(const char* s) {
  int n = 0;
  for (; *s != '\0'; ++s) n += static_cast<uint8_t>(*s) > ' ';
  return n;
}

bool ParagraphTag(GumboTag tag) {
  return tag == GUMBO_TAG_P || tag == GUMBO_TAG_PRE || tag == GUMBO_TAG_BLOCKQUOTE ||
         tag == GUMBO_TAG_LI || tag == GUMBO_TAG_TD || tag == GUMBO_TAG_DD ||
         tag == GUMBO_TAG_DIV || tag == GUMBO_TAG_SECTION || tag == GUMBO_TAG_ARTICLE;
}

// Prose of an element itself: its text outside child blocks, when that is a paragraph's worth.
void AddProse(std::vector<HtmlNode>& nodes, const std::vector<int>& own,
              const std::vector<int>& own_link) {
  for (size_t i = nodes.size(); i-- > 0;) {
    HtmlNode& n = nodes[i];
    if (ParagraphTag(TagOf(n.node)) && own[i] >= kProseLength && own_link[i] * 2 < own[i] &&
        !n.boilerplate && !n.hidden) {
      n.prose += own[i];
    }
    if (n.parent >= 0 && !n.boilerplate) nodes[static_cast<size_t>(n.parent)].prose += n.prose;
  }
}

}  // namespace

HtmlRole RoleOf(GumboTag tag) {
  switch (tag) {
    case GUMBO_TAG_SCRIPT:   case GUMBO_TAG_STYLE:    case GUMBO_TAG_TEMPLATE: case GUMBO_TAG_HEAD:
    case GUMBO_TAG_SELECT:
    case GUMBO_TAG_BUTTON:
    case GUMBO_TAG_INPUT:
    case GUMBO_TAG_TEXTAREA:
    case GUMBO_TAG_SVG:
    case GUMBO_TAG_IFRAME:
    case GUMBO_TAG_OBJECT:
    case GUMBO_TAG_CANVAS:
    case GUMBO_TAG_AUDIO:    case GUMBO_TAG_VIDEO:    case GUMBO_TAG_NOSCRIPT: case GUMBO_TAG_EMBED:
    case GUMBO_TAG_NOFRAMES: case GUMBO_TAG_DATALIST:
      return HtmlRole::kSkipped;
    case GUMBO_TAG_ADDRESS:
    case GUMBO_TAG_ARTICLE:
    case GUMBO_TAG_ASIDE:
    case GUMBO_TAG_BLOCKQUOTE:
    case GUMBO_TAG_BODY:
    case GUMBO_TAG_CENTER:
    case GUMBO_TAG_DD:
    case GUMBO_TAG_DETAILS:
    case GUMBO_TAG_DIR:      case GUMBO_TAG_DIV:      case GUMBO_TAG_DL:       case GUMBO_TAG_DT:
    case GUMBO_TAG_FIELDSET:
    case GUMBO_TAG_FIGCAPTION:
    case GUMBO_TAG_FIGURE:
    case GUMBO_TAG_FOOTER:
    case GUMBO_TAG_FORM:     case GUMBO_TAG_H1:       case GUMBO_TAG_H2:       case GUMBO_TAG_H3:
    case GUMBO_TAG_H4:
    case GUMBO_TAG_H5:
    case GUMBO_TAG_H6:
    case GUMBO_TAG_HEADER:
    case GUMBO_TAG_HGROUP:   case GUMBO_TAG_HR:       case GUMBO_TAG_HTML:     case GUMBO_TAG_LI:
    case GUMBO_TAG_MAIN:     case GUMBO_TAG_MENU:     case GUMBO_TAG_NAV:      case GUMBO_TAG_OL:
    case GUMBO_TAG_P:
    case GUMBO_TAG_PRE:
    case GUMBO_TAG_SECTION:
    case GUMBO_TAG_SUMMARY:
    case GUMBO_TAG_TABLE:    case GUMBO_TAG_TBODY:    case GUMBO_TAG_TD:       case GUMBO_TAG_TFOOT:
    case GUMBO_TAG_TH:       case GUMBO_TAG_THEAD:    case GUMBO_TAG_TR:       case GUMBO_TAG_UL:
    case GUMBO_TAG_CAPTION:  case GUMBO_TAG_LEGEND:   case GUMBO_TAG_LISTING:  case GUMBO_TAG_XMP:
      return HtmlRole::kBlock;
    default:
      return HtmlRole::kInline;
  }
}

void MeasureHtml(HtmlTree& tree) {
  std::vector<HtmlNode>& nodes = tree.nodes();
  std::vector<int> own(nodes.size()), own_link(nodes.size());
  std::vector<int> block(nodes.size());  // the nearest block element at or above
  std::vector<bool> link(nodes.size()), skipped(nodes.size());
  for (size_t i = 0; i < nodes.size(); ++i) {
    HtmlNode& n = nodes[i];
    const size_t parent = n.parent < 0 ? 0 : static_cast<size_t>(n.parent);
    const bool root = n.parent < 0;
    const GumboTag tag = TagOf(n.node);
    const HtmlRole role = IsElement(n.node) ? RoleOf(tag) : HtmlRole::kInline;
    n.hidden = (!root && nodes[parent].hidden) || HiddenElement(n.node);
    n.boilerplate =
        (!root && nodes[parent].boilerplate) || (IsElement(n.node) && BoilerplateElement(n.node));
    link[i] = (!root && link[parent]) || tag == GUMBO_TAG_A;
    n.links = tag == GUMBO_TAG_A;
    skipped[i] = (!root && skipped[parent]) || role == HtmlRole::kSkipped;
    block[i] = root || role == HtmlRole::kBlock ? static_cast<int>(i) : block[parent];
    if (!IsText(n.node) || skipped[i] || n.hidden) continue;
    n.text = VisibleBytes(n.node->v.text.text);
    n.link_text = link[i] ? n.text : 0;
    own[static_cast<size_t>(block[i])] += n.text;
    own_link[static_cast<size_t>(block[i])] += n.link_text;
  }
  for (size_t i = nodes.size(); i-- > 1;) {
    HtmlNode& parent = nodes[static_cast<size_t>(nodes[i].parent)];
    parent.text += nodes[i].text;
    parent.link_text += nodes[i].link_text;
    parent.links += nodes[i].links;
  }
  AddProse(nodes, own, own_link);
  // A block of short links and no prose is navigation, whatever its name; long links are titles of
  // works.
  for (size_t i = 0; i < nodes.size(); ++i) {
    HtmlNode& n = nodes[i];
    if (n.parent >= 0) n.boilerplate |= nodes[static_cast<size_t>(n.parent)].boilerplate;
    const GumboTag tag = TagOf(n.node);
    const bool list = tag == GUMBO_TAG_UL || tag == GUMBO_TAG_OL || tag == GUMBO_TAG_DIV ||
                      tag == GUMBO_TAG_SECTION || tag == GUMBO_TAG_TABLE || tag == GUMBO_TAG_DL;
    if (list && n.prose == 0 && n.link_text > kLinkShare * n.text && n.text > 30 &&
        n.link_text < kLongLink * n.links) {
      n.boilerplate = true;
    }
  }
}

int FindContent(const HtmlTree& tree) {
  const std::vector<HtmlNode>& nodes = tree.nodes();
  const int all = nodes[0].prose;
  if (all == 0) return 0;
  int at = 0;
  while (true) {
    int next = -1;
    for (int child = at + 1; child < nodes[static_cast<size_t>(at)].end;
         child = nodes[static_cast<size_t>(child)].end) {
      const HtmlNode& n = nodes[static_cast<size_t>(child)];
      if (!n.boilerplate && n.prose >= kProseShare * all) {
        next = child;
        break;
      }
    }
    // Headings and lists live beside the paragraphs, so the walk ends above a paragraph itself.
    if (next < 0) return at;
    const GumboTag tag = TagOf(nodes[static_cast<size_t>(next)].node);
    if (tag == GUMBO_TAG_P || tag == GUMBO_TAG_PRE || tag == GUMBO_TAG_LI || tag == GUMBO_TAG_TD ||
        tag == GUMBO_TAG_TR || tag == GUMBO_TAG_TBODY || tag == GUMBO_TAG_UL ||
        tag == GUMBO_TAG_OL || tag == GUMBO_TAG_TABLE || tag == GUMBO_TAG_BLOCKQUOTE) {
      return at;
    }
    at = next;
  }
}

}  // namespace weir::ingest
