package e2e

import (
	"fmt"
	"slices"
	"strings"

	"warder/test/e2e/compare"
	"warder/test/e2e/kafka"
)

// beginToCompare captures on all ports that brokers have and warders will be given.
func (w *world) beginToCompare() error {
	var ports []int
	for port := slices.Min(append(w.three.Ports(), w.old.Ports()...)); port <= kafka.LastPort; port++ {
		ports = append(ports, port)
	}
	var err error
	w.compare, err = compare.Start(ports)
	return err
}

// warderAt gives the name of the warder with that bootstrap address.
func warderAt(bootstrap any) string {
	warders.Lock()
	defer warders.Unlock()
	for _, p := range warders.all {
		for _, addr := range p.addr {
			if addr == bootstrap {
				return p.name
			}
		}
	}
	return "" // it has ended, or is none of ours
}

// compared prints what came of comparing both sides of all warders, and whose connections could not be followed. A difference is a failure
// of the scenarios that went through that warder at the time.
func compared() error {
	if w.compare == nil {
		return nil
	}
	report, err := w.compare.Stop()
	fmt.Println("e2e: compared:", report)
	fmt.Println("e2e: compared:", report.Kinds())
	w.sums.printCompared(report)
	for _, line := range report.Unfollowed() {
		fmt.Println("e2e: not compared:", line)
	}
	for _, d := range report.Differences {
		fmt.Printf("e2e: FAIL %s: through warder %s, client %q: %s\n", strings.Join(w.sums.under(d.Warder, d.At), " or "), d.Warder, d.ClientID, d.What)
	}
	if n := len(report.Differences) + report.More; n > 0 && err == nil {
		err = fmt.Errorf("%d times the two sides of a warder differ", n)
	}
	return err
}

// printCompared says of how many scenarios all connections were compared, and which were left out, for what reason.
func (s *summary) printCompared(report *compare.Report) {
	runs, all, some := 0, 0, 0
	for _, r := range s.runs {
		if r.skipped {
			continue
		}
		runs++
		switch exchanges, reasons := report.Between(r.warder, r.begin, r.ended()); {
		case exchanges > 0 && len(reasons) == 0:
			all++
		case exchanges > 0:
			some++
		default:
			fmt.Printf("e2e: not compared: %s/%s through %q: %s\n", r.scenario, r.client, r.warder, strings.Join(reasons, ", "))
		}
	}
	fmt.Printf("e2e: compared: of %d scenario runs through warder, all connections in %d and some in %d\n", runs, all, some)
}
