// Which part of a page is its content: the deepest element that holds nearly all of the page's
// prose (long paragraphs with few links), without what its tag, role or class marks as something
// else.
#pragma once

#include "ingest/html_tree.h"

namespace weir::ingest {

enum class HtmlRole { kInline, kBlock, kSkipped };

// How an element is laid out; kSkipped has no text to read (script, style, form controls,
// pictures).
HtmlRole RoleOf(GumboTag tag);

// Fills the measures and marks of every node.
void MeasureHtml(HtmlTree& tree);

// Index of the node that holds the content (0, the document, when nothing stands out).
int FindContent(const HtmlTree& tree);

}  // namespace weir::ingest
