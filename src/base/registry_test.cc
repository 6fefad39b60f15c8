#include "base/registry.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace weir {
namespace {

using ::testing::HasSubstr;

struct Shape {
  virtual ~Shape() = default;
  virtual double Area() const = 0;
};
struct Square : Shape {
  explicit Square(double side) : side(side) {}
  double Area() const override { return side * side; }
  double side;
};
struct Colour {};

struct SquareOptions {
  double side = 2;
  template <class V>
  void Visit(V& v) {
    v(side, {.name = "side", .help = "Length of a side.", .min = 0});
  }
};

Registry Filled() {
  Registry registry;
  registry.BeginCard({"square", "Shape", "Euclid, Elements", "Four equal sides."});
  registry.Add<Shape>(
      "square", "A square.",
      [](const OptionTable& table) -> absl::StatusOr<std::unique_ptr<Shape>> {
        absl::StatusOr<SquareOptions> options = ReadOptions<SquareOptions>(table);
        if (!options.ok()) return options.status();
        return std::make_unique<Square>(options->side);
      },
      OwnedOptions<SquareOptions>);
  return registry;
}

TEST(Registry, MakesWithOptions) {
  const Registry registry = Filled();
  ASSERT_EQ(registry.entries().size(), 1u);
  OptionTable table = registry.entries()[0].options();
  EXPECT_EQ((*registry.Make<Shape>("square", table))->Area(), 4);
  ASSERT_TRUE(table.Set("side", "3").ok());
  EXPECT_EQ((*registry.Make<Shape>("square", table))->Area(), 9);
  // Defaults, when the table has none of the fields.
  EXPECT_EQ((*registry.Make<Shape>("square", OptionTable()))->Area(), 4);
}

TEST(Registry, EntriesCarryTheCard) {
  const Registry registry = Filled();
  EXPECT_EQ(registry.entries()[0].card.source, "Euclid, Elements");
  EXPECT_EQ(registry.entries()[0].name, "square");
  EXPECT_EQ(registry.entries()[0].help, "A square.");
}

TEST(Registry, UnknownNamesAndKinds) {
  const Registry registry = Filled();
  const auto near = registry.Make<Shape>("sqaure", OptionTable()).status();
  EXPECT_EQ(near.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(near.message()), HasSubstr("did you mean \"square\"?"));
  EXPECT_THAT(std::string(registry.Make<Shape>("disc", OptionTable()).status().message()),
              HasSubstr("expected one of square"));
  EXPECT_THAT(std::string(registry.Make<Colour>("square", OptionTable()).status().message()),
              HasSubstr("has none of this kind"));
}

}  // namespace
}  // namespace weir
