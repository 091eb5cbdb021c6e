// Package chaos holds tests of a running Rollcall under faults: kill -9 of every process, networks that are cut, slow or
// lose answers, a store that stays away, disks that are full, and the order to end under load. What Rollcall says afterwards
// is compared with what truly happened: the topics, the sink's files and the senders' own lists, judged by the model.
//
// It owns the faults and that comparison. It must not know how the server works: it kills it, cuts it off, and asks it over HTTP.
//
// A test prints its seed, and ROLLCALL_SEED repeats it. Each fault is proven to have hit a process or a connection at work.
package chaos
