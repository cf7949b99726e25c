// Package sim is the deterministic simulator of a fleet: the real loop, planner, hub, seal, commit acceptance and
// install step over a simulated rack. Everything is in its test files. A world is made from a seed alone, lives in one
// goroutine, and the same seed gives the same history byte for byte.
//
// Read world_test.go for the clock and the events, story_test.go for what people and faults do, and the files
// check_*_test.go for the rules that no history may break. Run `make sim`, or one world with
// `go test ./test/sim -run TestSeed -seed 42 -tell`.
package sim
