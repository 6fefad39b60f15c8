// Options declared once. A struct lists its fields in Visit; everything else reads the table made
// from it: flag, weir.toml key, environment variable, help, man page, completion, JSON schema,
// fingerprint, validation.
//
//   struct SearchOptions {
//     int64_t top_k = 10;
//     template <class V> void Visit(V& v) {
//       v(top_k, {.name = "top-k", .help = "How many hits to return.", .min = 1, .max = 1000});
//     }
//   };
//   SearchOptions o;  OptionTable table = BindOptions(o);  table.Set("top-k", "25");
//
// The default is the value the member holds when BindOptions runs. Member types: bool, int64_t,
// double, std::string, std::vector<std::string>. A table borrows the struct, which must outlive it.
// Names are kebab-case and unique over a verb; the environment variable of "top-k" is WEIR_TOP_K.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace weir {

struct OptionSpec {
  std::string_view name;
  std::string_view help;  // one sentence with a full stop
  std::string_view unit = "";
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  std::vector<std::string_view> choices = {};
  bool fingerprint = true;  // part of the fingerprint stored in indexes and result files
};

using OptionTarget =
    std::variant<bool*, int64_t*, double*, std::string*, std::vector<std::string>*>;

class OptionField {
 public:
  OptionField(OptionTarget target, OptionSpec spec);
  const OptionSpec& spec() const { return spec_; }
  std::string_view type_name() const;        // "bool", "integer", "number", "string", "list"
  const std::string& default_text() const { return default_text_; }
  std::string Get() const;                   // current value as text; Set(Get()) is the identity
  // Parses, checks range and choices; the message names the option.
  absl::Status Set(std::string_view text);

 private:
  OptionTarget target_;
  OptionSpec spec_;
  std::string default_text_;
};

class OptionTable {
 public:
  std::vector<OptionField>& fields() { return fields_; }
  const std::vector<OptionField>& fields() const { return fields_; }
  OptionField* Find(std::string_view name);
  const OptionField* Find(std::string_view name) const;
  // Unknown names give kInvalidArgument with the nearest name ("did you mean").
  absl::Status Set(std::string_view name, std::string_view text);
  // {"name":{"type":..,"default":..,"minimum":..,"enum":[..],"description":..}} as a JSON schema
  // text.
  std::string JsonSchema() const;
  // {"name":value,..} of the current values as JSON text.
  std::string JsonValues() const;
  // Sets each field that `target` also has to this table's value.
  absl::Status CopyValuesTo(OptionTable& target) const;
  // Stable "name=value;..." of the fields with spec.fingerprint, sorted by name.
  std::string Fingerprint() const;
  void operator()(auto& member, OptionSpec spec) { fields_.emplace_back(&member, std::move(spec)); }
  void Append(OptionTable other);
  void KeepAlive(std::shared_ptr<void> owned) { owned_.push_back(std::move(owned)); }

 private:
  std::vector<OptionField> fields_;
  std::vector<std::shared_ptr<void>> owned_;
};

template <class Options>
OptionTable BindOptions(Options& options) {
  OptionTable table;
  options.Visit(table);
  return table;
}

// A table over an Options of its own, with the defaults: what Registry::Add takes as `options`.
template <class Options>
OptionTable OwnedOptions() {
  auto options = std::make_shared<Options>();
  OptionTable table = BindOptions(*options);
  table.KeepAlive(std::move(options));
  return table;
}

// An Options struct with the values that `table` has for its fields, defaults elsewhere.
template <class Options>
absl::StatusOr<Options> ReadOptions(const OptionTable& table) {
  Options options;
  OptionTable target = BindOptions(options);
  if (absl::Status status = table.CopyValuesTo(target); !status.ok()) return status;
  return options;
}

// A list as one text: items joined by commas, with \, and \\ for those characters and \e for an
// empty item. ParseList(ListText(x)) == x; the empty list is "".
std::string ListText(const std::vector<std::string>& items);
std::vector<std::string> ParseList(std::string_view text);

// The candidate nearest to `word` by edit distance (at most a third of its length away, rounded
// up), or "".
std::string NearestName(std::string_view word, const std::vector<std::string>& candidates);

// Applies `[section]` of a weir.toml text; an unknown key is an error with file and line. Sections
// below it ("index.check" for "index") and, for section "", all sections are left to their own
// calls.
absl::Status ApplyToml(std::string_view path, std::string_view toml_text, std::string_view section,
                       OptionTable& table);
// kInvalidArgument with file and line for a section that is not among `known` ("index.check"), nor
// on the way to one.
absl::Status CheckTomlSections(std::string_view path, std::string_view toml_text,
                               const std::vector<std::string>& known);
// Applies the fields of a JSON object text (an HTTP body); types must match, unknown names are
// errors.
absl::Status ApplyJson(std::string_view json_text, OptionTable& table);

// "top-k" -> "WEIR_TOP_K".
std::string EnvironmentName(std::string_view option_name);
// Applies WEIR_<NAME> variables; precedence is the caller's: flag > environment > project > user >
// default.
absl::Status ApplyEnvironment(OptionTable& table);

}  // namespace weir
