// JSON schema to GBNF. Supported: type (one or a list of object, array, string, number, integer,
// boolean, null), enum, const, properties, required, additionalProperties (false; or a schema when
// there are no properties), items, minItems, maxItems, minLength, maxLength, anyOf, oneOf (read as
// anyOf), and $ref to definitions of the same document, recursive ones included. Annotations are
// ignored. An object with properties is closed, and its members come in the order of the schema.
// Every other keyword would weaken what the caller asked for, so it is refused.
// Errors: kInvalidArgument (not JSON, contradictory), kUnimplemented (a keyword; the message has
// its place), kResourceExhausted (a limit). The schema is hostile input.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace weir::generate {

struct SchemaLimits {
  size_t source_bytes = 1 << 20;
  int depth = 32;        // nested schemas, and nested values of the document
  int references = 256;  // different $ref targets
  int rules = 2000;
};

absl::StatusOr<std::string> JsonSchemaToGbnf(std::string_view schema,
                                             const SchemaLimits& limits = {});

}  // namespace weir::generate
