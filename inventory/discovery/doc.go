// Package discovery is the vocabulary of machines that no host file names: their records, and the decision which record
// a registration belongs to. The package is pure.
//
// Read Record first. Identify decides which record a registration belongs to and what speaks against it;
// Record.Register and Record.Hear are the only ways in which an agent's words change a record. A record says nothing
// that was verified: every value but Proof is the word of whoever holds an enrolment key. Do not take a record for a
// machine of the fleet: the merged Host file makes the machine, and Record.ProvenBy says whether the waiting agent is
// that machine's.
package discovery
