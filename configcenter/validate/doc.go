// Package validate looks whether the content of a config is what its type says: JSON, YAML,
// TOML, properties or XML (Syntax), and whether it fits a JSON Schema (Schema). What is wrong
// is a Fault, with its line and column.
//
// Texts that may be right are not refused: a type without rules (text, html) has no faults.
// Stricter than some parsers it is where a text would silently lose something: a key that
// occurs twice in a JSON object or a YAML mapping is a fault.
//
// The content may come from anybody. Nothing here panics, follows a reference to another
// file or host, expands an alias or an entity before it has counted what that would make,
// or evaluates a schema without a bound on its steps. Schemas are compiled once and kept, as
// many as Schemas has room for.
//
// The center calls it on every publish; it knows neither configs nor protocols.
package validate
