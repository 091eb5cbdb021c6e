// Package audit is what a collector, relay or sink imports to take part in the roll
// call. It owns the numbering of events at production (Source), what one running
// instance of a hop says of the events it took over (Hop), how that survives the
// death of the process (Journal, Checkpoint), and how it gets to the server
// (Transport, HTTPTransport). It must not know how reports are stored, when a
// window closes, or what kind of pipeline it runs in: Kafka is in audit/kgoaudit.
//
// The rules that a caller must keep, because the library cannot see them broken:
//
//   - Number an event before any queue that could drop it.
//   - Observe an event once the hop answers for it, and not before.
//   - Call Left or Leave once per event, after it was observed, and only when every
//     next hop or its log has acknowledged it, or when it was filtered or rejected.
//   - State a lane's watermark only when everything before it has left.
//   - Filter and Reject are final; never call them for an attempt that is retried.
//   - Close once all has left. A hop that just ends holds its lane open.
package audit
