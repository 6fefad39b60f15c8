// Damaged, cut, exchanged and foreign files of a store: each class of bytes of each kind of file.
// Nothing crashes, no passage gets another text, and what is wrong is said with the file's name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "index/catalogue/sqlite.h"
#include "index/segment_image.h"
#include "index/store_fixture.h"

namespace weir::index {
namespace {

namespace fs = std::filesystem;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Place {
  size_t offset;
  std::string name;  // of the class of bytes
  std::string says;  // what an error must name beside the file; "" where nothing needs to notice
};

SegmentHeader HeaderOf(const std::string& image) {
  SegmentHeader header;
  std::memcpy(&header, image.data(), sizeof(header));
  return header;
}

// Each field of the header, and each section's first, middle and last byte and some others.
std::vector<Place> Places(const std::string& image) {
  const char* kSum = "checksum";
  std::vector<Place> places = {{0, "magic", "magic"},
                               {7, "magic", "magic"},
                               {offsetof(SegmentHeader, version), "version", "version"},
                               {offsetof(SegmentHeader, kind), "kind", kSum},
                               {offsetof(SegmentHeader, file_size), "file size", kSum},
                               {offsetof(SegmentHeader, rows), "rows", kSum},
                               {offsetof(SegmentHeader, section_count), "section count", kSum},
                               {offsetof(SegmentHeader, reserved), "reserved", kSum},
                               {offsetof(SegmentHeader, padding), "padding", kSum},
                               {offsetof(SegmentHeader, checksum), "checksum", kSum}};
  for (int i = 0; i < kMaxParams; ++i) {
    places.push_back({offsetof(SegmentHeader, params) + 8 * static_cast<size_t>(i),
                      absl::StrCat("parameter ", i), kSum});
  }
  const SegmentHeader header = HeaderOf(image);
  std::mt19937 random(3);
  for (uint32_t i = 0; i < header.section_count; ++i) {
    const size_t at = offsetof(SegmentHeader, sections) + i * sizeof(SegmentSection);
    for (size_t field : {0, 8, 16})
      places.push_back({at + field, absl::StrCat("field ", field, " of section ", i), kSum});
    const SegmentSection& s = header.sections[i];
    if (s.size == 0) continue;
    std::vector<uint64_t> inside = {0, s.size / 2, s.size - 1};
    for (int more = 0; more < 3; ++more) inside.push_back(random() % s.size);
    for (const uint64_t byte : inside)
      places.push_back({s.offset + byte, absl::StrCat("byte ", byte, " of section ", i),
                        absl::StrCat("section ", i)});
  }
  return places;
}

class StoreDamageTest : public StoreFixture {
 protected:
  void Build(const std::string& path, int documents, const std::string& word = "weir") {
    auto store = *Store::Open(path, Store::Mode::kWrite, {});
    std::vector<Prepared> batch;
    for (int i = 0; i < documents; ++i) {
      std::string text;
      for (int w = 0; w < 12; ++w)
        absl::StrAppend(&text, w % 3 == 0 ? word : "water", " ", i * w % 37, " gate ");
      batch.push_back(Make(absl::StrCat("d", i), text, 60));
      if (i % 3 == 0) batch.back().document.title = absl::StrCat("Title ", i);
    }
    ASSERT_TRUE(store->AddBatch(batch, {}).ok());
    ASSERT_TRUE(store->EncodePending(dense_, {}).ok());
    ASSERT_TRUE(store->EncodePending(sparse_, {}).ok());
    ASSERT_TRUE(store->EncodePending(tokens_, fixed_, {}).ok());
    const std::vector<std::string> some = {"d1", "d5", "d7"};
    ASSERT_TRUE(store->Grant("anna", some).ok());
    ASSERT_TRUE(store->Remove("d2").ok());
    if (path != folder()) return;
    for (const int64_t id : store->Passages()) texts_[id] = store->GetPassage(id)->text;
  }

  // By file name, in its order.
  std::map<std::string, fs::path> Segments() {
    std::map<std::string, fs::path> paths;
    for (const auto& entry : fs::directory_iterator(folder() + "/segments"))
      paths[entry.path().filename()] = entry.path();
    return paths;
  }

  static void Put(const fs::path& path, std::string_view bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }

  // What opening and Check say, after every kind of search; a passage's text is right or an error.
  std::vector<std::string> Report() {
    auto opened = Store::Open(folder(), Store::Mode::kRead, {});
    if (!opened.ok()) return {opened.status().ToString()};
    const Store& store = **opened;
    const auto scope = store.TenantScope("anna");
    const Scope nothing(PassageSet({}), Scope::Counts::kScope);
    const std::vector<float> vector = dense_.One("weir");
    const text::TokenVectors tokens = tokens_.One("weir gate");
    for (const Scope* seen : {static_cast<const Scope*>(nullptr),
                              scope.ok() ? scope->get() : &nothing}) {
      for (const char* query : {"weir water", "\"water 3 gate\"", "+gate -7", "title"})
        (void)store.SearchLexical(query, 10, {}, seen);
      for (const Effort effort : {Effort::kNormal, Effort::kExact})
        (void)store.SearchDenseMany(vector, 1, 10, {.effort = effort}, {}, seen);
      for (const bool exact : {true, false})
        (void)store.SearchSparse(sparse_.One("weir"), 10, {.exact = exact}, {}, seen);
      for (const int64_t candidates : {0, 20})
        (void)store.SearchMulti(tokens, 10, {.candidates = candidates}, {}, seen);
    }
    for (const auto& [id, text] : texts_) {
      const auto passage = store.GetPassage(id);
      if (passage.ok()) {
        EXPECT_EQ(passage->text, text) << "passage " << id;
      }
      (void)store.GetVector(id);
      (void)store.GetSparseVector(id);
    }
    const auto lines = store.Check({});
    return lines.ok() ? *lines : std::vector<std::string>{lines.status().ToString()};
  }

  const HashEncoder dense_{4};
  const HashSparseEncoder sparse_{60};
  const HashTokenEncoder tokens_{8};
  const FixedEncodingOptions fixed_{
      .reps = 2, .bits = 1, .dim = 4, .final_dim = -1, .seed = -1, .means = {}};
  std::map<int64_t, std::string> texts_;
};

TEST_F(StoreDamageTest, EachClassOfBytesIsNamed) {
  Build(folder(), 60);
  std::mt19937 random(1);
  int flips = 0;
  for (const auto& [name, path] : Segments()) {
    const std::string good = *ReadFile(path);
    for (const Place& place : Places(good)) {
      std::string bad = good;
      bad[place.offset] = static_cast<char>(bad[place.offset] ^ (1 << random() % 8));
      Put(path, bad);
      ++flips;
      const std::vector<std::string> lines = Report();
      ASSERT_FALSE(lines.empty()) << name << ": " << place.name;
      EXPECT_THAT(lines[0], HasSubstr(name)) << place.name;
      EXPECT_THAT(lines[0], HasSubstr(place.says)) << place.name;
    }
    Put(path, good);
  }
  EXPECT_GT(flips, 200);
  EXPECT_THAT(Report(), IsEmpty());
}

// Sections that only segments of many rows have.
TEST_F(StoreDamageTest, EachSectionOfClusteredVectorsIsNamed) {
  {
    auto store = OpenWrite();
    std::vector<Prepared> batch;
    for (int i = 0; i < 4200; ++i) batch.push_back(Make(absl::StrCat("d", i), absl::StrCat(i)));
    ASSERT_TRUE(store->AddBatch(batch, {}).ok());
    Context context;
    context.now_ns = [] { return int64_t{0}; };  // no commit because of the time
    ASSERT_TRUE(store->EncodePending(dense_, context).ok());
  }
  int clustered = 0;
  for (const auto& [name, path] : Segments()) {
    const std::string good = *ReadFile(path);
    const SegmentHeader header = HeaderOf(good);
    if (header.kind != static_cast<uint32_t>(SegmentKind::kVector) || header.sections[4].size == 0)
      continue;
    ++clustered;
    for (uint32_t s = 4; s < header.section_count; ++s) {
      ASSERT_GT(header.sections[s].size, 0u);
      for (const uint64_t at : {uint64_t{0}, header.sections[s].size - 1}) {
        for (const bool repaired : {false, true}) {
          std::string bad = good;
          char& byte = bad[header.sections[s].offset + at];
          byte = static_cast<char>(byte ^ 0x40);
          if (repaired) RepairChecksums(bad);
          Put(path, bad);
          const std::vector<std::string> lines = Report();
          ASSERT_FALSE(lines.empty());
          EXPECT_THAT(lines[0], HasSubstr(name));
          if (!repaired) {
            EXPECT_THAT(lines[0], HasSubstr(absl::StrCat("section ", s)));
          }
        }
      }
    }
  }
  EXPECT_EQ(clustered, 1);
}

// Of a merged segment whose rows do not ascend.
TEST_F(StoreDamageTest, EachByteOfAnOrderOfRowsIsNamed) {
  {
    auto store = OpenWrite();
    store->ReorderFrom(1);
    std::vector<Prepared> batch;
    for (int i = 0; i < 100; ++i)
      batch.push_back(Make(absl::StrCat("d", i), i % 2 == 0 ? "weir water" : "mill wheel", 60));
    ASSERT_TRUE(store->AddBatch(batch, {}).ok());
    ASSERT_TRUE(store->AddBatch(std::vector{Make("last", "weir mill", 60)}, {}).ok());
    ASSERT_TRUE(store->Compact({}).ok());
    for (const int64_t id : store->Passages()) texts_[id] = store->GetPassage(id)->text;
  }
  ASSERT_THAT(Report(), IsEmpty());
  auto database = *Sqlite::Open(folder() + "/catalogue.sqlite", false);
  int reordered = 0;
  for (const auto& [name, path] : Segments()) {
    const std::string good = *ReadFile(path);
    const SegmentHeader header = HeaderOf(good);
    if (header.kind != static_cast<uint32_t>(SegmentKind::kLexical)) continue;
    ASSERT_EQ(header.section_count, 7u);
    ++reordered;
    const SegmentSection& order = header.sections[6];
    ASSERT_GT(order.size, 101u * 7 / 8);
    for (uint64_t at = 0; at < order.size; ++at) {
      for (const bool forged : {false, true}) {
        std::string bad = good;
        char& byte = bad[order.offset + at];
        byte = static_cast<char>(byte ^ (1 << at % 8));
        if (forged) RepairChecksums(bad);
        Put(path, bad);
        ASSERT_TRUE(database->Exec(absl::StrCat(
            "UPDATE segments SET checksum=", static_cast<int64_t>(HeaderOf(bad).checksum),
            " WHERE name='", name, "'")).ok());
        const std::vector<std::string> lines = Report();
        ASSERT_FALSE(lines.empty()) << "byte " << at;
        EXPECT_THAT(lines[0], HasSubstr(name));
        EXPECT_THAT(lines[0], HasSubstr("section 6"));
      }
    }
  }
  EXPECT_EQ(reordered, 1);
}

TEST_F(StoreDamageTest, CutAndPaddedFilesAreNamed) {
  Build(folder(), 20);
  for (const auto& [name, path] : Segments()) {
    const std::string good = *ReadFile(path);
    const SegmentHeader header = HeaderOf(good);
    std::vector<uint64_t> sizes = {0, 1, 8, sizeof(SegmentHeader) - 1, sizeof(SegmentHeader),
                                   good.size() - 1, good.size() + 1};
    for (uint32_t i = 0; i < header.section_count; ++i) {
      sizes.push_back(header.sections[i].offset);
      sizes.push_back(header.sections[i].offset + header.sections[i].size / 2);
    }
    for (const uint64_t size : sizes) {
      if (size == good.size()) continue;
      std::string bad = good;
      bad.resize(size);
      Put(path, bad);
      const absl::Status status = Store::Open(folder(), Store::Mode::kRead, {}).status();
      EXPECT_TRUE(absl::IsDataLoss(status)) << name << " of " << size << ": " << status;
      EXPECT_THAT(std::string(status.message()), HasSubstr(name));
      EXPECT_THAT(std::string(status.message()), HasSubstr(absl::StrCat(size, " bytes")));
    }
    Put(path, good);
  }
  EXPECT_THAT(Report(), IsEmpty());
}

// A file whose checksums fit was written by somebody: readers trust nothing that it says.
TEST_F(StoreDamageTest, ForgedFilesDoNotCrash) {
  Build(folder(), 40);
  std::mt19937 random(5);
  auto database = *Sqlite::Open(folder() + "/catalogue.sqlite", false);
  for (const auto& [name, path] : Segments()) {
    const std::string good = *ReadFile(path);
    const auto note = [&, name = name](const std::string& image) {
      const SegmentHeader header = HeaderOf(image);
      ASSERT_TRUE(database->Exec(absl::StrCat(
          "UPDATE segments SET checksum=", static_cast<int64_t>(header.checksum), ", rows=",
          static_cast<int64_t>(header.rows), " WHERE name='", name, "'")).ok());
    };
    for (const Place& place : Places(good)) {
      if (place.offset >= offsetof(SegmentHeader, checksum) &&
          place.offset < sizeof(SegmentHeader))
        continue;
      for (const uint8_t bits : {1, 0x80, 0xff}) {
        std::string bad = good;
        bad[place.offset] = static_cast<char>(bad[place.offset] ^ bits);
        if (random() % 2 == 0) {  // the bytes beside it, too
          for (size_t i = place.offset; i < std::min(bad.size(), place.offset + 8); ++i)
            bad[i] = static_cast<char>(random());
        }
        RepairChecksums(bad);
        Put(path, bad);
        note(bad);
        texts_.clear();  // a forged text is one
        for (const std::string& line : Report()) {
          EXPECT_THAT(line, AnyOf(HasSubstr(name), HasSubstr("catalogue"), HasSubstr("passage"),
                                  HasSubstr("encoding")))
              << place.name;
        }
      }
    }
    Put(path, good);
    note(good);
  }
  EXPECT_THAT(Report(), IsEmpty());
}

TEST_F(StoreDamageTest, FilesOfAnotherStoreAreRefused) {
  Build(folder(), 20);
  const std::string other = folder() + "_other";
  fs::remove_all(other);
  Build(other, 20, "mill");
  for (const auto& [name, path] : Segments()) {
    const std::string good = *ReadFile(path);
    fs::copy_file(other + "/segments/" + name, path, fs::copy_options::overwrite_existing);
    const absl::Status status = Store::Open(folder(), Store::Mode::kRead, {}).status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << name << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(name));
    EXPECT_THAT(std::string(status.message()), HasSubstr("not the file that the catalogue notes"));
    // Of another kind.
    for (const auto& [stranger, from] : Segments()) {
      if (stranger == name) continue;
      fs::copy_file(from, path, fs::copy_options::overwrite_existing);
      const absl::Status kind = Store::Open(folder(), Store::Mode::kRead, {}).status();
      EXPECT_TRUE(absl::IsDataLoss(kind)) << name << ": " << kind;
      EXPECT_THAT(std::string(kind.message()), HasSubstr(name));
      EXPECT_THAT(std::string(kind.message()), HasSubstr("segment kind"));
      break;
    }
    Put(path, good);
  }
  EXPECT_THAT(Report(), IsEmpty());
  // The whole catalogue of the other one.
  fs::copy_file(other + "/catalogue.sqlite", folder() + "/catalogue.sqlite",
                fs::copy_options::overwrite_existing);
  EXPECT_THAT(Report()[0], HasSubstr("not the file that the catalogue notes"));
  fs::remove_all(other);
}

TEST_F(StoreDamageTest, NewerVersionsAndOtherDimensionsAreNamed) {
  Build(folder(), 20);
  const auto with = [&](const std::string& sql, const std::string& undo) {
    auto database = *Sqlite::Open(folder() + "/catalogue.sqlite", false);
    EXPECT_TRUE(database->Exec(sql).ok()) << sql;
    const absl::Status status = Store::Open(folder(), Store::Mode::kRead, {}).status();
    EXPECT_TRUE(database->Exec(undo).ok()) << undo;
    return status;
  };
  absl::Status status = with("PRAGMA user_version=99", "PRAGMA user_version=2");
  EXPECT_TRUE(absl::IsUnimplemented(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("catalogue.sqlite"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("format version 99"));
  status = with("UPDATE segments SET kind=77 WHERE kind=2",
                "UPDATE segments SET kind=2 WHERE kind=77");
  EXPECT_TRUE(absl::IsUnimplemented(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("segment kind 77"));
  const std::tuple<const char*, int, const char*> encoders[] = {
      {"encoder", 4, "-vector.seg"}, {"sparse_encoder", 60, "-sparse.seg"},
      {"multi_encoder", 8, "-multi.seg"}};
  for (const auto& [name, dimensions, file] : encoders) {
    const auto set = [&, key = name](int to) {
      return absl::StrCat("UPDATE settings SET value='", to, "' WHERE key='", key,
                          "_dimensions'");
    };
    status = with(set(384), set(dimensions));
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(file));
    EXPECT_THAT(std::string(status.message()),
                HasSubstr(absl::StrCat(dimensions, " dimensions; the catalogue notes 384")));
  }
  EXPECT_THAT(Report(), IsEmpty());
}

// Structure that SQLite looks after, and numbers and words in rows that it does not.
TEST_F(StoreDamageTest, EachClassOfBytesOfTheCatalogueIsNoticed) {
  Build(folder(), 60);
  const fs::path path = folder() + "/catalogue.sqlite";
  ASSERT_FALSE(fs::exists(path.string() + "-wal"));  // the last connection folded it in
  const std::string good = *ReadFile(path);
  constexpr size_t kPage = 4096;
  ASSERT_EQ(good.size() % kPage, 0u);
  std::vector<size_t> places;
  // The header: magic, page size, versions, reserved bytes, counters, encoding, user version,
  // application.
  for (const size_t at : {0, 16, 17, 18, 19, 20, 21, 24, 28, 32, 36, 40, 44, 47, 52, 56, 59, 60,
                          63, 68, 71, 92, 96})
    places.push_back(at);
  std::mt19937 random(4);
  for (size_t page = 0; page < good.size(); page += kPage) {
    for (const size_t at : {size_t{0}, size_t{3}, size_t{8}, kPage - 9, kPage - 1})
      places.push_back(page + at);
    for (int i = 0; i < 3; ++i) places.push_back(page + random() % kPage);
  }
  for (const size_t at : places) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 << random() % 8));
    Put(path, bad);
    const std::vector<std::string> lines = Report();
    ASSERT_FALSE(lines.empty()) << "byte " << at;
    EXPECT_THAT(lines[0], HasSubstr("catalogue")) << "byte " << at;
    if (at >= kPage) {
      EXPECT_THAT(lines[0], HasSubstr(absl::StrCat("page at offset ", at / kPage * kPage)));
    }
    fs::remove(path.string() + "-wal");
    fs::remove(path.string() + "-shm");
  }
  for (size_t size = 1; size < good.size(); size += random() % (3 * kPage)) {
    Put(path, std::string_view(good).substr(0, size));
    const std::vector<std::string> lines = Report();
    ASSERT_FALSE(lines.empty()) << size << " bytes";
    EXPECT_THAT(lines[0], HasSubstr("catalogue")) << size << " bytes";
    fs::remove(path.string() + "-wal");
    fs::remove(path.string() + "-shm");
  }
  Put(path, good);
  EXPECT_THAT(Report(), IsEmpty());
}

// What a killed writer leaves. SQLite takes the log up to its first frame that does not fit.
TEST_F(StoreDamageTest, DamagedLogsGiveAnEarlierStoreOrAnError) {
  const std::string open = folder() + "_open", log = folder() + "/catalogue.sqlite-wal";
  fs::remove_all(open);
  Build(folder(), 20);
  fs::rename(folder(), open);
  std::unique_ptr<Store> store = *Store::Open(open, Store::Mode::kWrite, {});
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(store->AddBatch(std::vector{Make("more", absl::StrCat("weir ", i))}, {}).ok());
    texts_[store->Passages().back()] = absl::StrCat("weir ", i);
  }
  std::mt19937 random(6);
  for (int i = 0; i < 60; ++i) {
    fs::remove_all(folder());
    fs::copy(open, folder(), fs::copy_options::recursive);
    fs::remove(folder() + "/catalogue.sqlite-shm");
    std::string bytes = *ReadFile(log);
    const size_t at = i < 32 ? static_cast<size_t>(i) : random() % bytes.size();
    if (i % 4 == 3) bytes.resize(at);
    if (i % 4 != 3) bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
    Put(log, bytes);
    const std::vector<std::string> lines = Report();
    if (!lines.empty()) {
      EXPECT_THAT(lines[0], AnyOf(HasSubstr("catalogue"), HasSubstr(".seg")));
    }
  }
  store.reset();
  fs::remove_all(open);
}

// One that an older weir wrote: it has no checksums, and gets none.
TEST_F(StoreDamageTest, CataloguesWithoutSealsAreRead) {
  Build(folder(), 20);
  const std::string path = folder() + "/catalogue.sqlite";
  std::string dump = folder() + "/plain.sqlite";
  {
    auto database = *Sqlite::Open(path, false);
    ASSERT_TRUE(database->Exec("PRAGMA user_version=1").ok());
  }
  ASSERT_EQ(std::system(absl::StrCat("python3 -c \"import sqlite3, sys; a = sqlite3.connect('",
                                     path, "'); b = sqlite3.connect('", dump,
                                     "'); b.executescript('\\n'.join(a.iterdump())); "
                                     "b.execute('PRAGMA application_id=0x57454952'); "
                                     "b.execute('PRAGMA user_version=1'); b.commit()\"").c_str()),
            0);
  fs::rename(dump, path);
  EXPECT_EQ((*ReadFile(path))[20], 0);
  EXPECT_THAT(Report(), IsEmpty());
  {
    auto store = OpenWrite();
    ASSERT_NE(store, nullptr);
    ASSERT_TRUE(store->AddBatch(std::vector{Make("new", "a new weir")}, {}).ok());
  }
  EXPECT_EQ((*ReadFile(path))[20], 0);
  EXPECT_THAT(Report(), IsEmpty());
}

// The first writer was killed before its first commit.
TEST_F(StoreDamageTest, StoresThatNeverBeganAreNone) {
  fs::create_directories(folder() + "/segments");
  Put(folder() + "/catalogue.sqlite", "");
  absl::Status status = Store::Open(folder(), Store::Mode::kRead, {}).status();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("catalogue.sqlite"));
  EXPECT_NE(OpenWrite(), nullptr);
  ASSERT_TRUE((*Sqlite::Open(folder() + "/catalogue.sqlite", false))
                  ->Exec("DELETE FROM settings").ok());  // between the two first commits
  auto store = OpenRead();
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(store->Status()->language, kDefaultLanguage);
  EXPECT_THAT(*store->SearchLexical("weir", 3, {}), IsEmpty());
}

TEST_F(StoreDamageTest, FilesThatAreFoldersAreNamed) {
  Build(folder(), 10);
  // What the lock holds means nothing; that it can be locked does.
  Put(folder() + "/lock", "anything");
  EXPECT_TRUE(Store::Open(folder(), Store::Mode::kWrite, {}).ok());
  fs::remove(folder() + "/lock");
  fs::create_directory(folder() + "/lock");
  EXPECT_THAT(Store::Open(folder(), Store::Mode::kWrite, {}).status().ToString(),
              HasSubstr("/lock"));
  EXPECT_TRUE(Store::Open(folder(), Store::Mode::kRead, {}).ok());
  const auto [name, path] = *Segments().begin();
  fs::remove(path);
  fs::create_directory(path);
  EXPECT_THAT(Report()[0], HasSubstr(name));
  fs::remove_all(folder() + "/catalogue.sqlite");
  fs::create_directory(folder() + "/catalogue.sqlite");
  EXPECT_THAT(Report()[0], HasSubstr("catalogue.sqlite"));
}

}  // namespace
}  // namespace weir::index
