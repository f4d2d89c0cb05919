// Package scenario holds attacks end to end as lists of events, and the test that runs them through our
// rules and the story builder: events in; detections, incidents and stories out. Each file under testdata
// says in its first line whether it is authored or recorded. It is not imported by anything.
package scenario
