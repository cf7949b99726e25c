// Package archtest enforces the house: who may import whom, what the pure core may touch, and how large things may
// grow. It holds tests only; the tables at the head of archtest_test.go are the rules.
package archtest
