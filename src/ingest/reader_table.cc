#include "ingest/reader_table.h"

#include "ingest/html_reader.h"
#include "ingest/markdown_reader.h"
#include "ingest/pdf_reader.h"
#include "ingest/text_reader.h"

namespace weir::ingest {

std::vector<std::unique_ptr<Reader>> MakeReaders() {
  std::vector<std::unique_ptr<Reader>> readers;
  readers.push_back(MakeTextReader());
  readers.push_back(MakeCodeReader());
  readers.push_back(MakeMarkdownReader());
  readers.push_back(MakeHtmlReader());
  readers.push_back(MakePdfReader());
  return readers;
}

std::unique_ptr<Reader> FindReader(std::string_view path, std::string_view head) {
  std::unique_ptr<Reader> best;
  int surest = 0;
  for (std::unique_ptr<Reader>& reader : MakeReaders()) {
    const int sure = reader->Claims(path, head);
    if (sure > surest) {
      surest = sure;
      best = std::move(reader);
    }
  }
  return best;
}

std::unique_ptr<Reader> FindReaderOfFormat(std::string_view format) {
  for (std::unique_ptr<Reader>& reader : MakeReaders()) {
    if (reader->format() == format) return std::move(reader);
  }
  return nullptr;
}

bool Readable(std::string_view path) { return FindReader(path, "") != nullptr; }

}  // namespace weir::ingest
