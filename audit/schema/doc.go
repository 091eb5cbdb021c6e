// Package schema checks events against their schemas at any hop that is told to. It owns
// how an event names its schema (framing), where schemas come from (Files, Registry), the
// check itself for JSON Schema, Avro and Protobuf, and the masked samples of events that
// broke theirs (Sampler). It must not know how a hop counts the outcome, nor the pipeline
// it runs in: audit.Hop.Schema takes the outcome, and audit/kgoaudit calls Check.
//
// Payloads, and schemas of a registry, are hostile until shown otherwise. A check takes
// bounded time and memory, and nothing that an event holds comes out of it: a reason, a path,
// an error and a sample show names that the schema declares, and shapes of values.
package schema
