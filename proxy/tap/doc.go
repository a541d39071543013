// Package tap shows traffic as it passes: one [Exchange] for every request with its answer, as JSON or as one line
// for people in the manner of tcpdump.
//
// A session asks [Hub.Enabled] before it collects anything, which is one atomic load when nobody listens. It then
// publishes; publishing never blocks. Each subscriber has a bounded queue of its own, and what it is too slow to take
// is dropped and counted. The package starts no goroutine, holds no payload and no secret: names, counts and sizes only.
package tap
