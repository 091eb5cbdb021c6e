// Package scenes plays days of a pipeline: hosts that die, a sink that is slow, a deploy that breaks a schema. It holds that who is on call is told of
// each once, soon, and with what they need, and of nothing else. The deciding and the notifying code is the real one, on a store in memory so that a
// day takes seconds, and for some of the scenes on a real ClickHouse. It owns no code of the program.
package scenes
